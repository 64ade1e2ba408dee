/* The table of SASL mechanisms, and which of them to use with a server. Must never choose one that
 * shows a password on a connection that anybody can read. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "smtp/auth_mechanism.h"

#define TOKEN_FLAGS (AUTH_CLIENT_FIRST | AUTH_CLEAR | AUTH_TOKEN)

/* In the order in which "auto" prefers them; behind each -PLUS stands the one without, and SCRAM,
 * which alone has several ways, before all others. */
#define SCRAM_ROWS 4
static const AuthMechanism mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", AUTH_CLIENT_FIRST | AUTH_SCRAM | AUTH_BINDING, &smtp_auth_scram},
    {"SCRAM-SHA-256", AUTH_CLIENT_FIRST | AUTH_SCRAM, &smtp_auth_scram},
    {"SCRAM-SHA-1-PLUS", AUTH_CLIENT_FIRST | AUTH_SCRAM | AUTH_BINDING, &smtp_auth_scram},
    {"SCRAM-SHA-1", AUTH_CLIENT_FIRST | AUTH_SCRAM, &smtp_auth_scram},
    {"PLAIN", AUTH_CLIENT_FIRST | AUTH_CLEAR, &smtp_auth_gsasl},
    {"LOGIN", AUTH_CLEAR | AUTH_ANY_PROMPT, &smtp_auth_gsasl},
    {"DIGEST-MD5", 0, &smtp_auth_gsasl},
    {"CRAM-MD5", 0, &smtp_auth_gsasl},
    {"NTLM", AUTH_CLIENT_FIRST | AUTH_ANY_PROMPT, &smtp_auth_ntlm},
    {"EXTERNAL", AUTH_CLIENT_FIRST | AUTH_NO_SECRET | AUTH_CERTIFICATE, &smtp_auth_gsasl},
    {"GSSAPI", AUTH_CLIENT_FIRST | AUTH_NO_SECRET | AUTH_BY_NAME, &smtp_auth_gssapi},
    {"XOAUTH2", TOKEN_FLAGS, &smtp_auth_oauth},
    {"OAUTHBEARER", TOKEN_FLAGS, &smtp_auth_oauth},
};

/* Why a mechanism cannot be used; of several, the last is the one worth telling. */
typedef enum Obstacle {
    OBSTACLE_NONE,
    OBSTACLE_NAME,
    OBSTACLE_KIND,
    OBSTACLE_SECRET,
    OBSTACLE_OFFER,
    OBSTACLE_BINDING,
    OBSTACLE_TLS,
} Obstacle;

static bool is_set(const char *text)
{
    return text && *text;
}

static bool is_auto(const SmtpAuthOptions *options)
{
    return !is_set(options->mechanism) || text_equal_nocase(options->mechanism, "auto");
}

static const AuthMechanism *find_mechanism(const char *name)
{
    for (size_t i = 0; i < ELEMENTSOF(mechanisms); i++)
        if (text_equal_nocase(mechanisms[i].name, name))
            return &mechanisms[i];
    return NULL;
}

bool smtp_auth_wanted(const SmtpAuthOptions *options)
{
    const AuthMechanism *mechanism;

    if (is_auto(options))
        return is_set(options->user);
    if (text_equal_nocase(options->mechanism, "none"))
        return false;
    mechanism = find_mechanism(options->mechanism);
    return is_set(options->user) || (mechanism && mechanism->flags & AUTH_NO_SECRET);
}

static bool has_secret(const SmtpAuthOptions *options)
{
    return options->secret && secret_size(options->secret) > 0;
}

const char *smtp_auth_token(const SmtpAuthOptions *options)
{
    const char *token =
        has_secret(options) ? secret_text(options->secret) : options->authorization_identity;

    if (!is_set(token))
        return NULL;
    if (text_starts_nocase(token, "Bearer "))
        token += strlen("Bearer ");
    return token + strspn(token, " ");
}

