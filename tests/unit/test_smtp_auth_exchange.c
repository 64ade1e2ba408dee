/* smtp/auth against libgsasl's own server side: each mechanism whole, with a good password, a
 * wrong one, and a server that has another. */
#include <errno.h>
#include <gsasl.h>
#include <string.h>

#include "smtp/auth.h"
#include "unit.h"

#define USER "tim@example.com"
#define PASSWORD "pencil, p\u00e4ssw\u00f6rd"
#define BINDING "the channel's own bytes"

typedef enum Result {
    RESULT_ACCEPTED,  /* 235, and the client is satisfied */
    RESULT_REFUSED,   /* 535 */
    RESULT_CANCELLED, /* the client broke off */
} Result;

typedef struct Exchange {
    const char *mechanism;
    const char *client_password;
    SmtpTlsInfo tls;
    Gsasl_property server_binding; /* 0: none */
    const char *server_binding_data;
    bool forge_last; /* spoil the server's last challenge */
    const char *also_offered;
    bool automatic; /* the mechanism is not named */
} Exchange;

static const char *property_value(Gsasl_property property)
{
    switch (property) {
    case GSASL_PASSWORD: return PASSWORD;
    case GSASL_SCRAM_ITER: return "4096";
    case GSASL_SCRAM_SALT: return "QSXCR+Q6sek8bf92";
    case GSASL_REALM: return "example.com";
    case GSASL_SERVICE: return "smtp";
    case GSASL_HOSTNAME: return "server.example.com";
    default: return NULL;
    }
}

static bool property_is(Gsasl_session *session, Gsasl_property property, const char *value)
{
    const char *given = gsasl_property_fast(session, property);

    return given && strcmp(given, value) == 0;
}

/* What the server knows, and how it judges PLAIN, LOGIN and EXTERNAL. */
static int serve(_unused_ Gsasl *library, Gsasl_session *session, Gsasl_property property)
{
    const Exchange *x = gsasl_session_hook_get(session);
    const char *value = property_value(property);

    if (property == GSASL_VALIDATE_SIMPLE)
        return property_is(session, GSASL_AUTHID, USER) &&
                       property_is(session, GSASL_PASSWORD, PASSWORD)
                   ? GSASL_OK
                   : GSASL_AUTHENTICATION_ERROR;
    if (property == GSASL_VALIDATE_EXTERNAL)
        return property_is(session, GSASL_AUTHZID, USER) ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
    if (x->server_binding != 0 && property == x->server_binding)
        value = x->server_binding_data;
    if (!value)
        return GSASL_NO_CALLBACK;
    return gsasl_property_set(session, property, value);
}

/* PLAIN and LOGIN ask for the password to compare unless it is withheld. */
static int serve_without_password(Gsasl *library, Gsasl_session *session, Gsasl_property property)
{
    return property == GSASL_PASSWORD ? GSASL_NO_CALLBACK : serve(library, session, property);
}

/* Answers the client's line in `line`, which it empties, and lets it speak again. The text of a
 * challenge is "" where the server has nothing to say. */
static int server_step(Gsasl_session *server, Buffer *line, char **ret_challenge)
{
    _cleanup_free_
    char *text = NULL;
    size_t n = buffer_size(line);

    ck_assert_uint_ge(n, 2);
    ck_assert_mem_eq(buffer_data(line) + n - 2, "\r\n", 2);
    text = strndup(buffer_data(line), n - 2);
    buffer_clear(line);
    *ret_challenge = NULL;
    return gsasl_step64(server, strcmp(text, "=") == 0 ? "" : text, ret_challenge);
}

/* Changes one bit of what the base64 text stands for. */
static void forge(char **challenge)
{
    char *raw, *spoilt;
    size_t n;

    ck_assert_int_eq(gsasl_base64_from(*challenge, strlen(*challenge), &raw, &n), GSASL_OK);
    ck_assert_uint_gt(n, 10);
    raw[10] = raw[10] == 'a' ? 'b' : 'a';
    ck_assert_int_eq(gsasl_base64_to(raw, n, &spoilt, NULL), GSASL_OK);
    gsasl_free(raw);
    gsasl_free(*challenge);
    *challenge = spoilt;
}

