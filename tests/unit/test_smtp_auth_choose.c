/* smtp/auth: which mechanism is chosen, and what is said when none can be. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "smtp/auth.h"
#include "unit.h"

static const SmtpTlsInfo no_tls = {0};
static const SmtpTlsInfo plain_tls = {.active = true};
static const SmtpTlsInfo bound_tls = {
    .active = true, .binding_exporter = "binding", .binding_exporter_size = 7};

/* What smtp_auth_new() says to a server that offers these. */
static int try_new(const char *offered, const char *wanted, Secret *secret, bool clear_allowed,
    const SmtpTlsInfo *tls, SmtpAuth **ret, Failure *f)
{
    SmtpCapabilities capabilities = {.esmtp = true, .flags = SMTP_CAP_AUTH};
    SmtpAuthOptions options = {.mechanism = wanted,
        .user = "tim",
        .secret = secret,
        .host = "server.example.com",
        .port = 587,
        .clear_allowed = clear_allowed};

    strcpy(capabilities.mechanisms, offered);
    return smtp_auth_new(&options, &capabilities, tls, 0, 0, ret, f);
}

#define ALL                                                                       \
    "LOGIN PLAIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 " \
    "SCRAM-SHA-256-PLUS "                                                         \
    "EXTERNAL XOAUTH2 OAUTHBEARER NTLM"

typedef struct Choice {
    const char *offered, *wanted;
    const SmtpTlsInfo *tls;
    bool clear_allowed;
    const char *chosen; /* NULL: none */
} Choice;

static const Choice choices[] = {
    {ALL, "auto", &bound_tls, false, "SCRAM-SHA-256-PLUS"},
    {ALL, NULL, &plain_tls, false, "SCRAM-SHA-256"},
    {"SCRAM-SHA-1 SCRAM-SHA-1-PLUS PLAIN", "AUTO", &bound_tls, false, "SCRAM-SHA-1-PLUS"},
    {"CRAM-MD5 DIGEST-MD5 LOGIN PLAIN", "auto", &plain_tls, false, "PLAIN"},
    {"CRAM-MD5 DIGEST-MD5 LOGIN", "auto", &plain_tls, false, "LOGIN"},
    {"CRAM-MD5 DIGEST-MD5", "auto", &plain_tls, false, "DIGEST-MD5"},
    {"LOGIN PLAIN CRAM-MD5", "auto", &no_tls, false, "CRAM-MD5"},
    {"LOGIN PLAIN CRAM-MD5", "auto", &no_tls, true, "CRAM-MD5"},
    {"LOGIN PLAIN", "auto", &no_tls, true, "PLAIN"},
    {"LOGIN PLAIN", "auto", &no_tls, false, NULL},
    {"XOAUTH2 OAUTHBEARER EXTERNAL NTLM", "auto", &bound_tls, true, NULL},
    {"", "auto", &bound_tls, true, NULL},
    {ALL, "login", &plain_tls, false, "LOGIN"},
    {ALL, "Cram-MD5", &no_tls, false, "CRAM-MD5"},
    {ALL, "plain", &no_tls, false, NULL},
    {ALL, "plain", &no_tls, true, "PLAIN"},
    {ALL, "xoauth2", &no_tls, false, NULL},
    {ALL, "xoauth2", &plain_tls, false, "XOAUTH2"},
    {ALL, "oauthbearer", &plain_tls, false, "OAUTHBEARER"},
    {ALL, "external", &plain_tls, false, "EXTERNAL"},
    {ALL, "scram-sha-1-plus", &plain_tls, false, NULL},
    {ALL, "scram-sha-1-plus", &bound_tls, false, "SCRAM-SHA-1-PLUS"},
    {"PLAIN", "scram-sha-1", &plain_tls, false, NULL},
};

START_TEST(the_best_usable_mechanism_is_chosen)
{
    const Choice *c = &choices[_i];
    _cleanup_(smtp_auth_free_p) SmtpAuth *auth = NULL;
    _cleanup_secret_ Secret *secret = secret_new("secret", 6);
    _cleanup_failure_ Failure failure = {0};
    int r = try_new(c->offered, c->wanted, secret, c->clear_allowed, c->tls, &auth, &failure);

    ck_assert_int_eq(r, c->chosen ? 0 : -EPROTONOSUPPORT);
    if (c->chosen)
        ck_assert_str_eq(smtp_auth_mechanism(auth), c->chosen);
    else
        ck_assert_int_eq(failure.number, ERROR_AUTHENTICATION);
}
END_TEST

typedef struct Refusal {
    const char *offered, *wanted, *secret;
    const SmtpTlsInfo *tls;
    const char *words[3]; /* of the failure's text */
} Refusal;

