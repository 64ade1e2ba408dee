/* Parsing of single values. Must never quote a secret in a failure. */
#include "settings/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/conninfo.h"
#include "base/errors.h"
#include "base/idn.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/url.h"
#include "settings/config.h"
#include "settings/host.h"
#include "settings/networks.h"
#include "settings/proxy.h"
#include "settings/tls_names.h"

typedef struct Value {
    ValueKind kind;
    const char *text;
    const char *directory;
} Value;

static bool is_secret(SettingType type)
{
    return type == SETTING_SECRET || type == SETTING_HEADERS;
}

static char *without_secrets(const Setting *setting, const char *text)
{
    switch (setting->type) {
    case SETTING_URL: return url_shown(text);
    case SETTING_HOST: return url_shown_host(text);
    case SETTING_CONNINFO: return conninfo_shown(text);
    default: return strdup(text);
    }
}

/* "what is wrong; what would be right", with the value quoted. */
static int wrong(const Setting *setting, const Value *value, const char *what, Failure *f)
{
    _cleanup_buffer_ Buffer right = {0};
    _cleanup_free_
    char *text = without_secrets(setting, value->text), *shown = NULL;
    bool quoted = value->kind == VALUE_STRING || value->kind == VALUE_UNTYPED;
    int r = value_describe(setting, &right);

    if (text)
        shown = text_printable(text, strlen(text), 80);
    if (r < 0 || !shown)
        return -ENOMEM;
    return failure_set(f, -EINVAL, ERROR_CONFIGURATION, "%s%s%s %s; it takes %.*s",
        quoted ? "\"" : "", is_secret(setting->type) ? "***" : shown, quoted ? "\"" : "", what,
        (int)buffer_size(&right), buffer_data(&right));
}

/* Only a relay's host must not be that. */
static int is_empty(const Setting *setting, const Value *value, Failure *f)
{
    int r = wrong(setting, value, "is empty", f);

    if (r == -EINVAL && f && setting->type == SETTING_HOST)
        f->number = ERROR_NO_MAIL_SERVER;
    return r;
}

static bool parse_bool(const char *text, bool *ret)
{
    static const struct {
        const char *name;
        bool value;
    } names[] = {{"true", true}, {"false", false}, {"yes", true}, {"no", false}, {"on", true},
        {"off", false}, {"1", true}, {"0", false}};

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (text_equal_nocase(names[i].name, text)) {
            *ret = names[i].value;
            return true;
        }
    return false;
}

static int set_quantity(const Setting *setting, const Value *value, void *field, Failure *f)
{
    uint64_t n = 0;
    int r = value_parse_quantity(setting, value->text, &n);

    if (r == -ERANGE)
        return wrong(setting, value, "is out of range", f);
    if (r < 0 || value->kind == VALUE_BOOL)
        return wrong(setting, value, "is not such a value", f);
    switch (setting->type) {
    case SETTING_UNSIGNED: *(unsigned *)field = (unsigned)n; break;
    case SETTING_PORT: *(uint16_t *)field = (uint16_t)n; break;
    case SETTING_SIZE: *(size_t *)field = (size_t)n; break;
    default: *(usec_t *)field = n; break;
    }
    return 0;
}

static int set_signed(const Setting *setting, const Value *value, int *field, Failure *f)
{
    int64_t n;

    if (value->kind == VALUE_BOOL || !value_parse_signed(value->text, &n))
        return wrong(setting, value, "is not such a value", f);
    if (n < (int64_t)setting->min || n > (int64_t)setting->max)
        return wrong(setting, value, "is out of range", f);
    *field = (int)n;
    return 0;
}

static int set_factor(const Setting *setting, const Value *value, double *field, Failure *f)
{
    double number;

    if (value->kind == VALUE_BOOL || !value_parse_decimal(value->text, &number))
        return wrong(setting, value, "is not such a number", f);
    if (number < (double)setting->min || number > (double)setting->max)
        return wrong(setting, value, "is out of range", f);
    *field = number;
    return 0;
}

static int set_bool(const Setting *setting, const Value *value, bool *field, Failure *f)
{
    if (value->kind == VALUE_NUMBER || !parse_bool(value->text, field))
        return wrong(setting, value, "is neither", f);
    return 0;
}

