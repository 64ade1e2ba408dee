/* The component's names, units and words. Must never show a secret: value_format() sees to that. */
#include "settings/component.h"

#include <config.h> /* not the one beside this file */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "settings/config.h"

#define TLS_SWITCH "SSLEnabled" /* of the row `tls`, of which SSLStartMode is the other name */

/* Durations that the component counts in milliseconds; all others are seconds to it. */
static const char *const in_milliseconds[] = {"KeepAliveTime", "KeepAliveInterval"};

/* What the component has and outbox has no use for. */
static const struct {
    const char *name, *answer;
    const char *notice; /* NULL: it cannot be set */
} others[] = {
    {"BuildInfo", PACKAGE_NAME " " PACKAGE_VERSION, NULL},
    {"LicenseInfo", "ISC licence; no warranty.", NULL},
    {"GUIAvailable", "False",
        "has no meaning on Linux and changes nothing: there is no message loop of windows"},
    {"UseInternalSecurityAPI", "False",
        "has no meaning on Linux and changes nothing: TLS is OpenSSL's, which comes with outbox"},
};

/* ---- names ---- */

static bool is_word(const char *word, size_t n, const char *name)
{
    char text[64];

    snprintf(text, sizeof(text), "%.*s", (int)MIN(n, sizeof(text) - 1), word);
    return setting_name_equal(text, name);
}

const char *component_alias(const Setting *setting, const char *name)
{
    if (strchr(name, '_') || strcmp(name, setting->name) == 0)
        return NULL;
    for (const char *alias = setting->aliases; *alias; alias += strspn(alias, " ")) {
        size_t n = strcspn(alias, " ");

        if (is_word(alias, n, name))
            return alias;
        alias += n;
    }
    return NULL;
}

static bool alias_is(const char *alias, const char *name)
{
    return alias && is_word(alias, strcspn(alias, " "), name);
}

bool component_adds_up(const char *a, const char *b)
{
    return alias_is(a, TLS_SWITCH) != alias_is(b, TLS_SWITCH);
}

/* ---- values ---- */

static bool counts_milliseconds(const Setting *setting, const char *alias)
{
    for (size_t i = 0; i < ELEMENTSOF(in_milliseconds); i++)
        if (setting->type == SETTING_DURATION && alias_is(alias, in_milliseconds[i]))
            return true;
    return false;
}

static bool is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

static TlsMode tls_mode(const Setting *setting, const void *group)
{
    TlsMode mode;

    memcpy(&mode, (const char *)group + setting->offset, sizeof(mode));
    return mode;
}

/* What SSLEnabled makes of the mode there is: True keeps one that has TLS. NULL for what is no
 * boolean. */
static const char *switch_tls(const Setting *setting, const void *group, const char *text)
{
    static const char *const words[][5] = {
        {"false", "no", "off", "0", NULL}, {"true", "yes", "on", "1", NULL}};

    for (size_t on = 0; on < ELEMENTSOF(words); on++)
        for (size_t i = 0; words[on][i]; i++)
            if (text_equal_nocase(words[on][i], text))
                return on == 0                                     ? "none"
                       : tls_mode(setting, group) == TLS_MODE_NONE ? "automatic"
                                                                   : "";
    return NULL;
}

/* The word of the table for a mode. */
static int format_mode(const Setting *setting, const void *group, Buffer *out)
{
    return value_format(setting, group, out) ?: buffer_append(out, "", 1);
}

static int switch_value(
    const Setting *setting, const void *group, const char *text, char **ret, Failure *f)
{
    const char *word = switch_tls(setting, group, text);
    _cleanup_buffer_ Buffer mode = {0};

    if (!word) {
        _cleanup_free_
        char *shown = text_printable(text, strlen(text), 80);

        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "\"%s\" is neither; " TLS_SWITCH " takes true or false, and SSLStartMode says how TLS "
            "starts",
            shown ?: "...");
    }
    if (*word == '\0' && format_mode(setting, group, &mode) < 0)
        return -ENOMEM;
    *ret = strdup(*word ? word : buffer_data(&mode));
    return *ret ? 0 : -ENOMEM;
}