/* The dialogue of RFC 4954, 4, from behind the AUTH line on. */
static Result converse(
    const Exchange *x, SmtpAuth *client, Gsasl_session *server, Buffer *line, bool has_initial)
{
    _cleanup_failure_ Failure failure = {0};

    for (int code = GSASL_NEEDS_MORE; code == GSASL_NEEDS_MORE;) {
        char *challenge = NULL;
        int r;

        if (has_initial)
            code = server_step(server, line, &challenge);
        else
            code = gsasl_step64(server, NULL, &challenge);
        has_initial = true;
        if (code != GSASL_OK && code != GSASL_NEEDS_MORE)
            return RESULT_REFUSED;
        if (code == GSASL_OK && (!challenge || !*challenge)) {
            gsasl_free(challenge);
            break;
        }
        if (code == GSASL_OK && x->forge_last)
            forge(&challenge);
        r = smtp_auth_challenge(client, challenge ?: "", line, &failure);
        gsasl_free(challenge);
        if (r == -EBADMSG) {
            ck_assert_mem_eq(buffer_data(line), "*\r\n", 3);
            ck_assert_ptr_null(strstr(failure_text(&failure), "pencil"));
            return RESULT_CANCELLED;
        }
        ck_assert_int_eq(r, 0);
    }
    ck_assert_int_eq(smtp_auth_finish(client, &failure), 0);
    return RESULT_ACCEPTED;
}

static SmtpAuth *new_client(const Exchange *x, Secret *secret)
{
    SmtpCapabilities capabilities = {.esmtp = true, .flags = SMTP_CAP_AUTH};
    SmtpAuthOptions options = {.mechanism = x->automatic ? "auto" : x->mechanism,
        .user = USER,
        .secret = secret,
        .host = "server.example.com",
        .port = 587};
    _cleanup_failure_ Failure failure = {0};
    SmtpAuth *client = NULL;
    int r;

    strcpy(capabilities.mechanisms, x->mechanism);
    if (x->also_offered)
        strcat(strcat(capabilities.mechanisms, " "), x->also_offered);
    r = smtp_auth_new(&options, &capabilities, &x->tls, 0, 0, &client, &failure);
    ck_assert_msg(r == 0, "%s", failure_text(&failure));
    return client;
}

/* Runs the whole exchange. */
static Result run(const Exchange *x)
{
    const char *client_password = x->client_password ?: PASSWORD;
    bool simple = strcmp(x->mechanism, "PLAIN") == 0 || strcmp(x->mechanism, "LOGIN") == 0;
    _cleanup_secret_ Secret *secret = secret_new(client_password, strlen(client_password));
    _cleanup_(smtp_auth_free_p) SmtpAuth *client = new_client(x, secret);
    _cleanup_buffer_ Buffer line = {0};
    Gsasl *library;
    Gsasl_session *server;
    bool has_initial;
    Result result;

    ck_assert_int_eq(gsasl_init(&library), GSASL_OK);
    gsasl_callback_set(library, simple ? serve_without_password : serve);
    ck_assert_int_eq(gsasl_server_start(library, x->mechanism, &server), GSASL_OK);
    gsasl_session_hook_set(server, (void *)x);
    ck_assert_int_eq(smtp_auth_start(client, &line, NULL), 0);
    buffer_consume(&line, strlen("AUTH ") + strlen(x->mechanism));
    has_initial = *buffer_data(&line) == ' ';
    if (has_initial)
        buffer_consume(&line, 1);
    else
        buffer_clear(&line);
    result = converse(x, client, server, &line, has_initial);
    gsasl_finish(server);
    gsasl_done(library);
    return result;
}

static const char *const mechanisms[] = {
    "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"};

#define PLAIN_TLS      \
    {                  \
        .active = true \
    }

START_TEST(a_good_password_is_accepted)
{
    ck_assert_int_eq(run(&(Exchange){mechanisms[_i], NULL, PLAIN_TLS}), RESULT_ACCEPTED);
}
END_TEST

START_TEST(a_wrong_password_is_refused)
{
    ck_assert_int_eq(run(&(Exchange){mechanisms[_i], "pencil", PLAIN_TLS}), RESULT_REFUSED);
}
END_TEST

START_TEST(external_is_accepted)
{
    ck_assert_int_eq(run(&(Exchange){"EXTERNAL", NULL, PLAIN_TLS}), RESULT_ACCEPTED);
}
END_TEST

static const char *const mutual[] = {"DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"};

START_TEST(a_server_that_cannot_prove_itself_is_refused)
{
    ck_assert_int_eq(
        run(&(Exchange){mutual[_i], NULL, PLAIN_TLS, .forge_last = true}), RESULT_CANCELLED);
}
END_TEST

