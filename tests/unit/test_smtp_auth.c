/* smtp/auth: the vectors of the RFCs, the lines and their limits. */
#include <errno.h>
#include <gsasl.h>
#include <string.h>

#include "base/errors.h"
#include "smtp/auth.h"
#include "unit.h"

#define PASSWORD "tanstaaftanstaaf"

static const SmtpTlsInfo plain_tls = {.active = true};
static const SmtpTlsInfo bound_tls = {
    .active = true, .binding_exporter = "binding", .binding_exporter_size = 7};

/* Stands in for libgsasl's own, so that the nonce is the one of RFC 5802, 5. */
int gsasl_nonce(char *data, size_t n)
{
    char *nonce;
    size_t size;

    ck_assert_int_eq(gsasl_base64_from("fyko+d2lbbFgONRv9qkxdawL", 24, &nonce, &size), GSASL_OK);
    for (size_t i = 0; i < n; i++)
        data[i] = nonce[i % size];
    gsasl_free(nonce);
    return GSASL_OK;
}

typedef struct Fixture {
    SmtpCapabilities capabilities;
    SmtpAuthOptions options;
    Secret *secret;
    SmtpAuth *auth;
    Buffer out;
    Failure failure;
} Fixture;

static void fixture_init(Fixture *x, const char *offered, const char *mechanism, const char *secret)
{
    *x = (Fixture){.capabilities = {.esmtp = true, .flags = SMTP_CAP_AUTH}};
    strcpy(x->capabilities.mechanisms, offered);
    x->secret = secret ? secret_new(secret, strlen(secret)) : NULL;
    x->options = (SmtpAuthOptions){.mechanism = mechanism,
        .user = "tim",
        .secret = x->secret,
        .host = "server.example.com",
        .port = 587};
}

static void fixture_done(Fixture *x)
{
    smtp_auth_free(x->auth);
    secret_unref(x->secret);
    buffer_done(&x->out);
    failure_done(&x->failure);
}

static int fixture_new(Fixture *x, const SmtpTlsInfo *tls)
{
    return smtp_auth_new(&x->options, &x->capabilities, tls, 0, 0, &x->auth, &x->failure);
}

static void check_output(Fixture *x, const char *expected)
{
    ck_assert_int_eq(buffer_append(&x->out, "", 1), 0);
    ck_assert_str_eq(buffer_data(&x->out), expected);
    buffer_clear(&x->out);
}

/* Starts the only mechanism that is offered, and expects this AUTH line. */
static void fixture_start(Fixture *x, const char *mechanism, const char *secret, const char *line)
{
    fixture_init(x, mechanism, mechanism, secret);
    ck_assert_int_eq(fixture_new(x, &plain_tls), 0);
    ck_assert_int_eq(smtp_auth_start(x->auth, &x->out, &x->failure), 0);
    check_output(x, line);
}

static void check_answer(Fixture *x, const char *challenge, const char *line)
{
    ck_assert_int_eq(smtp_auth_challenge(x->auth, challenge, &x->out, &x->failure), 0);
    check_output(x, line);
}

static void check_cancelled(Fixture *x, const char *challenge, const char *words)
{
    ck_assert_int_eq(smtp_auth_challenge(x->auth, challenge, &x->out, &x->failure), -EBADMSG);
    check_output(x, "*\r\n");
    ck_assert_int_eq(x->failure.number, ERROR_AUTHENTICATION);
    ck_assert_msg(strstr(failure_text(&x->failure), words), "%s", failure_text(&x->failure));
}

START_TEST(plain_is_as_in_rfc_4616)
{
    Fixture x;

    fixture_start(&x, "PLAIN", PASSWORD, "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n");
    ck_assert(smtp_auth_is_clear(x.auth));
    ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), 0);
    check_cancelled(&x, "", "PLAIN is at its end");
    fixture_done(&x);
    fixture_init(&x, "PLAIN", "plain", "Kurt");
    x.options.authorization_identity = "Ursel";
    ck_assert_int_eq(fixture_new(&x, &plain_tls), 0);
    ck_assert_int_eq(smtp_auth_start(x.auth, &x.out, &x.failure), 0);
    check_output(&x, "AUTH PLAIN VXJzZWwAdGltAEt1cnQ=\r\n");
    fixture_done(&x);
}
END_TEST

