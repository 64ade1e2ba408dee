/* smtp/auth: which mechanism is chosen, and what is said when none can be. */
#include <errno.h>
#include <stdio.h>
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
    {"XOAUTH2 OAUTHBEARER EXTERNAL GSSAPI", "auto", &bound_tls, true, NULL},
    {"XOAUTH2 NTLM", "auto", &plain_tls, false, "NTLM"},
    {"NTLM CRAM-MD5 DIGEST-MD5", "auto", &no_tls, false, "DIGEST-MD5"},
    {ALL, "ntlm", &no_tls, false, "NTLM"},
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
    {"RPA GSSAPI", "auto", "x", &plain_tls, {"RPA GSSAPI", "both sides know"}},
    {"PLAIN", "external", "x", &plain_tls, {"does not offer EXTERNAL", "tls_certificate"}},
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

/* What is configured beside the mechanism decides what "auto" takes. */
START_TEST(auto_goes_by_what_there_is)
{
    static const struct {
        const char *offered;
        const char *secret;
        bool token, certificate;
        const char *chosen; /* NULL: none */
    } cases[] = {
        {"PLAIN XOAUTH2 OAUTHBEARER", "x", true, false, "XOAUTH2"},
        {"PLAIN OAUTHBEARER", "x", true, false, "OAUTHBEARER"},
        {"PLAIN LOGIN", "x", true, false, NULL},
        {"PLAIN EXTERNAL", "x", false, true, "PLAIN"},
        {"PLAIN EXTERNAL", NULL, false, true, "EXTERNAL"},
        {"PLAIN EXTERNAL", NULL, false, false, NULL},
        {"EXTERNAL", "x", false, true, NULL},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(smtp_auth_free_p) SmtpAuth *auth = NULL;
        _cleanup_secret_ Secret *secret = cases[i].secret ? secret_new("x", 1) : NULL;
        SmtpCapabilities capabilities = {.esmtp = true, .flags = SMTP_CAP_AUTH};
        SmtpAuthOptions options = {.user = "tim",
            .secret = secret,
            .host = "h",
            .secret_is_token = cases[i].token,
            .has_certificate = cases[i].certificate};
        int r;

        strcpy(capabilities.mechanisms, cases[i].offered);
        r = smtp_auth_new(&options, &capabilities, &plain_tls, 0, 0, &auth, NULL);
        ck_assert_msg((r == 0) == (cases[i].chosen != NULL), "%zu", i);
        if (cases[i].chosen)
            ck_assert_str_eq(smtp_auth_mechanism(auth), cases[i].chosen);
    }
}
END_TEST

typedef struct Told {
    char text[1024];
} Told;

static void tell(void *user, const SmtpAuthFit *fit)
{
    Told *told = user;
    size_t n = strlen(told->text);

    ck_assert_int_eq(fit->fits, !fit->reason);
    if (fit->offered)
        snprintf(
            told->text + n, sizeof(told->text) - n, "%s: %s\n", fit->name, fit->reason ?: "fits");
}

START_TEST(each_offer_is_explained)
{
    _cleanup_secret_ Secret *secret = secret_new("x", 1);
    SmtpCapabilities capabilities = {.esmtp = true,
        .flags = SMTP_CAP_AUTH,
        .mechanisms = "XOAUTH2 PLAIN RPA SCRAM-SHA-1-PLUS SCRAM-SHA-1 EXTERNAL"};
    SmtpAuthOptions options = {.user = "tim", .secret = secret, .host = "h"};
    Told told = {""};

    smtp_auth_explain(&options, &capabilities, &no_tls, 0, tell, &told);
    ck_assert_str_eq(told.text, "SCRAM-SHA-1-PLUS: there is no TLS channel to bind to\n"
                                "SCRAM-SHA-1: fits\n"
                                "EXTERNAL: used only where auth names it\n"
                                "PLAIN: would show the password on a connection without TLS\n"
                                "XOAUTH2: used only where auth names it\n"
                                "RPA: not known here\n");
    told = (Told){""};
    smtp_auth_explain(&options, &capabilities, &plain_tls, SMTP_AUTH_WAYS_ALL, tell, &told);
    ck_assert_ptr_nonnull(strstr(told.text, "SCRAM-SHA-1: refused by the server\n"
                                            "PLAIN: refused by the server\n"
                                            "EXTERNAL: used only where auth names it\n"));
    told = (Told){""};
    options.mechanism = "plain";
    options.secret_is_token = true;
    smtp_auth_explain(&options, &capabilities, &plain_tls, 0, tell, &told);
    ck_assert_ptr_nonnull(
        strstr(told.text, "PLAIN: wants a password, and there is an OAuth token"));
    ck_assert_ptr_nonnull(strstr(told.text, "SCRAM-SHA-1: auth names another"));
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
    tcase_add_test(t, auto_goes_by_what_there_is);
    tcase_add_test(t, each_offer_is_explained);
    tcase_add_test(t, auth_is_wanted_with_a_user);
    tcase_add_test(t, a_password_with_a_nul_is_refused);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
