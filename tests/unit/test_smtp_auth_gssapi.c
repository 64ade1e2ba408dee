/* smtp/auth: GSSAPI's words around a context (RFC 4752), which is played here: what the server says
 * in it is as it stands, in an envelope of one byte more. */
#include <errno.h>
#include <gsasl.h>
#include <string.h>

#include "base/errors.h"
#include "smtp/auth.h"
#include "unit.h"

typedef struct Played {
    unsigned contexts; /* that are left */
    unsigned ended;
    unsigned tokens; /* that the server has to send until it is established */
} Played;

static int begin(void *user, void **ret_context, Buffer *out, _unused_ Failure *f)
{
    Played *played = user;

    if (played->contexts == 0)
        return -EAGAIN;
    played->contexts--;
    *ret_context = played;
    return buffer_append_string(out, "ticket");
}

static int step(
    void *context, const void *token, size_t n, Buffer *out, bool *ret_complete, Failure *f)
{
    Played *played = context;

    if (n == 3 && memcmp(token, "bad", 3) == 0)
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION, "not one of who has the key");
    *ret_complete = --played->tokens == 0;
    return *ret_complete ? 0 : buffer_append_string(out, "more");
}

static int unwrap(_unused_ void *context, const void *token, size_t n, Buffer *out,
    _unused_ bool *ret_encrypted, Failure *f)
{
    if (n == 0)
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION, "cannot be opened");
    return buffer_append(out, (const char *)token + 1, n - 1);
}

static int wrap(_unused_ void *context, bool encrypted, const void *data, size_t n, Buffer *out,
    _unused_ Failure *f)
{
    ck_assert(!encrypted);
    return buffer_append(out, "~", 1) ?: buffer_append(out, data, n);
}

static void end(void *context)
{
    ((Played *)context)->ended++;
}

typedef struct Fixture {
    Played played;
    Gssapi gssapi;
    SmtpAuth *auth;
    Buffer out;
    Failure failure;
} Fixture;

static void fixture_init(Fixture *x, const char *identity)
{
    static const SmtpTlsInfo tls = {.active = true};
    static const SmtpCapabilities capabilities = {
        .esmtp = true, .flags = SMTP_CAP_AUTH, .mechanisms = "PLAIN GSSAPI"};
    SmtpAuthOptions options = {
        .mechanism = "gssapi", .host = "h", .authorization_identity = identity};

    *x = (Fixture){.played = {.contexts = 1, .tokens = 1}};
    x->gssapi = (Gssapi){&x->played, begin, step, unwrap, wrap, end};
    options.gssapi = &x->gssapi;
    ck_assert(smtp_auth_wanted(&options));
    ck_assert_int_eq(smtp_auth_new(&options, &capabilities, &tls, 0, 0, &x->auth, &x->failure), 0);
}

static void fixture_done(Fixture *x)
{
    smtp_auth_free(x->auth);
    buffer_done(&x->out);
    failure_done(&x->failure);
}

static void check_output(Fixture *x, const char *expected)
{
    ck_assert_int_eq(buffer_append(&x->out, "", 1), 0);
    ck_assert_str_eq(buffer_data(&x->out), expected);
    buffer_clear(&x->out);
}

static void check_start(Fixture *x)
{
    ck_assert_int_eq(smtp_auth_start(x->auth, &x->out, &x->failure), 0);
    check_output(x, "AUTH GSSAPI dGlja2V0\r\n");
}

static int challenge(Fixture *x, const char *data, size_t n)
{
    char *base64 = NULL;
    int r;

    ck_assert_int_eq(gsasl_base64_to(data, n, &base64, NULL), GSASL_OK);
    r = smtp_auth_challenge(x->auth, base64, &x->out, &x->failure);
    gsasl_free(base64);
    return r;
}