/* Whether `text` is one of the words between '|' in `names`. */
static bool choice_matches(const char *names, const char *text)
{
    while (*names) {
        size_t n = strcspn(names, "|");

        if (strlen(text) == n && strncasecmp(names, text, n) == 0)
            return true;
        names += n + (names[n] == '|');
    }
    return false;
}

static const SettingChoice *find_choice(const SettingChoice *choice, const char *word)
{
    while (choice->names && !choice_matches(choice->names, word))
        choice++;
    return choice->names ? choice : NULL;
}

#define NAME_MIN 3 /* shorter ones, such as numbers, are near to each other */

static int unknown_choice(const Setting *setting, const Value *value, Failure *f)
{
    char meant[SETTING_WORD_MAX], what[SETTING_WORD_MAX + 40] = "is unknown";

    setting_word_meant(setting->choices, value->text, meant);
    if (strlen(value->text) >= NAME_MIN && meant[0] != '\0')
        snprintf(what, sizeof(what), "is unknown; did you mean \"%s\"?", meant);
    return wrong(setting, value, what, f);
}

static int set_choice(const Setting *setting, const Value *value, void *field, Failure *f)
{
    const SettingChoice *choice = find_choice(setting->choices, value->text);

    if (!choice)
        return unknown_choice(setting, value, f);
    if (choice->refusal)
        return wrong(setting, value, choice->refusal, f);
    if (setting->type == SETTING_ENUM) {
        _Static_assert(sizeof(TlsMode) == sizeof(choice->value), "enums are stored as int");
        memcpy(field, &choice->value, sizeof(choice->value));
        return 0;
    }
    *(char **)field = strndup(choice->names, strcspn(choice->names, "|"));
    return *(char **)field ? 0 : -ENOMEM;
}

static int wrong_word(const Setting *setting, const Value *value, const char *word, Failure *f)
{
    _cleanup_free_
    char *trouble = NULL;

    return setting_word_trouble(setting->choices, word, &trouble)
               ?: wrong(setting, value, trouble, f);
}

static int set_flags(const Setting *setting, const Value *value, unsigned *field, Failure *f)
{
    _cleanup_free_
    char *trouble = NULL;
    unsigned flags = 0;
    int r = setting_flags_parse(setting->choices, value->text, &flags, &trouble);

    if (r == 0 && (trouble || value->kind == VALUE_BOOL))
        return wrong(setting, value, trouble ?: "is not such a value", f);
    *field = r == 0 ? flags : *field;
    return r;
}

static int set_ciphers(const Setting *setting, const Value *value, char **field, Failure *f)
{
    _cleanup_free_
    char *trouble = NULL;
    int r = tls_ciphers_check(value->text, &trouble);

    if (r == 0 && trouble)
        return wrong(setting, value, trouble, f);
    *field = r == 0 ? strdup(value->text) : NULL;
    return *field ? 0 : -ENOMEM;
}

/* Some of the choices, each once, with blanks or commas between them. */
static int set_keywords(const Setting *setting, const Value *value, char **field, Failure *f)
{
    _cleanup_free_
    char *words = strdup(value->text);
    _cleanup_buffer_ Buffer list = {0};
    char *rest = words, *word;
    int r = words ? 0 : -ENOMEM;

    while (r >= 0 && (word = strsep(&rest, " ,\t"))) {
        const SettingChoice *choice = find_choice(setting->choices, word);

        if (*word == '\0')
            continue;
        if (!choice)
            return wrong_word(setting, value, word, f);
        if (buffer_size(&list) > 0)
            r = buffer_append(&list, " ", 1);
        r = r < 0 ? r : buffer_append(&list, choice->names, strcspn(choice->names, "|"));
    }
    if (r < 0 || buffer_size(&list) == 0)
        return r;
    *field = strndup(buffer_data(&list), buffer_size(&list));
    return *field ? 0 : -ENOMEM;
}