int component_value(const Setting *setting, const char *name, const void *group, ValueKind *kind,
    const char *text, char **ret, Failure *f)
{
    const char *alias = component_alias(setting, name);

    *ret = NULL;
    if (!alias)
        return 0;
    if (alias_is(alias, TLS_SWITCH)) {
        *kind = VALUE_UNTYPED;
        return switch_value(setting, group, text, ret, f);
    }
    if (setting->type == SETTING_BOOL && *kind == VALUE_NUMBER && is_number(text))
        *kind = VALUE_UNTYPED; /* 1 and 0 are true and false to it, in a file as well */
    if (!counts_milliseconds(setting, alias) || !is_number(text) || strcmp(text, "0") == 0)
        return 0;
    return asprintf(ret, "%sms", text) < 0 ? -ENOMEM : 0;
}

/* The number among a choice's names, which is the component's; NULL: it has none. */
static const char *number_of(const SettingChoice *choice, size_t *ret_n)
{
    for (const char *name = choice->names; *name; name += *name == '|') {
        *ret_n = strcspn(name, "|");
        if (strspn(name, "0123456789") == *ret_n)
            return name;
        name += *ret_n;
    }
    return NULL;
}

/* `text` is the first name of a choice. */
static int format_choice(const Setting *setting, const char *text, Buffer *out)
{
    for (const SettingChoice *choice = setting->choices; choice->names; choice++) {
        size_t n = strcspn(choice->names, "|");
        const char *number;

        if (strlen(text) != n || strncmp(choice->names, text, n) != 0)
            continue;
        number = number_of(choice, &n);
        return number ? buffer_append(out, number, n) : buffer_append_string(out, text);
    }
    return buffer_append_string(out, text);
}

/* A part of a unit is one more: 0 would mean something else. */
int component_format(const Setting *setting, const char *name, const void *group, Buffer *out)
{
    const void *field = (const char *)group + setting->offset;
    const char *alias = component_alias(setting, name);
    _cleanup_buffer_ Buffer text = {0};
    usec_t unit;

    if (alias && alias_is(alias, TLS_SWITCH))
        return buffer_append_string(
            out, tls_mode(setting, group) == TLS_MODE_NONE ? "False" : "True");
    switch (alias ? setting->type : SETTING_STRING) {
    case SETTING_BOOL: return buffer_append_string(out, *(const bool *)field ? "True" : "False");
    case SETTING_SIZE: return buffer_appendf(out, "%zu", *(const size_t *)field);
    case SETTING_DURATION:
        unit = counts_milliseconds(setting, alias) ? USEC_PER_MSEC : USEC_PER_SEC;
        return buffer_appendf(
            out, "%" PRIu64, *(const usec_t *)field / unit + (*(const usec_t *)field % unit > 0));
    case SETTING_ENUM:
    case SETTING_KEYWORD:
        return format_mode(setting, group, &text)
                   ?: format_choice(setting, buffer_data(&text), out);
    default: return value_format(setting, group, out);
    }
}

/* ---- what is no setting here ---- */

const char *component_notice(const char *name, const char *text, const char **ret_wrong)
{
    static const char *const words[] = {"true", "false", "yes", "no", "1", "0"};

    *ret_wrong = "is neither True nor False; leave it out";
    for (size_t i = 0; i < ELEMENTSOF(words); i++)
        if (text_equal_nocase(words[i], text))
            *ret_wrong = NULL;
    for (size_t i = 0; i < ELEMENTSOF(others); i++)
        if (others[i].notice && setting_name_equal(others[i].name, name))
            return others[i].notice;
    return NULL;
}

const char *component_answer(const char *name)
{
    for (size_t i = 0; i < ELEMENTSOF(others); i++)
        if (setting_name_equal(others[i].name, name))
            return others[i].answer;
    return NULL;
}