static void check_cancelled(Fixture *x, const char *data, size_t n, const char *words)
{
    ck_assert_int_eq(challenge(x, data, n), -EBADMSG);
    check_output(x, "*\r\n");
    ck_assert_int_eq(x->failure.number, ERROR_AUTHENTICATION);
    ck_assert_msg(strstr(failure_text(&x->failure), words), "%s", failure_text(&x->failure));
}

/* AuthorizationIdentity stands behind the choice. */
START_TEST(no_layer_is_chosen)
{
    Fixture x;

    fixture_init(&x, "bob");
    check_start(&x);
    ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), -EBADMSG);
    ck_assert_int_eq(challenge(&x, "proof", 5), 0);
    check_output(&x, "\r\n");
    ck_assert_int_eq(challenge(&x, "~\7\0\x10\0", 5), 0);
    check_output(&x, "fgEAAABib2I=\r\n"); /* "~\1\0\0\0bob" */
    ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), 0);
    check_cancelled(&x, "~", 1, "asks on where GSSAPI is at its end");
    fixture_done(&x);
    ck_assert_uint_eq(x.played.ended, 1);
}
END_TEST

START_TEST(more_words_are_said_until_it_stands)
{
    Fixture x;

    fixture_init(&x, NULL);
    x.played.tokens = 2;
    check_start(&x);
    ck_assert_int_eq(challenge(&x, "go on", 5), 0);
    check_output(&x, "bW9yZQ==\r\n");
    ck_assert_int_eq(challenge(&x, "proof", 5), 0);
    check_output(&x, "\r\n");
    ck_assert_int_eq(challenge(&x, "~\1\0\0\0", 5), 0);
    check_output(&x, "fgEAAAA=\r\n");
    fixture_done(&x);
}
END_TEST

START_TEST(a_server_that_wants_a_layer_is_left)
{
    Fixture x;

    fixture_init(&x, NULL);
    check_start(&x);
    ck_assert_int_eq(challenge(&x, "proof", 5), 0);
    buffer_clear(&x.out);
    check_cancelled(
        &x, "~\6\0\x10\0", 5, "insists on a security layer of Kerberos (it offers 0x6)");
    ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), -EBADMSG);
    fixture_done(&x);
}
END_TEST

START_TEST(hostile_servers_are_left)
{
    static const char *const offers[] = {"", "~", "~\1\0\0", "~\1\0\0\0\0"};
    static const size_t sizes[] = {0, 1, 4, 6};
    Fixture x;

    for (size_t i = 0; i < ELEMENTSOF(offers); i++) {
        fixture_init(&x, NULL);
        check_start(&x);
        ck_assert_int_eq(challenge(&x, "proof", 5), 0);
        buffer_clear(&x.out);
        check_cancelled(
            &x, offers[i], sizes[i], i == 0 ? "cannot be opened" : "no message of RFC 4752");
        fixture_done(&x);
    }
    fixture_init(&x, NULL);
    check_start(&x);
    check_cancelled(&x, "bad", 3, "not one of who has the key");
    fixture_done(&x);
}
END_TEST

/* A connection that has been at several addresses. */
START_TEST(tickets_come_to_an_end)
{
    Fixture x;

    fixture_init(&x, NULL);
    x.played.contexts = 0;
    ck_assert_int_eq(smtp_auth_start(x.auth, &x.out, &x.failure), -EBADMSG);
    ck_assert_uint_eq(buffer_size(&x.out), 0);
    ck_assert_ptr_nonnull(strstr(failure_text(&x.failure), "used up"));
    fixture_done(&x);
    ck_assert_uint_eq(x.played.ended, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_auth_gssapi");
    TCase *t = tcase_create("all");

    tcase_add_test(t, no_layer_is_chosen);
    tcase_add_test(t, more_words_are_said_until_it_stands);
    tcase_add_test(t, a_server_that_wants_a_layer_is_left);
    tcase_add_test(t, hostile_servers_are_left);
    tcase_add_test(t, tickets_come_to_an_end);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