/* Versions by name, in either spelling, or the component's bit mask. */
static int set_protocols(const Setting *setting, const Value *value, char **field, Failure *f)
{
    static const struct {
        const char *name, *other;
        uint64_t mask;
    } versions[] = {{"TLSv1", "TLS1", 0xc0}, {"TLSv1.1", "TLS1.1", 0x300},
        {"TLSv1.2", "TLS1.2", 0xc00}, {"TLSv1.3", "TLS1.3", 0x3000}};
    uint64_t mask = 0, known = 0;
    _cleanup_buffer_ Buffer out = {0};

    if (!value_parse_whole(value->text, &mask))
        for (const char *p = value->text; *p;) {
            size_t n = strcspn(p, " ,;|"), before = mask;

            for (size_t i = 0; i < ELEMENTSOF(versions); i++)
                if ((n == strlen(versions[i].name) && strncasecmp(p, versions[i].name, n) == 0) ||
                    (n == strlen(versions[i].other) && strncasecmp(p, versions[i].other, n) == 0))
                    mask |= versions[i].mask;
            if (n > 0 && mask == before)
                return wrong(setting, value, "names an unknown or repeated version", f);
            p += n + (p[n] != '\0');
        }
    for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
        known |= versions[i].mask;
        if ((mask & versions[i].mask) &&
            buffer_appendf(&out, "%s%s", buffer_size(&out) ? " " : "", versions[i].name) < 0)
            return -ENOMEM;
    }
    if (mask == 0 || mask & ~known)
        return wrong(setting, value, "names a version that does not exist here", f);
    *field = strndup(buffer_data(&out), buffer_size(&out));
    return *field ? 0 : -ENOMEM;
}

/* In a configuration file most of them come from a backslash that was meant to be one. */
static int wrong_control(const Setting *setting, const Value *value, Failure *f)
{
    return wrong(setting, value,
        value->kind == VALUE_STRING
            ? "holds a control character: in quotes a backslash begins an escape such as \\n, the "
              "end of a line; write two for one"
            : "holds a control character",
        f);
}

/* 64 hexadecimal digits with or without colons between pairs, or 43 of base64 and perhaps '='. */
bool value_is_fingerprint(const char *text, size_t n)
{
    size_t digits = 0, base64 = 0;

    if (n > 7 && strncasecmp(text, "SHA256:", 7) == 0)
        text += 7, n -= 7;
    else if (n > 8 && strncasecmp(text, "sha256//", 8) == 0)
        text += 8, n -= 8;
    while (base64 < n && (text_is_alphanumeric(text[base64]) || strchr("+/", text[base64])))
        base64++;
    if (base64 == 43 && (n == 43 || (n == 44 && text[43] == '=')))
        return true;
    for (size_t i = 0; i < n; i++)
        if (strchr("0123456789abcdefABCDEF", text[i]))
            digits++;
        else if (text[i] != ':' || digits % 2 != 0)
            return false;
    return digits == 64;
}

/* Each relative path of a list separated by ';' (which is one path as a rule); of certificates,
 * some may be fingerprints. */
static int set_path(const Setting *setting, const Value *value, char **field)
{
    _cleanup_buffer_ Buffer out = {0};

    for (const char *p = value->text;; p++) {
        size_t blanks = setting->type == SETTING_CERTIFICATE ? strspn(p, " ") : 0;
        size_t n = strcspn(p += blanks, ";");
        bool is_path = setting->type != SETTING_CERTIFICATE || !value_is_fingerprint(p, n);
        int r = 0;

        if (n > 0 && is_path && *p != '/' && value->directory)
            r = buffer_appendf(&out, "%s/", value->directory);
        if (r < 0 || buffer_append(&out, p, n) < 0)
            return -ENOMEM;
        p += n;
        if (*p == '\0')
            break;
        if (buffer_append(&out, ";", 1) < 0)
            return -ENOMEM;
    }
    *field = strndup(buffer_data(&out), buffer_size(&out));
    return *field ? 0 : -ENOMEM;
}

bool value_is_store_name(const char *text)
{
    return text_starts_nocase(text, "pkcs11:") || text_starts_nocase(text, "store:");
}