const void *smtp_auth_binding(const SmtpTlsInfo *tls, SmtpAuthBinding binding, size_t *ret_n)
{
    switch (binding) {
    case SMTP_AUTH_EXPORTER:
        *ret_n = tls->binding_exporter_size;
        return tls->binding_unique ? NULL : tls->binding_exporter; /* TLS 1.2 has its own */
    case SMTP_AUTH_UNIQUE: *ret_n = tls->binding_unique_size; return tls->binding_unique;
    case SMTP_AUTH_END_POINT: *ret_n = tls->binding_end_point_size; return tls->binding_end_point;
    default: *ret_n = 0; return NULL;
    }
}

static bool can_bind(const SmtpTlsInfo *tls)
{
    return tls->binding_exporter || tls->binding_unique || tls->binding_end_point;
}

/* Whether "auto" takes a mechanism at all: what is not said with a password, where nothing else can
 * be meant. */
static bool is_for_auto(const AuthMechanism *mechanism, const SmtpAuthOptions *options)
{
    if (mechanism->flags & AUTH_TOKEN)
        return options->secret_is_token;
    if (mechanism->flags & AUTH_CERTIFICATE)
        return options->has_certificate && !has_secret(options);
    return !(mechanism->flags & AUTH_BY_NAME);
}

static bool lacks_secret(const AuthMechanism *mechanism, const SmtpAuthOptions *options)
{
    if (mechanism->flags & AUTH_TOKEN)
        return !smtp_auth_token(options);
    return !(mechanism->flags & AUTH_NO_SECRET) && !has_secret(options);
}

static Obstacle find_obstacle(const AuthMechanism *mechanism, const SmtpAuthOptions *options,
    const SmtpCapabilities *capabilities, const SmtpTlsInfo *tls)
{
    if (is_auto(options) ? !is_for_auto(mechanism, options)
                         : !text_equal_nocase(options->mechanism, mechanism->name))
        return OBSTACLE_NAME;
    if (options->secret_is_token && !(mechanism->flags & (AUTH_TOKEN | AUTH_NO_SECRET)))
        return OBSTACLE_KIND;
    if (lacks_secret(mechanism, options))
        return OBSTACLE_SECRET;
    if (!smtp_capabilities_offer(capabilities, mechanism->name))
        return OBSTACLE_OFFER;
    if (mechanism->flags & AUTH_CLEAR && !tls->active && !options->clear_allowed)
        return OBSTACLE_TLS;
    if (mechanism->flags & AUTH_BINDING && !can_bind(tls))
        return OBSTACLE_BINDING;
    return OBSTACLE_NONE;
}

SmtpAuthWays smtp_auth_bit(const AuthWay *way)
{
    size_t row = (size_t)(way->mechanism - mechanisms);

    if (row < SCRAM_ROWS)
        return (SmtpAuthWays)1 << (row * SMTP_AUTH_BINDING_MAX + (size_t)way->binding);
    return (SmtpAuthWays)1 << (SCRAM_ROWS * SMTP_AUTH_BINDING_MAX + row - SCRAM_ROWS);
}

SmtpAuthWays smtp_auth_bits(const AuthMechanism *mechanism)
{
    SmtpAuthWays bits = 0;

    for (SmtpAuthBinding b = 0; b < SMTP_AUTH_BINDING_MAX; b++)
        bits |= smtp_auth_bit(&(AuthWay){mechanism, b});
    return bits;
}

SmtpAuthWays smtp_auth_bits_flagged(unsigned flags)
{
    SmtpAuthWays bits = 0;

    for (size_t i = 0; i < ELEMENTSOF(mechanisms); i++)
        if (mechanisms[i].flags & flags)
            bits |= smtp_auth_bits(&mechanisms[i]);
    return bits;
}

/* Its row is the next. */
SmtpAuthWays smtp_auth_bits_unbound(const AuthMechanism *mechanism)
{
    return smtp_auth_bits(mechanism + 1);
}

bool smtp_auth_offers_clear(const SmtpCapabilities *capabilities, const SmtpTlsInfo *tls)
{
    return tls->active && (smtp_capabilities_offer(capabilities, "PLAIN") ||
                              smtp_capabilities_offer(capabilities, "LOGIN"));
}

/* What to choose from, and whether there was anything at all. */
typedef struct Choosing {
    const SmtpAuthOptions *options;
    const SmtpCapabilities *capabilities;
    const SmtpTlsInfo *tls;
    SmtpAuthWays wanted;
    Obstacle worst;
    bool any;
} Choosing;