static const Refusal refusals[] = {
    {"NTLM GSSAPI", "auto", "x", &plain_tls, {"NTLM GSSAPI", "both sides know"}},
    {"PLAIN LOGIN", "cram-md5", "x", &plain_tls, {"CRAM-MD5", "but PLAIN LOGIN", "auto"}},
    {"PLAIN LOGIN", "auto", "x", &no_tls, {"PLAIN LOGIN", "without TLS", "auth_without_tls"}},
    {"PLAIN SCRAM-SHA-1-PLUS", "auto", "x", &no_tls, {"without TLS"}},
    {"PLAIN LOGIN", "plain", "x", &no_tls, {"PLAIN would show the password", "starttls"}},
    {"", "auto", "x", &no_tls, {"no authentication without TLS", "starttls"}},
    {"", "plain", "x", &plain_tls, {"no authentication", "none"}},
    {"PLAIN", "auto", NULL, &plain_tls, {"needs a password", "password_file"}},
    {"PLAIN", "plain", "", &plain_tls, {"PLAIN needs a password", "password_file"}},
    {"XOAUTH2", "xoauth2", NULL, &plain_tls, {"XOAUTH2 needs a password or token"}},
    {"APOP PLAIN", "apop", "x", &plain_tls, {"POP3", "one of SCRAM-SHA-256-PLUS"}},
    {"PLAIN", "plian", "x", &plain_tls, {"no such", "PLAIN, LOGIN", "OAUTHBEARER"}},
    {"SCRAM-SHA-256-PLUS", "auto", "x", &plain_tls, {"channel binding"}},
    {"XOAUTH2", "xoauth2", "two words", &plain_tls, {"token for XOAUTH2", "blanks"}},
    {"XOAUTH2", "xoauth2", "token\001user=x", &plain_tls, {"token for XOAUTH2"}},
};

START_TEST(a_refusal_says_what_to_do)
{
    const Refusal *c = &refusals[_i];
    _cleanup_(smtp_auth_free_p) SmtpAuth *auth = NULL;
    _cleanup_secret_ Secret *secret = c->secret ? secret_new(c->secret, strlen(c->secret)) : NULL;
    _cleanup_failure_ Failure failure = {0};

    ck_assert_int_eq(
        try_new(c->offered, c->wanted, secret, false, c->tls, &auth, &failure), -EPROTONOSUPPORT);
    ck_assert_int_eq(failure.number, ERROR_AUTHENTICATION);
    for (size_t i = 0; i < ELEMENTSOF(c->words) && c->words[i]; i++)
        ck_assert_msg(strstr(failure_text(&failure), c->words[i]), "\"%s\" is not in: %s",
            c->words[i], failure_text(&failure));
    ck_assert_ptr_null(strstr(failure_text(&failure), "two words"));
}
END_TEST

START_TEST(auth_is_wanted_with_a_user)
{
    ck_assert(smtp_auth_wanted(&(SmtpAuthOptions){.user = "tim"}));
    ck_assert(smtp_auth_wanted(&(SmtpAuthOptions){.user = "tim", .mechanism = "plain"}));
    ck_assert(smtp_auth_wanted(&(SmtpAuthOptions){.mechanism = "External"}));
    ck_assert(!smtp_auth_wanted(&(SmtpAuthOptions){.user = "tim", .mechanism = "none"}));
    ck_assert(!smtp_auth_wanted(&(SmtpAuthOptions){.user = ""}));
    ck_assert(!smtp_auth_wanted(&(SmtpAuthOptions){.mechanism = "plain"}));
}
END_TEST

START_TEST(a_password_with_a_nul_is_refused)
{
    _cleanup_(smtp_auth_free_p) SmtpAuth *auth = NULL;
    _cleanup_secret_ Secret *secret = secret_new("a\0b", 3);
    _cleanup_failure_ Failure failure = {0};

    ck_assert_int_eq(
        try_new("PLAIN", "plain", secret, false, &plain_tls, &auth, &failure), -EPROTONOSUPPORT);
    ck_assert_ptr_nonnull(strstr(failure_text(&failure), "NUL"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp_auth_choose");
    TCase *t = tcase_create("all");

    tcase_add_loop_test(t, the_best_usable_mechanism_is_chosen, 0, ELEMENTSOF(choices));
    tcase_add_loop_test(t, a_refusal_says_what_to_do, 0, ELEMENTSOF(refusals));
    tcase_add_test(t, auth_is_wanted_with_a_user);
    tcase_add_test(t, a_password_with_a_nul_is_refused);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