/* A PIN would be shown with the setting, to everybody who may read the configuration. */
static int set_store(const Setting *setting, const Value *value, char **field, Failure *f)
{
    if (!value_is_store_name(value->text))
        return set_path(setting, value, field);
    if (text_starts_nocase(value->text, "store:") &&
        !text_equal_nocase(value->text, "store:user") &&
        !text_equal_nocase(value->text, "store:machine"))
        return wrong(setting, value, "is no such store", f);
    if (strcasestr(value->text, "pin-value="))
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "the URI holds a PIN (pin-value), which everybody would see; leave it out there, and "
            "set tls_key_password_file");
    *field = strdup(value->text);
    return *field ? 0 : -ENOMEM;
}

/* A "*" before the relay's own leaves its lookup to the proxy: the check of combinations takes it
 * away. */
static int set_host(const Setting *setting, const Value *value, char **field, Failure *f)
{
    _cleanup_free_
    char *ascii = NULL, *bare = NULL;
    bool star = value->text[0] == '*' && text_equal(setting->name, "host");
    const char *host = value->text + star, *why = *host ? host_check(host) : "is not a host name";
    int r = why || host_is_unix(host) ? 0 : domain_to_ascii(host, &ascii);

    if (why || r == -EINVAL || r == -ELIBACC)
        return wrong(setting, value, why ?: domain_trouble(r), f);
    bare = r < 0 ? NULL : host_strip(host);
    if (!bare || asprintf(field, "%s%s", star ? "*" : "", bare) < 0) {
        *field = NULL;
        return -ENOMEM;
    }
    return 0;
}

static int set_string(const Setting *setting, const Value *value, char **field, Failure *f)
{
    if (text_has_control(value->text))
        return wrong_control(setting, value, f);
    if (!text_is_utf8(value->text, strlen(value->text)))
        return wrong(setting, value, "is not UTF-8", f);
    switch (setting->type) {
    case SETTING_WORD:
        if (strchr(value->text, ' '))
            return wrong(setting, value, "holds a blank", f);
        break;
    case SETTING_CONNINFO:
        if (conninfo_fault(value->text))
            return wrong(setting, value, conninfo_fault(value->text), f);
        break;
    case SETTING_HOST: return set_host(setting, value, field, f);
    case SETTING_PATH:
    case SETTING_FILE:
    case SETTING_DIRECTORY:
    case SETTING_CERTIFICATE: return set_path(setting, value, field);
    case SETTING_STORE: return set_store(setting, value, field, f);
    default: break;
    }
    *field = strdup(value->text);
    return *field ? 0 : -ENOMEM;
}

static int set_senders(const Setting *setting, const Value *value, SenderRules **field, Failure *f)
{
    _cleanup_failure_ Failure why = {0};
    int r;

    if (text_has_control(value->text))
        return wrong_control(setting, value, f);
    if (!text_is_utf8(value->text, strlen(value->text)))
        return wrong(setting, value, "is not UTF-8", f);
    r = sender_rules_parse(value->text, sender_user_lookup, field, &why);
    return r == -EINVAL ? wrong(setting, value, failure_text(&why), f) : r;
}

static int set_users(const Setting *setting, const Value *value, UserList **field, Failure *f)
{
    _cleanup_failure_ Failure why = {0};
    int r;

    if (text_has_control(value->text))
        return wrong_control(setting, value, f);
    r = user_list_parse(value->text, sender_user_lookup, field, &why);
    return r == -EINVAL ? wrong(setting, value, failure_text(&why), f) : r;
}

static int set_pickup(const Setting *setting, const Value *value, PickupList **field, Failure *f)
{
    _cleanup_failure_ Failure why = {0};
    int r;

    if (text_has_control(value->text))
        return wrong_control(setting, value, f);
    r = pickup_list_parse(value->text, field, &why);
    return r == -EINVAL ? wrong(setting, value, failure_text(&why), f) : r;
}

/* The default is looked up by who needs it: it may wait for a server. */
static int set_user(const Setting *setting, const Value *value, char **field, Failure *f)
{
    _cleanup_failure_ Failure why = {0};
    uid_t user;
    int r = 0;

    if (text_has_control(value->text))
        return wrong_control(setting, value, f);
    if (!text_equal(value->text, setting->default_text ?: ""))
        r = sender_user_parse(value->text, sender_user_lookup, &user, &why);
    if (r < 0)
        return r == -EINVAL ? wrong(setting, value, failure_text(&why), f) : r;
    *field = strdup(value->text);
    return *field ? 0 : -ENOMEM;
}