START_TEST(login_answers_any_prompt)
{
    Fixture x;

    fixture_start(&x, "LOGIN", PASSWORD, "AUTH LOGIN\r\n");
    ck_assert(smtp_auth_is_clear(x.auth));
    check_answer(&x, "Username:\n", "dGlt\r\n");
    ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), -EBADMSG);
    check_answer(&x, "UGFzc3dvcmQ6 ", "dGFuc3RhYWZ0YW5zdGFhZg==\r\n");
    ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), 0);
    check_cancelled(&x, "Username:", "LOGIN is at its end");
    fixture_done(&x);
}
END_TEST

START_TEST(cram_md5_is_as_in_rfc_2195)
{
    Fixture x;

    fixture_start(&x, "CRAM-MD5", PASSWORD, "AUTH CRAM-MD5\r\n");
    ck_assert(!smtp_auth_is_clear(x.auth));
    check_answer(&x, "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n",
        "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n");
    ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), 0);
    fixture_done(&x);
}
END_TEST

/* base64 of the messages of RFC 5802, 5; the user is "user". */
static void start_scram(Fixture *x)
{
    fixture_init(x, "SCRAM-SHA-1 SCRAM-SHA-1-PLUS", "scram-sha-1", "pencil");
    x->options.user = "user";
    ck_assert_int_eq(fixture_new(x, &bound_tls), 0);
    ck_assert_int_eq(smtp_auth_start(x->auth, &x->out, &x->failure), 0);
    check_output(x, "AUTH SCRAM-SHA-1 biwsbj11c2VyLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdM\r\n");
}

#define SCRAM_SERVER_FIRST                                                                     \
    "cj1meWtvK2QybGJiRmdPTlJ2OXFreGRhd0wzcmZjTkhZSlkxWlZ2V1ZzN2oscz1RU1hDUitRNnNlazhiZjkyLGk9" \
    "NDA5Ng=="
#define SCRAM_CLIENT_FINAL                                                                     \
    "Yz1iaXdzLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdMM3JmY05IWUpZMVpWdldWczdqLHA9djBYOHYzQnoyVDBD" \
    "SkdiSlF5RjBYK0hJNFRzPQ==\r\n"

START_TEST(scram_is_as_in_rfc_5802)
{
    Fixture x;

    start_scram(&x);
    check_answer(&x, SCRAM_SERVER_FIRST "\n", SCRAM_CLIENT_FINAL);
    ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), -EBADMSG); /* no proof yet */
    ck_assert_ptr_nonnull(strstr(failure_text(&x.failure), "has not shown"));
    check_answer(&x, "dj1ybUY5cHFWOFM3c3VBb1pXamE0ZEpSa0ZzS1E9\n", "\r\n");
    ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), 0);
    fixture_done(&x);
}
END_TEST

static void check_scram_cancelled(const char *server_first, const char *words)
{
    Fixture x;
    char *base64;

    start_scram(&x);
    ck_assert_int_eq(gsasl_base64_to(server_first, strlen(server_first), &base64, NULL), GSASL_OK);
    check_cancelled(&x, base64, words);
    gsasl_free(base64);
    fixture_done(&x);
}

#define NONCE "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"

START_TEST(hostile_scram_servers_are_refused)
{
    check_scram_cancelled(NONCE ",s=QSXCR+Q6sek8bf92,i=1000001", "rounds");
    check_scram_cancelled(NONCE ",s=QSXCR+Q6sek8bf92,i=4294967297", "rounds");
    check_scram_cancelled(NONCE ",s=QSXCR+Q6sek8bf92,i=18446744073709555712", "rounds");
    check_scram_cancelled("r=other,s=QSXCR+Q6sek8bf92,i=4096", "failed its own part");
    check_scram_cancelled(NONCE ",s=QSXCR+Q6sek8bf92", "what the server sent");
    check_scram_cancelled("", "what the server sent");
}
END_TEST

START_TEST(a_wrong_server_signature_is_refused)
{
    Fixture x;

    start_scram(&x);
    check_answer(&x, SCRAM_SERVER_FIRST, SCRAM_CLIENT_FINAL);
    check_cancelled(&x, "dj1ybUY5cHFWOFM3c3VBb1pXamE0ZEpSa0ZzS1I9", "failed its own part");
    ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), -EBADMSG);
    fixture_done(&x);
}
END_TEST

