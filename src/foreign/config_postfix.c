/* Postfix as a null client, that hands all mail to a relay (postconf(5)). Must never take a login
 * for another host. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "foreign/main_cf.h"
#include "foreign/sasl_passwd.h"

typedef struct Destination {
    char *text; /* as it is written there: "[smtp.example.org]:587" */
    char *host, *port;
} Destination;

typedef struct Postfix {
    MainCf m;                       /* first: lines are taken with it */
    const Destination *destination; /* whose login is looked for */
} Postfix;

/* ---- relays ---- */

static void destination_done(Destination *d)
{
    free(d->text);
    free(d->host);
}

/* "host", "host:port", "[host]", "[host]:port"; an address of IPv6 in brackets alone. */
static int split_destination(const char *word, Destination *ret)
{
    char *end, *port;

    *ret = (Destination){.text = strdup(word), .host = strdup(word)};
    if (!ret->text || !ret->host) {
        destination_done(ret);
        return -ENOMEM;
    }
    end = *ret->host == '[' ? strchr(ret->host, ']') : NULL;
    port = strchr(end ?: ret->host, ':');
    if (port)
        *port++ = '\0';
    ret->port = port;
    if (end) {
        *end = '\0';
        memmove(ret->host, ret->host + 1, strlen(ret->host));
    }
    if (strncasecmp(ret->host, "ipv6:", 5) == 0)
        memmove(ret->host, ret->host + 5, strlen(ret->host + 5) + 1);
    return 0;
}

static void take_port(Translation *t, const char *port)
{
    static const struct {
        const char *service, *port;
    } services[] = {
        {"smtp", "25"}, {"submission", "587"}, {"smtps", "465"}, {"submissions", "465"}};

    for (size_t i = 0; i < ELEMENTSOF(services); i++)
        if (strcmp(port, services[i].service) == 0)
            port = services[i].port;
    translation_port(t, port);
}

/* ---- logins ---- */

static void write_login(Postfix *p, char *login)
{
    Translation *t = &p->m.t;
    char *password = strchr(login, ':');

    if (!password || password == login) {
        translation_note(t, "the login of %s has no %s, and is not taken", p->destination->text,
            password ? "user" : "password");
        return;
    }
    *password++ = '\0';
    translation_relay_text(t, "user", login);
    translation_relay_secret(t, password);
}

static bool is_yes(Postfix *p, const char *name)
{
    _cleanup_free_
    char *value = main_cf_value(&p->m, name);

    return config_is_yes(value);
}

/* One mechanism is a setting, several are a choice, which is made here by what the relay offers. */
static void take_mechanism(Postfix *p)
{
    static const char *const mechanisms[] = {
        "plain", "login", "cram-md5", "xoauth2", "oauthbearer", "external", "gssapi", "ntlm"};
    _cleanup_free_
    char *list = main_cf_value(&p->m, "smtp_sasl_mechanism_filter");
    char *rest = list, *first = list ? main_cf_next(&rest) : NULL;

    if (!first)
        return;
    for (size_t i = 0; !main_cf_next(&rest) && i < ELEMENTSOF(mechanisms); i++)
        if (strcasecmp(first, mechanisms[i]) == 0) {
            translation_relay_text(&p->m.t, "auth", mechanisms[i]);
            return;
        }
    translation_note(&p->m.t,
        "smtp_sasl_mechanism_filter is not taken: of what the relay offers the safest mechanism is "
        "used, unless auth names one");
}

/* What holds over TLS, where it is said for that alone. */
static void tell_options(Postfix *p)
{
    _cleanup_free_
    char *over_tls = main_cf_value(&p->m, "smtp_sasl_tls_security_options");
    _cleanup_free_
    char *always = over_tls ? NULL : main_cf_value(&p->m, "smtp_sasl_security_options");
    char *rest = over_tls ?: always, *word;

    while (rest && (word = main_cf_next(&rest)))
        if (strcasecmp(word, "noplaintext") == 0)
            translation_note(&p->m.t,
                "noplaintext is not taken: where the relay offers nothing better, it is shown the "
                "password, over TLS; auth names a mechanism that must be used");
}