static int set_networks(const Setting *setting, const Value *value, char **field, Failure *f)
{
    _cleanup_failure_ Failure why = {0};

    if (text_has_control(value->text))
        return wrong_control(setting, value, f);
    if (networks_check(value->text, &why) < 0)
        return wrong(setting, value, failure_text(&why), f);
    *field = strdup(value->text);
    return *field ? 0 : -ENOMEM;
}

static int set_headers(const Setting *setting, const Value *value, Secret **field, Failure *f)
{
    const char *why = proxy_data_check(value->text);

    if (why)
        return wrong(setting, value, why, f);
    *field = secret_new(value->text, strlen(value->text));
    return *field ? 0 : -ENOMEM;
}

static bool is_text(SettingType type)
{
    return type >= SETTING_KEYWORD;
}

/* Text types but those that a bare number can mean as well. */
static bool needs_quotes(const Setting *setting)
{
    return is_text(setting->type) && setting->type != SETTING_KEYWORD &&
           setting->type != SETTING_PROTOCOLS;
}

int value_parse(const Setting *setting, ValueKind kind, const char *text, const char *directory,
    void *group, Failure *f)
{
    void *field = (char *)group + setting->offset;
    const Value value = {kind, text, directory};

    if (needs_quotes(setting) && (kind == VALUE_BOOL || kind == VALUE_NUMBER))
        return wrong(setting, &value, "is not text in quotes", f);
    if (is_text(setting->type)) {
        if (*text == '\0' && setting->required)
            return is_empty(setting, &value, f);
        value_done(setting, group);
        if (*text == '\0')
            return 0;
    }
    switch (setting->type) {
    case SETTING_BOOL: return set_bool(setting, &value, field, f);
    case SETTING_FACTOR: return set_factor(setting, &value, field, f);
    case SETTING_ENUM:
    case SETTING_KEYWORD: return set_choice(setting, &value, field, f);
    case SETTING_PROTOCOLS: return set_protocols(setting, &value, field, f);
    case SETTING_KEYWORDS: return set_keywords(setting, &value, field, f);
    case SETTING_FLAGS: return set_flags(setting, &value, field, f);
    case SETTING_CIPHERS: return set_ciphers(setting, &value, field, f);
    case SETTING_NETWORKS: return set_networks(setting, &value, field, f);
    case SETTING_USER: return set_user(setting, &value, field, f);
    case SETTING_SECRET:
        if (text_has_control(text))
            return wrong_control(setting, &value, f);
        *(Secret **)field = secret_new(text, strlen(text));
        return *(Secret **)field ? 0 : -ENOMEM;
    case SETTING_HEADERS: return set_headers(setting, &value, field, f);
    case SETTING_SENDERS: return set_senders(setting, &value, field, f);
    case SETTING_USERS: return set_users(setting, &value, field, f);
    case SETTING_PICKUP: return set_pickup(setting, &value, field, f);
    case SETTING_SIGNED: return set_signed(setting, &value, field, f);
    case SETTING_UNSIGNED:
    case SETTING_PORT:
    case SETTING_SIZE:
    case SETTING_DURATION: return set_quantity(setting, &value, field, f);
    default: return set_string(setting, &value, field, f);
    }
}

void value_done(const Setting *setting, void *group)
{
    char *field = (char *)group + setting->offset;

    if (is_secret(setting->type)) {
        *(Secret **)field = secret_unref(*(Secret **)field);
    } else if (setting->type == SETTING_SENDERS) {
        *(SenderRules **)field = sender_rules_unref(*(SenderRules **)field);
    } else if (setting->type == SETTING_USERS) {
        *(UserList **)field = user_list_unref(*(UserList **)field);
    } else if (setting->type == SETTING_PICKUP) {
        *(PickupList **)field = pickup_list_unref(*(PickupList **)field);
    } else if (is_text(setting->type)) {
        free(*(char **)field);
        *(char **)field = NULL;
    }
}

bool value_is_set(const Setting *setting, const void *group)
{
    return !is_text(setting->type) || *(void *const *)((const char *)group + setting->offset);
}
