/* msmtprc (msmtp(1)): accounts, of which a later one may begin with the settings of earlier ones.
 * Must never run a command that stands in it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"
#include "foreign/translation.h"

#define ACCOUNTS_MAX 64
#define DEFAULT "default"

typedef enum Key {
    KEY_HOST,
    KEY_PORT,
    KEY_PROTOCOL,
    KEY_SOCKET,
    KEY_TIMEOUT,
    KEY_DOMAIN,
    KEY_SOURCE_IP,
    KEY_PROXY_HOST,
    KEY_PROXY_PORT,
    KEY_AUTH,
    KEY_USER,
    KEY_PASSWORD,
    KEY_PASSWORDEVAL,
    KEY_TLS,
    KEY_TLS_STARTTLS,
    KEY_TLS_TRUST_FILE,
    KEY_TLS_CRL_FILE,
    KEY_TLS_FINGERPRINT,
    KEY_TLS_KEY_FILE,
    KEY_TLS_CERT_FILE,
    KEY_TLS_CERTCHECK,
    KEY_TLS_HOST_OVERRIDE,
    KEY_FROM,
    KEY_ALIASES,
    KEY_MAILDOMAIN,
    KEY_MAX,
} Key;

static const char *const names[] = {"host", "port", "protocol", "socket", "timeout", "domain",
    "source_ip", "proxy_host", "proxy_port", "auth", "user", "password", "passwordeval", "tls",
    "tls_starttls", "tls_trust_file", "tls_crl_file", "tls_fingerprint", "tls_key_file",
    "tls_cert_file", "tls_certcheck", "tls_host_override", "from", "aliases", "maildomain"};

/* What is so here with that value, or with any (NULL), or is the journal's matter. */
static const struct {
    const char *name, *value;
} silent[] = {{"logfile", NULL}, {"logfile_time_format", NULL}, {"syslog", NULL},
    {"set_date_header", "auto"}, {"set_msgid_header", "auto"}, {"set_from_header", "auto"},
    {"remove_bcc_headers", "on"}, {"undisclosed_recipients", "off"}, {"allow_from_override", "on"},
    {"auto_from", "off"}, {"add_missing_from_header", "on"}, {"add_missing_date_header", "on"},
    {"tls_min_dh_prime_bits", NULL}};

typedef struct Account {
    char *name;
    char *values[KEY_MAX];
} Account;

typedef struct Msmtp {
    Translation t; /* first: lines are taken with it */
    Account defaults, accounts[ACCOUNTS_MAX];
    size_t n;
    Account *current;
} Msmtp;

/* ---- accounts ---- */

static void account_done(Account *account)
{
    free(account->name);
    for (size_t i = 0; i < KEY_MAX; i++) {
        if (account->values[i])
            explicit_bzero(account->values[i], strlen(account->values[i]));
        free(account->values[i]);
    }
}

static int set(Account *account, size_t key, const char *value)
{
    char *copy = value ? strdup(value) : NULL;

    if (value && !copy)
        return -ENOMEM;
    free(account->values[key]);
    account->values[key] = copy;
    return 0;
}

static int inherit(Account *account, const Account *from)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < KEY_MAX; i++)
        if (from->values[i])
            r = set(account, i, from->values[i]);
    return r;
}

static const Account *find(const Msmtp *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->accounts[i].name, name) == 0)
            return &m->accounts[i];
    return NULL;
}

/* "NAME", "NAME : BASE, BASE" */
static int begin_account(Msmtp *m, char *line, Failure *f)
{
    char *bases = strchr(line, ':'), *name, *base;
    Account *account = &m->accounts[m->n];
    int r;

    if (bases)
        *bases++ = '\0';
    name = config_next_word(&line);
    if (!name)
        return failure_set(f, -EBADMSG, ERROR_CONFIGURATION, "%s:%u: the account has no name",
            m->t.source, m->t.line);
    if (m->n == ACCOUNTS_MAX)
        return failure_set(
            f, -E2BIG, ERROR_CONFIGURATION, "%s: more than %d accounts", m->t.source, ACCOUNTS_MAX);
    account->name = strdup(name);
    r = account->name ? inherit(account, &m->defaults) : -ENOMEM;
    m->n += account->name != NULL;
    m->current = account;
    while (r >= 0 && (base = strsep(&bases, ", \t"))) {
        const Account *from = *base ? find(m, base) : NULL;

        if (*base && !from)
            return failure_set(f, -EBADMSG, ERROR_CONFIGURATION,
                "%s:%u: there is no account %s above", m->t.source, m->t.line, base);
        if (from)
            r = inherit(account, from);
    }
    return r < 0 ? failure_set_errno(f, r, "%s", m->t.source) : 0;
}