static int take_login_of(Postfix *p, const Destination *destination, Failure *f)
{
    Translation *t = &p->m.t;
    bool logs_in = is_yes(p, "smtp_sasl_auth_enable");
    char *login = NULL;
    int r;

    p->destination = destination;
    t->is_silent = t->n_relays > 1; /* the first one's notes are for all */
    r = logs_in ? sasl_passwd_find(&p->m, destination->host, destination->text, &login, f) : 0;
    t->is_silent = false;
    main_cf_pass_over(&p->m, "smtp_sasl_password_maps");
    main_cf_pass_over(&p->m, "smtp_sasl_mechanism_filter");
    if (r >= 0 && login) {
        write_login(p, login);
        take_mechanism(p);
        tell_options(p);
    } else if (r >= 0 && logs_in)
        translation_note(t,
            "no login for %s is found: where the relay wants one, set user and password_file",
            destination->text);
    main_cf_wipe(login);
    return r;
}

/* ---- TLS ---- */

static const struct {
    const char *level, *tls, *dane;
    bool verifies;
} levels[] = {
    {"none", "none", NULL, true},
    {"may", "opportunistic", NULL, true},
    {"encrypt", "starttls", NULL, false},
    {"dane", "starttls", "try", false},
    {"dane-only", "starttls", "require", true},
    {"fingerprint", "starttls", NULL, true},
    {"verify", "starttls", NULL, true},
    {"secure", "starttls", NULL, true},
};

#define LEVEL_ENCRYPT 2

/* The place in `levels`. */
static size_t find_level(Postfix *p)
{
    _cleanup_free_
    char *level = main_cf_value(&p->m, "smtp_tls_security_level");
    bool enforces = is_yes(p, "smtp_enforce_tls"), uses = is_yes(p, "smtp_use_tls");

    if (!level)
        level = strdup(enforces ? "verify" : uses ? "may" : "none");
    for (size_t i = 0; level && i < ELEMENTSOF(levels); i++)
        if (strcasecmp(level, levels[i].level) == 0)
            return i;
    translation_note(&p->m.t,
        "smtp_tls_security_level %.40s is no level that is known; tls is "
        "\"starttls\" here",
        level ?: "");
    return LEVEL_ENCRYPT;
}

/* "AB:CD:..." of SHA-256, without the colons. */
static bool is_fingerprint(char *word)
{
    char *to = word;

    for (const char *from = word; *from; from++)
        if (*from != ':')
            *to++ = *from;
    *to = '\0';
    return strlen(word) == 64 && strspn(word, "0123456789abcdefABCDEF") == 64;
}

static void take_fingerprints(Postfix *p)
{
    _cleanup_free_
    char *list = main_cf_value(&p->m, "smtp_tls_fingerprint_cert_match");
    char *rest = list, *word, text[1024] = "";
    size_t n = 0;

    for (char *bar = list; bar && (bar = strchr(bar, '|')); bar++)
        *bar = ' ';
    while (list && (word = main_cf_next(&rest)) && n + 66 < sizeof(text)) {
        if (is_fingerprint(word))
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? ";" : "", word);
        else
            translation_note(&p->m.t, "a fingerprint that is none of SHA-256 is not taken");
    }
    if (n > 0)
        translation_relay_text(&p->m.t, "tls_accept_certificate", text);
}

static void take_level(Postfix *p, size_t level)
{
    Translation *t = &p->m.t;
    bool is_first = t->n_relays == 1, logs_in = t->relays[t->n_relays - 1].secret != NULL;
    bool is_wrapped = is_yes(p, "smtp_tls_wrappermode");
    bool in_clear = level < LEVEL_ENCRYPT && logs_in && !is_wrapped;

    translation_relay_text(t, "tls",
        is_wrapped ? "implicit"
        : in_clear ? "starttls"
                   : levels[level].tls);
    if (levels[level].dane)
        translation_relay_text(t, "tls_dane", levels[level].dane);
    if (in_clear && is_first)
        translation_note(t,
            "the password could go in clear, which outbox does not do: tls is \"starttls\" here; a "
            "relay that has no TLS at all needs auth_without_tls (outbox.conf(5))");
    if (is_first && (in_clear || is_wrapped || level >= LEVEL_ENCRYPT) &&
        (level < LEVEL_ENCRYPT || !levels[level].verifies))
        translation_note(t, "Postfix accepted any certificate; here the relay's is verified");
}

static void take_tls(Postfix *p)
{
    size_t level = find_level(p);
    _cleanup_free_
    char *directory = main_cf_value(&p->m, "smtp_tls_CApath");

    take_level(p, level);
    if (strcmp(levels[level].level, "fingerprint") == 0)
        take_fingerprints(p);
    main_cf_pass_over(&p->m, "smtp_tls_fingerprint_cert_match");
    if (directory &&
        strcmp(directory, "/etc/ssl/certs") != 0) /* the system's are trusted as it is */
        translation_relay_text(&p->m.t, "tls_ca_directory", directory);
}

