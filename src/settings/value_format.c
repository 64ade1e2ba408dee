/* Values as text: for the user to read and for the parser to read back. Must never show a secret.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conninfo.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/url.h"
#include "settings/config.h"
#include "settings/tls_names.h"
#include "settings/value.h"

static int append_size(uint64_t bytes, Buffer *out)
{
    static const char units[] = "KMGT";
    size_t unit = 0;

    while (bytes > 0 && bytes % 1024 == 0 && unit < sizeof(units) - 1)
        bytes /= 1024, unit++;
    return buffer_appendf(
        out, "%" PRIu64 "%.*s", bytes, unit > 0 ? 1 : 0, units + (unit > 0 ? unit - 1 : 0));
}

static int append_duration(usec_t usec, Buffer *out)
{
    _cleanup_free_
    char *text = text_format_duration(usec);

    return text ? buffer_append_string(out, text) : -ENOMEM;
}

char *value_number_text(double number, char text[static VALUE_NUMBER_MAX])
{
    char *point;

    snprintf(text, VALUE_NUMBER_MAX, "%.12g", number);
    /* The locale may have another decimal point than the file. */
    point = text + (text[0] == '-');
    point += strspn(point, "0123456789");
    if (*point != '\0' && *point != 'e')
        *point = '.';
    return text;
}

