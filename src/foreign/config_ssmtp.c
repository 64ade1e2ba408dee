/* ssmtp.conf(5): lines of "Keyword=value", in any case. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/errors.h"
#include "base/macros.h"
#include "foreign/translation.h"

/* Its values, which outlive the lines: the relay's name may stand behind the rest. */
typedef enum Key {
    KEY_ROOT,
    KEY_MAILHUB,
    KEY_REWRITE_DOMAIN,
    KEY_HOSTNAME,
    KEY_USE_TLS,
    KEY_USE_STARTTLS,
    KEY_TLS_CERT,
    KEY_TLS_KEY,
    KEY_TLS_CA_FILE,
    KEY_AUTH_USER,
    KEY_AUTH_PASS,
    KEY_AUTH_METHOD,
    KEY_MAX,
} Key;

static const char *const names[] = {"Root", "Mailhub", "RewriteDomain", "Hostname", "UseTLS",
    "UseSTARTTLS", "TLSCert", "TLSKey", "TLS_CA_File", "AuthUser", "AuthPass", "AuthMethod"};

/* Those that need no match: what they switch is always so here. */
static const char *const silent[] = {"UseTLSCert", "Debug", "MinUserId"};

typedef struct Ssmtp {
    Translation t; /* first: lines are taken with it */
    char *values[KEY_MAX];
} Ssmtp;

static int take_line(Translation *t, char *line, Failure *f)
{
    Ssmtp *s = (Ssmtp *)t;
    char *value = strpbrk(line, "= \t:");
    size_t i = 0;

    if (!value)
        return 0;
    *value++ = '\0';
    value += strspn(value, "= \t");
    value[strcspn(value, "# \t")] = '\0'; /* no value has those in it */
    for (i = 0; i < ELEMENTSOF(silent); i++)
        if (strcasecmp(line, silent[i]) == 0)
            return 0;
    for (i = 0; i < KEY_MAX && strcasecmp(line, names[i]) != 0; i++)
        continue;
    if (i == KEY_MAX && strcasecmp(line, "FromLineOverride") == 0)
        translation_note(t, "FromLineOverride: a message's own From: stays as it is, unless "
                            "local.rewrite_from has a rule for it");
    else if (i == KEY_MAX)
        translation_note(t, "%s has no match here", line);
    if (i == KEY_MAX)
        return 0;
    free(s->values[i]);
    s->values[i] = *value ? strdup(value) : NULL;
    return *value && !s->values[i] ? failure_set_errno(f, -ENOMEM, "%s", t->source) : 0;
}

/* "host", "host:port", "[address]:port" */
static int take_mailhub(Translation *t, char *value, Failure *f)
{
    char *end = *value == '[' ? strchr(value, ']') : NULL;
    char *colon = strchr(end ?: value, ':');
    int r;

    if (colon && !end && strchr(colon + 1, ':')) /* an address of version 6 alone */
        colon = NULL;
    if (colon)
        *colon++ = '\0';
    if (end)
        *end = '\0';
    r = translation_add_relay(t, value + (end ? 1 : 0), f);
    if (r >= 0 && colon)
        translation_port(t, colon);
    return r;
}

static void take_login(Ssmtp *s)
{
    Translation *t = &s->t;
    const char *method = s->values[KEY_AUTH_METHOD];

    if (!s->values[KEY_AUTH_USER])
        return;
    translation_relay_text(t, "user", s->values[KEY_AUTH_USER]);
    if (s->values[KEY_AUTH_PASS])
        translation_relay_secret(t, s->values[KEY_AUTH_PASS]);
    if (method && strcasecmp(method, "cram-md5") == 0)
        translation_relay_text(t, "auth", "cram-md5");
    else if (method && strcasecmp(method, "login") == 0)
        translation_relay_text(t, "auth", "login");
}

static void take_tls(Ssmtp *s)
{
    Translation *t = &s->t;
    bool starttls = config_is_yes(s->values[KEY_USE_STARTTLS]);
    bool tls = config_is_yes(s->values[KEY_USE_TLS]);
    bool needed = s->values[KEY_AUTH_PASS] != NULL;

    if (!starttls && !tls && needed)
        translation_note(t,
            "the password went in clear, which outbox does not do: tls is \"starttls\" here; a "
            "relay that has no TLS at all needs auth_without_tls (outbox.conf(5))");
    translation_relay_text(t, "tls",
        starttls || (needed && !tls) ? "starttls"
        : tls                        ? "implicit"
                                     : "none");
    if (s->values[KEY_TLS_CERT])
        translation_relay_text(t, "tls_certificate", s->values[KEY_TLS_CERT]);
    if (s->values[KEY_TLS_KEY])
        translation_relay_text(t, "tls_key", s->values[KEY_TLS_KEY]);
    if (s->values[KEY_TLS_CA_FILE])
        translation_relay_text(t, "tls_ca_file", s->values[KEY_TLS_CA_FILE]);
    else if (starttls || tls)
        translation_note(t, "ssmtp accepted any certificate; here the relay's is verified");
}

static void take_names(Ssmtp *s)
{
    Translation *t = &s->t;
    const char *root = s->values[KEY_ROOT];

    if (s->values[KEY_HOSTNAME])
        translation_relay_text(t, "hello", s->values[KEY_HOSTNAME]);
    if (s->values[KEY_REWRITE_DOMAIN])
        translation_local(t, "domain", s->values[KEY_REWRITE_DOMAIN]);
    if (root && strchr(root, '@'))
        translation_local(t, "root", root);
    else if (root)
        translation_note(
            t, "Root=%s is a name without a domain: set local.root to an address", root);
    if (root)
        translation_note(t,
            "ssmtp sent the mail for every user below 1000 to Root; here a line \"*: root\" in "
            "/etc/aliases does so for all users without a line of their own");
}

int config_read_ssmtp(Translation *t, const char *path, Failure *f)
{
    Ssmtp s = {.t = *t};
    int r = translation_read(&s.t, path, take_line, f);

    if (r == -ENOENT)
        r = failure_set(f, r, ERROR_FILE, "%s is not there", path);
    if (r >= 0 && s.values[KEY_MAILHUB])
        r = take_mailhub(&s.t, s.values[KEY_MAILHUB], f);
    if (r >= 0 && s.t.n_relays > 0) {
        take_tls(&s);
        take_login(&s);
        take_names(&s);
    }
    for (size_t i = 0; i < KEY_MAX; i++) {
        if (s.values[i])
            explicit_bzero(s.values[i], strlen(s.values[i]));
        free(s.values[i]);
    }
    *t = s.t;
    return r;
}