/* Whether to tell the server that the client could bind, for it does not seem to know how: one that
 * does takes that for an attack (RFC 5802, 6). Who has named the mechanism does not want to bind.
 */
static bool may_hint(const Choosing *c, const AuthMechanism *mechanism)
{
    return mechanism->flags & AUTH_SCRAM && is_auto(c->options) && can_bind(c->tls) &&
           !smtp_capabilities_offer(c->capabilities, (mechanism - 1)->name);
}

/* Whether it makes sense to do the mechanism with this binding. */
static bool is_way(const Choosing *c, const AuthWay *way)
{
    size_t n;

    if (way->mechanism->flags & AUTH_BINDING)
        return smtp_auth_binding(c->tls, way->binding, &n) != NULL;
    return way->binding == SMTP_AUTH_NO_BINDING ||
           (way->binding == SMTP_AUTH_COULD_BIND && may_hint(c, way->mechanism));
}

/* The first of the mechanism's ways that is wanted. */
static bool find_way(const Choosing *c, const AuthMechanism *mechanism, AuthWay *ret)
{
    for (SmtpAuthBinding b = 0; b < SMTP_AUTH_BINDING_MAX; b++) {
        *ret = (AuthWay){mechanism, b};
        if (smtp_auth_bit(ret) & c->wanted && is_way(c, ret))
            return true;
    }
    return false;
}

static bool try_mechanism(Choosing *c, const AuthMechanism *mechanism, AuthWay *ret)
{
    Obstacle obstacle = find_obstacle(mechanism, c->options, c->capabilities, c->tls);

    c->worst = MAX(c->worst, obstacle);
    if (obstacle != OBSTACLE_NONE)
        return false;
    c->any = true;
    return find_way(c, mechanism, ret);
}

/* Without TLS the mechanisms that hide the password come before those that do not. */
static bool choose_automatically(Choosing *c, AuthWay *ret)
{
    for (unsigned excluded = c->tls->active ? 0 : AUTH_CLEAR;; excluded = 0) {
        for (size_t i = 0; i < ELEMENTSOF(mechanisms); i++)
            if (!(mechanisms[i].flags & excluded) && try_mechanism(c, &mechanisms[i], ret))
                return true;
        if (!excluded)
            return false;
    }
}

const AuthMechanism *smtp_auth_row(size_t i)
{
    return i < ELEMENTSOF(mechanisms) ? &mechanisms[i] : NULL;
}

const char *smtp_auth_obstacle(const AuthMechanism *mechanism, const SmtpAuthOptions *options,
    const SmtpCapabilities *capabilities, const SmtpTlsInfo *tls, bool *ret_offered)
{
    *ret_offered = smtp_capabilities_offer(capabilities, mechanism->name);
    switch (find_obstacle(mechanism, options, capabilities, tls)) {
    case OBSTACLE_NONE: return NULL;
    case OBSTACLE_NAME:
        return is_auto(options) ? "used only where auth names it" : "auth names another";
    case OBSTACLE_KIND: return "wants a password, and there is an OAuth token";
    case OBSTACLE_SECRET:
        return mechanism->flags & AUTH_TOKEN ? "no token is configured"
                                             : "no password is configured";
    case OBSTACLE_OFFER: return "not offered";
    case OBSTACLE_BINDING: return "there is no TLS channel to bind to";
    case OBSTACLE_TLS: break;
    }
    return "would show the password on a connection without TLS";
}

static int fail_unknown(const char *name, Failure *f)
{
    char names[256] = "";

    for (size_t i = 0; i < ELEMENTSOF(mechanisms); i++) {
        strcat(names, i > 0 ? ", " : "");
        strcat(names, mechanisms[i].name);
    }
    return failure_set(f, -EPROTONOSUPPORT, ERROR_AUTHENTICATION,
        "%s: set auth to \"auto\", \"none\" or one of %s",
        text_equal_nocase(name, "apop") || text_equal_nocase(name, "amapop")
            ? "APOP is a mechanism of POP3 and does not exist in SMTP"
            : "no such authentication mechanism is known here",
        names);
}