/* ---- what is alike for every relay ---- */

static const struct {
    const char *name, *setting;
    bool is_number;
} settings[] = {
    {"myhostname", "hello", false}, /* as $smtp_helo_name, unless that is set */
    {"smtp_helo_name", "hello", false},
    {"smtp_bind_address", "local_host", false},
    {"smtp_tls_CAfile", "tls_ca_file", false},
    {"smtp_tls_cert_file", "tls_certificate", false},
    {"smtp_tls_key_file", "tls_key", false},
    {"default_destination_concurrency_limit", "connections", true},
    {"smtp_destination_concurrency_limit", "connections", true},
    {"smtp_destination_recipient_limit", "recipients_per_transaction", true},
};

static void take_settings(Postfix *p)
{
    Translation *t = &p->m.t;

    for (size_t i = 0; i < ELEMENTSOF(settings); i++) {
        _cleanup_free_
        char *value = main_cf_value(&p->m, settings[i].name);

        if (value && !settings[i].is_number)
            translation_relay_text(t, settings[i].setting, value);
        else if (value && translation_is_number(value, 10000) && strcmp(value, "0") != 0)
            translation_relay_word(t, settings[i].setting, value);
        else if (value && strcmp(value, "0") != 0)
            translation_note(t, "%s is no number that %s can have", value, settings[i].setting);
    }
}

/* One that is an address is of one kind as it is. */
static void take_protocols(Postfix *p)
{
    _cleanup_free_
    char *value = main_cf_value(&p->m, "inet_protocols");
    const char *host = p->destination->host;

    if (strchr(host, ':') || host[strspn(host, "0123456789.")] == '\0')
        return;
    if (value && strcasecmp(value, "ipv4") == 0)
        translation_relay_word(&p->m.t, "ip_version", "0");
    if (value && strcasecmp(value, "ipv6") == 0)
        translation_relay_word(&p->m.t, "ip_version", "1");
}

static int add_relay(Postfix *p, const char *word, Failure *f)
{
    Translation *t = &p->m.t;
    Destination d;
    int r = split_destination(word, &d);

    if (r < 0)
        return failure_set_errno(f, r, "%s", t->source);
    r = translation_add_relay(t, d.host, f);
    if (r >= 0 && *word != '[')
        translation_note(t,
            "%s: without brackets Postfix asks DNS which hosts take mail for that domain (MX); "
            "here "
            "it is the relay itself",
            word);
    if (r >= 0)
        take_port(t, d.port ?: "25");
    if (r >= 0)
        r = take_login_of(p, &d, f);
    if (r >= 0) {
        t->is_silent = t->n_relays > 1;
        take_tls(p);
        take_protocols(p);
        take_settings(p);
        t->is_silent = false;
    }
    destination_done(&d);
    return r;
}

static int add_relays(Postfix *p, const char *name, char *list, Failure *f)
{
    char *word;
    int r = 0;

    while (r >= 0 && list && (word = main_cf_next(&list))) {
        main_cf_find(&p->m, name); /* notes are about its line */
        if (*word == '#') {
            translation_note(
                &p->m.t, "from # on %s is no host: a comment is a line of its own", name);
            break;
        }
        r = add_relay(p, word, f);
    }
    return r;
}

static int add_relays_of(Postfix *p, const char *name, Failure *f)
{
    _cleanup_free_
    char *list = main_cf_value(&p->m, name);

    return add_relays(p, name, list, f);
}

/* "smtp", "smtp:[host]:port": by which service mail goes out, and where to, which counts more than
 * relayhost. */
static int take_transport(Postfix *p, Failure *f)
{
    MainCf *m = &p->m;
    _cleanup_free_
    char *value = main_cf_value(m, "default_transport");
    char *host = value, *transport = value ? strsep(&host, ":") : NULL;
    int r = main_cf_read_services(m, transport ?: "smtp", f);
    bool sends = !transport || m->has_transport || strcmp(transport, "smtp") == 0;

    m->transport = NULL;
    if (r < 0)
        return r;
    if (!sends)
        main_cf_find(m, "default_transport")->used = false;
    return sends && host && *host ? add_relays(p, "default_transport", host, f)
                                  : add_relays_of(p, "relayhost", f);
}

