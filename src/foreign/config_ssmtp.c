/* ssmtp.conf(5): lines of "Keyword=value", in any case; and revaliases beside it, which says as
 * whom users send. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
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
    Buffer senders; /* the rules for them, as local.rewrite_from has them */
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

/* ---- revaliases ---- */

static bool fits_rule(const char *text)
{
    return *text && !strpbrk(text, " \t\";*\\");
}

/* "account:address", "account:address:mailhub" */
static int take_sender(Translation *t, char *line, _unused_ Failure *f)
{
    Ssmtp *s = (Ssmtp *)t;
    char *mailhub = line, *account = strsep(&mailhub, ":");
    char *address = mailhub ? text_trim(strsep(&mailhub, ":")) : NULL;

    account = text_trim(account);
    if (!address || !fits_rule(account) || !fits_rule(address) || !strchr(address, '@')) {
        translation_note(t, "this line is not taken: see local.rewrite_from in outbox.conf(5)");
        return 0;
    }
    if (buffer_appendf(&s->senders, "%s%s@*: %s", buffer_size(&s->senders) > 0 ? "; " : "", account,
            address) < 0)
        t->is_short = true;
    if (mailhub && s->values[KEY_MAILHUB] &&
        strcasecmp(text_trim(mailhub), s->values[KEY_MAILHUB]) != 0)
        translation_note(
            t, "the relay of %.40s alone is not taken: see routes in outbox.conf(5)", account);
    return 0;
}

/* It stands beside ssmtp.conf. */
static int take_senders(Ssmtp *s, const char *path, Failure *f)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_
    char *senders = NULL;
    int r = asprintf(&senders, "%.*srevaliases", slash ? (int)(slash - path) + 1 : 0, path);

    if (r < 0) {
        senders = NULL;
        return failure_set_errno(f, -ENOMEM, "%s", path);
    }
    r = translation_read(&s->t, senders, take_sender, f);
    if (r < 0 && r != -ENOENT)
        return r;
    if (buffer_size(&s->senders) > 0 && buffer_append(&s->senders, "", 1) >= 0)
        translation_local(&s->t, "rewrite_from", buffer_data(&s->senders));
    return 0;
}

int config_read_ssmtp(Translation *t, const char *path, Failure *f)
{
    Ssmtp s = {.t = *t};
    int r = translation_read(&s.t, path, take_line, f);

    if (r == -ENOENT)
        r = failure_set(f, r, ERROR_FILE, "%s is not there", path);
    if (r >= 0)
        r = take_senders(&s, path, f);
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
    buffer_done(&s.senders);
    *t = s.t;
    return r;
}