static int fail_not_offered(const SmtpAuthOptions *options, const char *wanted,
    const SmtpCapabilities *capabilities, const SmtpTlsInfo *tls, Failure *f)
{
    const char *advice = "set auth to a mechanism that both sides know, or to \"auto\"";

    if (options->secret_is_token && is_auto(options))
        advice = "a token goes with XOAUTH2 and OAUTHBEARER alone";
    else if (!is_auto(options) && text_equal_nocase(options->mechanism, "external") &&
             !options->has_certificate)
        advice = "it is offered, as a rule, to a client that shows a certificate: set "
                 "tls_certificate";
    else if (is_auto(options))
        advice = "set auth to a mechanism that both sides know (\"auto\" leaves out GSSAPI, tokens "
                 "where there is a password, and EXTERNAL where there is no certificate alone)";
    if (is_set(capabilities->mechanisms))
        return failure_set(f, -EPROTONOSUPPORT, ERROR_AUTHENTICATION,
            "the server does not offer %s, but %s: %s", wanted, capabilities->mechanisms, advice);
    return failure_set(f, -EPROTONOSUPPORT, ERROR_AUTHENTICATION,
        "the server offers no authentication%s",
        tls->active
            ? ": check host and port, or set auth = \"none\""
            : " without TLS: set tls = \"starttls\" or \"implicit\", check the port, or set "
              "auth = \"none\"");
}

/* `wanted` is a name or words for it. */
static int fail(const SmtpAuthOptions *options, Obstacle obstacle, const char *wanted,
    const SmtpCapabilities *capabilities, const SmtpTlsInfo *tls, Failure *f)
{
    switch (obstacle) {
    case OBSTACLE_KIND:
        return failure_set(f, -EPROTONOSUPPORT, ERROR_AUTHENTICATION,
            "%s wants a password, and what is configured is an OAuth token: set auth to "
            "\"xoauth2\", \"oauthbearer\" or \"auto\", or leave the oauth_ settings out",
            wanted);
    case OBSTACLE_SECRET:
        return failure_set(f, -EPROTONOSUPPORT, ERROR_AUTHENTICATION,
            "%s needs a password or token, and none is configured: set password_file, "
            "password_credential, password_command or password, or auth = \"none\"",
            wanted);
    case OBSTACLE_BINDING:
        return failure_set(f, -EPROTONOSUPPORT, ERROR_AUTHENTICATION,
            "the server offers %s, and %s needs TLS with channel binding, which this connection "
            "does not have: set auth to the name without -PLUS, or to \"auto\"",
            capabilities->mechanisms, wanted);
    case OBSTACLE_TLS:
        return failure_set(f, -EPROTONOSUPPORT, ERROR_AUTHENTICATION,
            "the server offers %s, and %s would show the password on a connection without TLS: "
            "set tls = \"starttls\" or \"implicit\", or see auth_without_tls",
            capabilities->mechanisms, wanted);
    case OBSTACLE_OFFER:
    case OBSTACLE_NAME:
    case OBSTACLE_NONE: break;
    }
    return fail_not_offered(options, wanted, capabilities, tls, f);
}

int smtp_auth_choose(const SmtpAuthOptions *options, const SmtpCapabilities *capabilities,
    const SmtpTlsInfo *tls, SmtpAuthWays excluded, SmtpAuthWays preferred, AuthWay *ret, Failure *f)
{
    const AuthMechanism *named = is_auto(options) ? NULL : find_mechanism(options->mechanism);
    SmtpAuthWays rounds[] = {preferred & ~excluded, ~excluded};
    Choosing c;

    if (!named && !is_auto(options))
        return fail_unknown(options->mechanism, f);
    for (size_t i = 0; i < ELEMENTSOF(rounds); i++) {
        c = (Choosing){options, capabilities, tls, .wanted = rounds[i]};
        if (named ? try_mechanism(&c, named, ret) : choose_automatically(&c, ret))
            return 0;
    }
    if (c.any)
        return -EAGAIN;
    return fail(options, c.worst, named ? named->name : "any mechanism that \"auto\" takes",
        capabilities, tls, f);
}