static int append_factor(double factor, Buffer *out)
{
    char text[VALUE_NUMBER_MAX];

    value_number_text(factor, text);
    return buffer_appendf(out, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static int append_choice(const Setting *setting, const void *field, Buffer *out)
{
    const SettingChoice *choice = setting->choices;
    int value;

    memcpy(&value, field, sizeof(value));
    while (choice->names && (choice->value != value || choice->refusal))
        choice++;
    if (!choice->names)
        return -EINVAL;
    return buffer_append(out, choice->names, strcspn(choice->names, "|"));
}

/* A token may stand where an identity stands otherwise. */
static bool is_token(const Setting *setting, const void *group)
{
    return setting->section == SECTION_RELAYS &&
           setting->offset == offsetof(RelayConfig, authorization_identity) &&
           relay_identity_is_token(group);
}

static int append_shown(char *shown, Buffer *out)
{
    int r = shown ? buffer_append_string(out, shown) : -ENOMEM;

    free(shown);
    return r;
}

int value_format(const Setting *setting, const void *group, Buffer *out)
{
    const void *field = (const char *)group + setting->offset;

    if (!value_is_set(setting, group))
        return 0;
    if (is_token(setting, group))
        return buffer_append_string(out, "***");
    switch (setting->type) {
    case SETTING_BOOL: return buffer_append_string(out, *(const bool *)field ? "true" : "false");
    case SETTING_UNSIGNED: return buffer_appendf(out, "%u", *(const unsigned *)field);
    case SETTING_SIGNED: return buffer_appendf(out, "%d", *(const int *)field);
    case SETTING_PORT: return buffer_appendf(out, "%u", (unsigned)*(const uint16_t *)field);
    case SETTING_SIZE: return append_size(*(const size_t *)field, out);
    case SETTING_DURATION: return append_duration(*(const usec_t *)field, out);
    case SETTING_FACTOR: return append_factor(*(const double *)field, out);
    case SETTING_ENUM: return append_choice(setting, field, out);
    case SETTING_FLAGS:
        return setting_flags_format(setting->choices, *(const unsigned *)field, out);
    case SETTING_SECRET:
    case SETTING_HEADERS: return buffer_append_string(out, "***");
    case SETTING_URL: return append_shown(url_shown(*(char *const *)field), out);
    case SETTING_CONNINFO: return append_shown(conninfo_shown(*(char *const *)field), out);
    case SETTING_SENDERS:
        return buffer_append_string(out, sender_rules_text(*(SenderRules *const *)field));
    case SETTING_USERS: return buffer_append_string(out, user_list_text(*(UserList *const *)field));
    case SETTING_PICKUP:
        return buffer_append_string(out, pickup_list_text(*(PickupList *const *)field));
    default: return buffer_append_string(out, *(char *const *)field);
    }
}

bool value_is_bare(const Setting *setting, const char *text)
{
    switch (setting->type) {
    case SETTING_BOOL:
    case SETTING_UNSIGNED:
    case SETTING_SIGNED:
    case SETTING_PORT:
    case SETTING_FACTOR: return true;
    case SETTING_FLAGS:
    case SETTING_ENUM:
        return strspn(text, "0123456789") == strlen(text) || text_equal(text, "true") ||
               text_equal(text, "false");
    default: return false;
    }
}

/* "one of "a", "b"". */
static int describe_choices(const Setting *setting, const char *what, Buffer *out)
{
    int r = buffer_append_string(out, what);

    for (const SettingChoice *choice = setting->choices; r == 0 && choice->names; choice++) {
        _cleanup_free_
        char *name = NULL;

        if (choice->refusal)
            continue;
        name = strndup(choice->names, strcspn(choice->names, "|"));
        if (!name)
            return -ENOMEM;
        r = buffer_appendf(out, "%s %s%s%s", choice == setting->choices ? "" : ",",
            value_is_bare(setting, name) ? "" : "\"", name,
            value_is_bare(setting, name) ? "" : "\"");
    }
    return r;
}

/* "WHAT from MIN to MAX" in the words of the type. */
static int describe_range(const Setting *setting, const char *what, Buffer *out,
    int (*append)(uint64_t, Buffer *), const char *example)
{
    int r = buffer_appendf(out, "%s from ", what);

    if (r == 0)
        r = append(setting->min, out);
    if (r == 0)
        r = buffer_append_string(out, " to ");
    if (r == 0)
        r = append(setting->max, out);
    if (r == 0)
        r = buffer_append_string(out, example);
    return r;
}

static int append_whole(uint64_t number, Buffer *out)
{
    return buffer_appendf(out, "%" PRIu64, number);
}

static int append_signed(uint64_t number, Buffer *out)
{
    return buffer_appendf(out, "%" PRId64, (int64_t)number);
}

int value_describe(const Setting *setting, Buffer *out)
{
    static const char *const words[SETTING_TYPE_MAX] = {
        [SETTING_BOOL] = "true or false",
        [SETTING_STRING] = "text in quotes, on one line",
        [SETTING_WORD] = "text in quotes without blanks",
        [SETTING_WORDS] =
            "words in quotes, with blanks between them, or a list [ \"...\", \"...\" ]",
        [SETTING_URL] = "a URL in quotes, such as \"https://login.example.com/token\"",
        [SETTING_CONNINFO] = "a connection string of PostgreSQL in quotes, such as "
                             "\"host=db.example.com dbname=shop\", or a URI postgresql://HOST/NAME",
        [SETTING_HOST] = "a host name, an IPv4 or an IPv6 address in quotes, without a port",
        [SETTING_PATH] = "a path in quotes",
        [SETTING_FILE] = "the path of an existing file in quotes",
        [SETTING_DIRECTORY] = "the path of an existing directory in quotes",
        [SETTING_CERTIFICATE] = "paths, or SHA-256 fingerprints (64 hexadecimal digits, or "
                                "sha256// and base64), in quotes, with ';' between them",
        [SETTING_STORE] = "the path of an existing file or directory, a pkcs11: URI, "
                          "\"store:user\" or \"store:machine\", in quotes",
        [SETTING_PROTOCOLS] =
            "some of TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3 in quotes, with blanks between them",
        [SETTING_CIPHERS] = "names of cipher suites, or OpenSSL's words for them such as HIGH, in "
                            "quotes, with ':' between them",
        [SETTING_NETWORKS] = "networks such as 192.0.2.0/24 in quotes, with blanks between them",
        [SETTING_USER] = "a user in quotes, by name or number",
        [SETTING_SECRET] = "text in quotes",
        [SETTING_HEADERS] = "lines NAME: VALUE in quotes, with line ends between them",
        [SETTING_USERS] =
            "\"all\", \"group\", \"none\", or users in quotes, with blanks between them",
        [SETTING_PICKUP] = "absolute paths in quotes, with ; between them, or groups {directory, "
                           "pattern, dot_stuffed}",
        [SETTING_SENDERS] = "rules \"USER...: SENDER...\" in quotes, with ; between them",
    };

    switch (setting->type) {
    case SETTING_UNSIGNED:
    case SETTING_FACTOR: return describe_range(setting, "a number", out, append_whole, "");
    case SETTING_SIGNED: return describe_range(setting, "a number", out, append_signed, "");
    case SETTING_PORT: return describe_range(setting, "a port", out, append_whole, "");
    case SETTING_SIZE:
        return describe_range(
            setting, "a size", out, append_size, ", in bytes or such as \"64K\" or \"10M\"");
    case SETTING_DURATION:
        return describe_range(setting, "a duration", out, append_duration,
            ", in seconds or such as \"90s\", \"5m\" or \"2h\"");
    case SETTING_ENUM:
    case SETTING_KEYWORD: return describe_choices(setting, "one of", out);
    case SETTING_FLAGS:
        return describe_choices(
            setting, "a number, or in quotes, with blanks between them, some of", out);
    case SETTING_KEYWORDS:
        return describe_choices(setting, "in quotes, with blanks between them, some of", out);
    default: return buffer_append_string(out, words[setting->type]);
    }
}

int value_is_default(const Setting *setting, const void *group, const Config *defaults)
{
    _cleanup_buffer_ Buffer is = {0}, would_be = {0};

    if (!defaults)
        return 0;
    if (value_format(setting, group, &is) < 0)
        return -ENOMEM;
    if ((section_needs_place(setting->section)
                ? buffer_append_string(&would_be, setting->default_text ?: "")
                : value_format(setting, value_group(defaults, setting->section, 0), &would_be)) < 0)
        return -ENOMEM;
    return buffer_size(&is) == buffer_size(&would_be) &&
           (buffer_size(&is) == 0 ||
               memcmp(buffer_data(&is), buffer_data(&would_be), buffer_size(&is)) == 0);
}