START_TEST(challenges_that_are_not_base64_are_refused)
{
    Fixture x;

    fixture_start(&x, "CRAM-MD5", PASSWORD, "AUTH CRAM-MD5\r\n");
    check_cancelled(&x, "<1896@example.net>", "not base64");
    fixture_done(&x);
}
END_TEST

START_TEST(endless_challenges_are_refused)
{
    Fixture x;

    fixture_start(&x, "CRAM-MD5", PASSWORD, "AUTH CRAM-MD5\r\n");
    for (int i = 0; i < 16; i++)
        check_answer(&x, "", "\r\n");
    check_cancelled(&x, "", "asks on");
    fixture_done(&x);
}
END_TEST

START_TEST(external_sends_an_identity_or_nothing)
{
    Fixture x;

    fixture_init(&x, "EXTERNAL", "external", NULL);
    x.options.user = NULL;
    ck_assert_int_eq(fixture_new(&x, &plain_tls), 0);
    ck_assert(!smtp_auth_is_clear(x.auth));
    ck_assert_int_eq(smtp_auth_start(x.auth, &x.out, &x.failure), 0);
    check_output(&x, "AUTH EXTERNAL =\r\n");
    ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), 0);
    fixture_done(&x);
    fixture_start(&x, "EXTERNAL", NULL, "AUTH EXTERNAL dGlt\r\n");
    fixture_done(&x);
}
END_TEST

START_TEST(oauthbearer_is_as_in_rfc_7628)
{
    Fixture x;

    fixture_init(&x, "OAUTHBEARER", "oauthbearer", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    x.options.user = "user@example.com";
    ck_assert_int_eq(fixture_new(&x, &plain_tls), 0);
    ck_assert(smtp_auth_is_clear(x.auth));
    ck_assert_int_eq(smtp_auth_start(x.auth, &x.out, &x.failure), 0);
    check_output(&x,
        "AUTH OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3"
        "AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB\r\n");
    check_answer(&x, "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\n", "AQ==\r\n");
    ck_assert_str_eq(smtp_auth_server_error(x.auth), "{\"status\":\"invalid_token\"}");
    ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), -EBADMSG);
    check_cancelled(&x, "", "asks on");
    fixture_done(&x);
}
END_TEST

START_TEST(names_are_escaped_for_oauthbearer)
{
    Fixture x;
    char *decoded;
    size_t size;

    fixture_init(&x, "OAUTHBEARER", "oauthbearer", "t");
    x.options.user = "a=b,c";
    ck_assert_int_eq(fixture_new(&x, &plain_tls), 0);
    ck_assert_int_eq(smtp_auth_start(x.auth, &x.out, &x.failure), 0);
    buffer_consume(&x.out, strlen("AUTH OAUTHBEARER "));
    ck_assert_int_eq(
        gsasl_base64_from(buffer_data(&x.out), buffer_size(&x.out) - 2, &decoded, &size), GSASL_OK);
    ck_assert_mem_eq(decoded, "n,a=a=3Db=2Cc,\001", 15);
    gsasl_free(decoded);
    fixture_done(&x);
}
END_TEST

#define XOAUTH2_LINE "AUTH XOAUTH2 dXNlcj10aW0BYXV0aD1CZWFyZXIgeWEyOS50b2tlbgEB\r\n"

START_TEST(xoauth2_tolerates_bearer)
{
    static const char *const tokens[] = {"ya29.token", "Bearer ya29.token", "bearer  ya29.token"};
    Fixture x;

    for (size_t i = 0; i < ELEMENTSOF(tokens); i++) {
        fixture_start(&x, "XOAUTH2", tokens[i], XOAUTH2_LINE);
        ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), 0);
        fixture_done(&x);
        fixture_init(&x, "XOAUTH2", "xoauth2", NULL);
        x.options.authorization_identity = tokens[i];
        ck_assert_int_eq(fixture_new(&x, &plain_tls), 0);
        ck_assert_int_eq(smtp_auth_start(x.auth, &x.out, &x.failure), 0);
        check_output(&x, XOAUTH2_LINE);
        fixture_done(&x);
    }
}
END_TEST