/* Where there is none, though something there may name one. */
static int fail_without_relay(Postfix *p, Failure *f)
{
    static const char *const maps[] = {"transport_maps", "sender_dependent_relayhost_maps",
        "sender_dependent_default_transport_maps"};
    const MainCfParameter *relayhost = main_cf_find(&p->m, "relayhost");

    if (relayhost && *relayhost->value)
        return failure_set(f, -EBADMSG, ERROR_CONFIGURATION,
            "%s:%u: relayhost = %.100s, which only Postfix can tell: write what `postconf -nx` "
            "prints into a file, and name that",
            relayhost->source, relayhost->line, relayhost->value);
    for (size_t i = 0; i < ELEMENTSOF(maps); i++) {
        const MainCfParameter *map = main_cf_find(&p->m, maps[i]);

        if (map && *map->value)
            return failure_set(f, -ENOENT, ERROR_CONFIGURATION,
                "%s:%u: %s is not read, and relayhost names no relay: write the one that all mail "
                "is to go to as relayhost into a copy of %s, and name that",
                map->source, map->line, maps[i], p->m.path);
    }
    return 0;
}

/* ---- the machine ---- */

static int take_origin(Postfix *p, Failure *f)
{
    Translation *t = &p->m.t;
    _cleanup_free_
    char *value = main_cf_value(&p->m, "myorigin"), *name = NULL;
    int r = 0;

    if (!value && !main_cf_find(&p->m, "myorigin"))
        value = main_cf_value(&p->m, "myhostname");
    if (value && *value == '/')
        r = translation_read_first(t, value, &name, f);
    if (value && r >= 0 && (name || *value != '/'))
        translation_local(t, "domain", name ?: value);
    return r;
}

static void take_aliases(Postfix *p)
{
    _cleanup_free_
    char *tables = main_cf_value(&p->m, "alias_maps");
    char *rest = tables, *table;
    bool has = false;

    while (tables && (table = main_cf_next(&rest))) {
        const char *path = main_cf_text_of(table);

        if (path && !has)
            has = translation_aliases(&p->m.t, path);
        else
            translation_note(
                &p->m.t, "alias_maps: %s is not taken: one file of aliases is read here", table);
    }
}

/* Seconds, of which the unit is the last letter; 0 for what is none. */
static unsigned long seconds_of(const char *text, unsigned long unit)
{
    static const struct {
        char letter;
        unsigned long seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    char *end;
    unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;

    if (n == 0 || n > 100000000 || (*end && end[1]))
        return 0;
    for (size_t i = 0; i < ELEMENTSOF(units); i++)
        if (*end == units[i].letter)
            return n * units[i].seconds;
    return *end ? 0 : n * unit;
}

static void take_time(Postfix *p, const char *name, TranslatedTime time)
{
    _cleanup_free_
    char *value = main_cf_value(&p->m, name);
    unsigned long unit = time == TRANSLATED_GIVE_UP_AFTER ? 86400 : 1;

    if (value)
        translation_time(&p->m.t, time, seconds_of(value, unit), name, value);
}

/* Postfix's defaults, in seconds. */
#define BACKOFF_MIN 300UL
#define BACKOFF_MAX 4000UL

/* One is nothing without the other, which has another default there; where that is beyond it, both
 * are the same. */
static void take_times(Postfix *p)
{
    unsigned long *first = &p->m.t.times[TRANSLATED_FIRST], *max = &p->m.t.times[TRANSLATED_MAX];

    take_time(p, "minimal_backoff_time", TRANSLATED_FIRST);
    take_time(p, "maximal_backoff_time", TRANSLATED_MAX);
    take_time(p, "maximal_queue_lifetime", TRANSLATED_GIVE_UP_AFTER);
    if (*first > 0 && *max == 0)
        *max = MAX(*first, BACKOFF_MAX);
    else if (*max > 0 && *first == 0)
        *first = MIN(*max, BACKOFF_MIN);
}

static int take_all(Postfix *p, const char *path, Failure *f)
{
    int r = main_cf_read(&p->m, path, f);

    if (r >= 0)
        r = take_transport(p, f);
    if (r >= 0 && p->m.t.n_relays == 0)
        return fail_without_relay(p, f);
    if (r >= 0)
        r = add_relays_of(p, "smtp_fallback_relay", f);
    if (r >= 0)
        r = take_origin(p, f);
    if (r < 0)
        return r;
    take_aliases(p);
    take_times(p);
    main_cf_tell_rest(&p->m);
    p->m.t.line = 0;
    return 0;
}

int config_read_postfix(Translation *t, const char *path, Failure *f)
{
    Postfix p = {.m.t = *t};
    int r = take_all(&p, path, f);

    main_cf_done(&p.m);
    *t = p.m.t;
    t->source = path;
    return r;
}