static bool is_silent(const char *name, const char *value)
{
    for (size_t i = 0; i < ELEMENTSOF(silent); i++)
        if (strcmp(name, silent[i].name) == 0)
            return !silent[i].value || strcmp(value, silent[i].value) == 0;
    return false;
}

/* As it stands, but for quotes around all of it: nothing in it is quoted or escaped. */
static const char *value_of(char *rest)
{
    size_t n = strlen(rest);

    if (n >= 2 && rest[0] == '"' && rest[n - 1] == '"') {
        rest[n - 1] = '\0';
        rest++;
    }
    return rest;
}

static int take_line(Translation *t, char *line, Failure *f)
{
    Msmtp *m = (Msmtp *)t;
    char *name = line, *rest = line + strcspn(line, " \t");
    const char *value;
    size_t key;

    if (*rest)
        *rest++ = '\0';
    rest += strspn(rest, " \t");
    if (strcmp(name, "account") == 0)
        return begin_account(m, rest, f);
    if (strcmp(name, "defaults") == 0) {
        m->current = &m->defaults;
        return 0;
    }
    value = value_of(rest);
    for (key = 0; key < KEY_MAX && strcmp(name, names[key]) != 0; key++)
        continue;
    if (key == KEY_MAX && strcmp(name, "eval") == 0)
        translation_note(t, "eval is not run: put what it prints here");
    else if (key == KEY_MAX && !is_silent(name, value))
        translation_note(t, "%s %s has no match here", name, value);
    if (key == KEY_MAX)
        return 0;
    return set(m->current, key, *value ? value : NULL) < 0
               ? failure_set_errno(f, -ENOMEM, "%s", t->source)
               : 0;
}

/* ---- the account that is taken ---- */

static void copy(Translation *t, const Account *a, size_t key, const char *setting)
{
    if (a->values[key])
        translation_relay_text(t, setting, a->values[key]);
}

static bool is_on(const Account *a, size_t key, bool otherwise)
{
    return a->values[key] ? config_is_yes(a->values[key]) : otherwise;
}

/* 64 hexadecimal digits, with colons between them, are SHA-256. */
static void take_fingerprint(Translation *t, const char *value)
{
    char digits[65];
    size_t n = 0;

    for (; *value && n < sizeof(digits); value++)
        if (*value != ':')
            digits[n++] = *value;
    if (n != 64 || *value) {
        translation_note(t,
            "tls_fingerprint is none of SHA-256, and so not taken: set tls_accept_certificate to "
            "the one that `outbox check` shows");
        return;
    }
    digits[n] = '\0';
    translation_relay_text(t, "tls_accept_certificate", digits);
}

static void take_tls(Translation *t, const Account *a)
{
    bool tls = is_on(a, KEY_TLS, false);

    translation_relay_text(t, "tls",
        !tls                               ? "none"
        : is_on(a, KEY_TLS_STARTTLS, true) ? "starttls"
                                           : "implicit");
    if (!tls)
        return;
    if (a->values[KEY_TLS_TRUST_FILE] && strcmp(a->values[KEY_TLS_TRUST_FILE], "system") != 0)
        translation_relay_text(t, "tls_ca_file", a->values[KEY_TLS_TRUST_FILE]);
    if (a->values[KEY_TLS_FINGERPRINT])
        take_fingerprint(t, a->values[KEY_TLS_FINGERPRINT]);
    if (a->values[KEY_TLS_CRL_FILE])
        translation_relay_crl(t, a->values[KEY_TLS_CRL_FILE]);
    if (!is_on(a, KEY_TLS_CERTCHECK, true))
        translation_relay_unverified(t);
    copy(t, a, KEY_TLS_CERT_FILE, "tls_certificate");
    copy(t, a, KEY_TLS_KEY_FILE, "tls_key");
    copy(t, a, KEY_TLS_HOST_OVERRIDE, "tls_name");
}

static void take_login(Translation *t, const Account *a)
{
    const char *auth = a->values[KEY_AUTH];

    if (!auth || strcasecmp(auth, "off") == 0) {
        if (a->values[KEY_USER])
            translation_note(
                t, "user and its password are not taken: msmtp used them with auth alone");
        return;
    }
    if (!config_is_yes(auth))
        translation_relay_text(t, "auth", auth);
    copy(t, a, KEY_USER, "user");
    if (a->values[KEY_PASSWORDEVAL])
        translation_relay_text(t, "password_command", a->values[KEY_PASSWORDEVAL]);
    else if (a->values[KEY_PASSWORD])
        translation_relay_secret(t, a->values[KEY_PASSWORD]);
    else if (a->values[KEY_USER])
        translation_note(t,
            "the password is in a keyring or in netrc, which a daemon has not got: put it into a "
            "file, and name that with password_file");
    if (a->values[KEY_PASSWORDEVAL])
        translation_note(t, "password_command is run by outboxd, as its user and in its sandbox: "
                            "`outbox check` shows whether it works there");
}