#define BOUND_EXPORTER                                                                        \
    {                                                                                         \
        .active = true, .binding_exporter = BINDING, .binding_exporter_size = strlen(BINDING) \
    }
#define BOUND_UNIQUE                                                                      \
    {                                                                                     \
        .active = true, .binding_unique = BINDING, .binding_unique_size = strlen(BINDING) \
    }

static const char *const bound[] = {"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"};

START_TEST(the_channel_is_bound)
{
    const char *same = "dGhlIGNoYW5uZWwncyBvd24gYnl0ZXM=", *other = "YW5vdGhlciBjaGFubmVs";

    ck_assert_int_eq(run(&(Exchange){bound[_i], NULL, BOUND_EXPORTER, GSASL_CB_TLS_EXPORTER, same}),
        RESULT_ACCEPTED);
    ck_assert_int_eq(run(&(Exchange){bound[_i], NULL, BOUND_UNIQUE, GSASL_CB_TLS_UNIQUE, same}),
        RESULT_ACCEPTED);
    ck_assert_int_eq(
        run(&(Exchange){bound[_i], NULL, BOUND_EXPORTER, GSASL_CB_TLS_EXPORTER, other}),
        RESULT_REFUSED);
    ck_assert_int_eq(
        run(&(Exchange){bound[_i], "pencil", BOUND_EXPORTER, GSASL_CB_TLS_EXPORTER, same}),
        RESULT_REFUSED);
}
END_TEST

/* "y" says that the client could bind, and believes that the server cannot: a server that can takes
 * it for an attack (RFC 5802, 6), unless it offered -PLUS, and then the client says "n"; so does
 * one that was told to use this mechanism. */
START_TEST(binding_is_hinted_at_where_plus_is_not_offered)
{
    const char *same = "dGhlIGNoYW5uZWwncyBvd24gYnl0ZXM=";
    Exchange x = {"SCRAM-SHA-256", NULL, BOUND_EXPORTER, GSASL_CB_TLS_EXPORTER, same};

    ck_assert_int_eq(run(&x), RESULT_ACCEPTED);
    x.also_offered = "SCRAM-SHA-256-PLUS";
    ck_assert_int_eq(run(&x), RESULT_ACCEPTED);
    x = (Exchange){
        "SCRAM-SHA-256", NULL, BOUND_EXPORTER, GSASL_CB_TLS_EXPORTER, same, .automatic = true};
    ck_assert_int_eq(run(&x), RESULT_REFUSED);
    x = (Exchange){"SCRAM-SHA-256", NULL, BOUND_EXPORTER, .automatic = true};
    ck_assert_int_eq(run(&x), RESULT_ACCEPTED);
    x = (Exchange){"SCRAM-SHA-1", NULL, PLAIN_TLS, .automatic = true};
    ck_assert_int_eq(run(&x), RESULT_ACCEPTED);
}
END_TEST

START_TEST(characters_that_saslprep_forbids_are_named)
{
    static const char password[] = "bell\a";
    _cleanup_secret_ Secret *secret = secret_new(password, strlen(password));
    _cleanup_(smtp_auth_free_p) SmtpAuth *client =
        new_client(&(Exchange){"CRAM-MD5", password, PLAIN_TLS}, secret);
    _cleanup_buffer_ Buffer line = {0};
    _cleanup_failure_ Failure failure = {0};

    ck_assert_int_eq(smtp_auth_challenge(client, "PDE+", &line, &failure), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(failure_text(&failure), "RFC 4013"));
    ck_assert_ptr_null(strstr(failure_text(&failure), "bell"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_auth_exchange");
    TCase *t = tcase_create("all");

    tcase_add_loop_test(t, a_good_password_is_accepted, 0, ELEMENTSOF(mechanisms));
    tcase_add_loop_test(t, a_wrong_password_is_refused, 0, ELEMENTSOF(mechanisms));
    tcase_add_test(t, external_is_accepted);
    tcase_add_loop_test(t, a_server_that_cannot_prove_itself_is_refused, 0, ELEMENTSOF(mutual));
    tcase_add_loop_test(t, the_channel_is_bound, 0, ELEMENTSOF(bound));
    tcase_add_test(t, binding_is_hinted_at_where_plus_is_not_offered);
    tcase_add_test(t, characters_that_saslprep_forbids_are_named);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