START_TEST(xoauth2_keeps_what_the_server_says)
{
    Fixture x;

    fixture_start(&x, "XOAUTH2", "ya29.token", XOAUTH2_LINE);
    ck_assert_ptr_null(smtp_auth_server_error(x.auth));
    check_answer(&x, "eyJzdGF0dXMiOiI0MDAifQo=", "\r\n");
    ck_assert_str_eq(smtp_auth_server_error(x.auth), "{\"status\":\"400\"}\\x0a");
    fixture_done(&x);
}
END_TEST

/* A token of a length that fills the AUTH line to 512 bytes, and one that is longer by a group. */
START_TEST(long_answers_wait_for_a_challenge)
{
    char token[400];
    Fixture x;

    for (int extra = 0; extra < 2; extra++) {
        size_t length =
            (512 - strlen("AUTH XOAUTH2 \r\n")) / 4 * 3 - strlen("user=tim.auth=Bearer ..");

        memset(token, 't', sizeof(token));
        token[length + extra] = '\0';
        fixture_init(&x, "XOAUTH2", "xoauth2", token);
        ck_assert_int_eq(fixture_new(&x, &plain_tls), 0);
        ck_assert_int_eq(smtp_auth_start(x.auth, &x.out, &x.failure), 0);
        if (extra) {
            check_output(&x, "AUTH XOAUTH2\r\n");
            ck_assert_int_eq(smtp_auth_challenge(x.auth, "go ahead", &x.out, &x.failure), 0);
            ck_assert_uint_eq(buffer_size(&x.out), 502);
            ck_assert_mem_eq(buffer_data(&x.out), "dXNlcj10aW0BYXV0aD1CZWFyZXIgdHR0", 32);
        } else {
            ck_assert_uint_eq(buffer_size(&x.out), 511);
        }
        ck_assert_int_eq(smtp_auth_finish(x.auth, &x.failure), 0);
        fixture_done(&x);
    }
}
END_TEST

START_TEST(answers_have_a_limit)
{
    static char token[10001];
    Fixture x;

    memset(token, 't', sizeof(token) - 1);
    fixture_init(&x, "XOAUTH2", "xoauth2", token);
    ck_assert_int_eq(fixture_new(&x, &plain_tls), 0);
    ck_assert_int_eq(smtp_auth_start(x.auth, &x.out, &x.failure), -EBADMSG);
    ck_assert_uint_eq(buffer_size(&x.out), 0);
    ck_assert_ptr_nonnull(strstr(failure_text(&x.failure), "12288"));
    ck_assert_ptr_null(strstr(failure_text(&x.failure), "tttt"));
    fixture_done(&x);
}
END_TEST

static TCase *make_vectors(void)
{
    TCase *t = tcase_create("vectors");

    tcase_add_test(t, plain_is_as_in_rfc_4616);
    tcase_add_test(t, login_answers_any_prompt);
    tcase_add_test(t, cram_md5_is_as_in_rfc_2195);
    tcase_add_test(t, scram_is_as_in_rfc_5802);
    tcase_add_test(t, external_sends_an_identity_or_nothing);
    tcase_add_test(t, oauthbearer_is_as_in_rfc_7628);
    tcase_add_test(t, names_are_escaped_for_oauthbearer);
    tcase_add_test(t, xoauth2_tolerates_bearer);
    tcase_add_test(t, xoauth2_keeps_what_the_server_says);
    return t;
}

static TCase *make_limits(void)
{
    TCase *t = tcase_create("limits");

    tcase_add_test(t, hostile_scram_servers_are_refused);
    tcase_add_test(t, a_wrong_server_signature_is_refused);
    tcase_add_test(t, challenges_that_are_not_base64_are_refused);
    tcase_add_test(t, endless_challenges_are_refused);
    tcase_add_test(t, long_answers_wait_for_a_challenge);
    tcase_add_test(t, answers_have_a_limit);
    return t;
}

int main(void)
{
    Suite *suite = suite_create("smtp_auth");

    suite_add_tcase(suite, make_vectors());
    suite_add_tcase(suite, make_limits());
    return unit_run(suite);
}