static void take_port(Translation *t, const Account *a)
{
    if (a->values[KEY_PORT])
        translation_port(t, a->values[KEY_PORT]);
    else if (a->values[KEY_PROTOCOL] && strcmp(a->values[KEY_PROTOCOL], "lmtp") == 0)
        translation_note(t, "lmtp without a port: set port");
    else if (is_on(a, KEY_TLS, false) && !is_on(a, KEY_TLS_STARTTLS, true))
        translation_relay_word(t, "port", "465");
}

static void take_connection(Translation *t, const Account *a)
{
    const char *timeout = a->values[KEY_TIMEOUT];

    if (!a->values[KEY_SOCKET]) /* else there is no port */
        take_port(t, a);
    copy(t, a, KEY_PROTOCOL, "protocol");
    copy(t, a, KEY_DOMAIN, "hello");
    copy(t, a, KEY_SOURCE_IP, "local_host");
    if (a->values[KEY_PROXY_HOST]) {
        translation_relay_text(t, "proxy_type", "socks5");
        translation_relay_text(t, "proxy_host", a->values[KEY_PROXY_HOST]);
        if (translation_is_number(a->values[KEY_PROXY_PORT], 65535))
            translation_relay_word(t, "proxy_port", a->values[KEY_PROXY_PORT]);
    }
    if (translation_is_number(timeout, 86400))
        translation_relay_word(t, "timeout", timeout);
}

static void take_names(Translation *t, const Account *a)
{
    const char *from = a->values[KEY_FROM];

    if (a->values[KEY_MAILDOMAIN])
        translation_local(t, "domain", a->values[KEY_MAILDOMAIN]);
    if (a->values[KEY_ALIASES] && translation_aliases(t, a->values[KEY_ALIASES]))
        translation_note(t,
            "a line \"default: ADDRESS\" of %s, for names without a line of their own, is to be "
            "written \"*: ADDRESS\"",
            a->values[KEY_ALIASES]);
    if (from && strlen(from) < 500 && !strpbrk(from, "*%"))
        translation_note(t,
            "from %s was the sender of mail that named none. Where the relay takes no other, "
            "write it to local: rewrite_from = \"*@*: %s\"",
            from, from);
    else if (from)
        translation_note(t, "from has no match here: see local.rewrite_from");
}

static const Account *choose(const Msmtp *m)
{
    const char *name = m->t.account;

    if (name)
        return find(m, name);
    return find(m, DEFAULT) ?: (m->n > 0 ? &m->accounts[0] : NULL);
}

static int make(Msmtp *m, Failure *f)
{
    Translation *t = &m->t;
    const Account *a = choose(m);
    const char *host;
    char path[1100];
    int r;

    if (!a && t->account)
        return failure_set(
            f, -ENOENT, ERROR_CONFIGURATION, "%s has no account %s", t->source, t->account);
    t->line = 0;
    host = a ? a->values[KEY_SOCKET] ?: a->values[KEY_HOST] : NULL;
    if (!host || strlen(host) > 1000)
        return 0;
    snprintf(path, sizeof(path), "%s%s", a->values[KEY_SOCKET] ? "unix:" : "", host);
    r = translation_add_relay(t, path, f);
    if (r < 0)
        return r;
    take_connection(t, a);
    take_tls(t, a);
    take_login(t, a);
    take_names(t, a);
    for (size_t i = 0; i < m->n; i++)
        if (&m->accounts[i] != a && m->accounts[i].values[KEY_HOST] &&
            strcmp(m->accounts[i].name, DEFAULT) != 0 &&
            !(a->values[KEY_HOST] &&
                strcmp(m->accounts[i].values[KEY_HOST], a->values[KEY_HOST]) == 0))
            translation_note(t,
                "the account %s is not taken: --account %s has it. Further relays are no accounts "
                "here, but tried where the first does not take a message",
                m->accounts[i].name, m->accounts[i].name);
    return 0;
}

int config_read_msmtp(Translation *t, const char *path, Failure *f)
{
    Msmtp *m = calloc(1, sizeof(*m));
    int r;

    if (!m)
        return failure_set_errno(f, -ENOMEM, "%s", path);
    m->t = *t;
    m->current = &m->defaults;
    r = translation_read(&m->t, path, take_line, f);
    if (r == -ENOENT)
        r = failure_set(f, r, ERROR_FILE, "%s is not there", path);
    if (r >= 0)
        r = make(m, f);
    account_done(&m->defaults);
    for (size_t i = 0; i < m->n; i++)
        account_done(&m->accounts[i]);
    *t = m->t;
    free(m);
    return r;
}
