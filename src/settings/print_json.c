/* Settings as JSON. Must never show a secret: value_format() sees to that. */
#include "settings/print_json.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "settings/component.h"
#include "settings/networks.h"
#include "settings/pickup.h"
#include "settings/proxy.h"
#include "settings/senders.h"
#include "settings/tls_names.h"
#include "settings/value.h"

static void json_decref_p(json_t **json)
{
    json_decref(*json);
}

#define _cleanup_json_ _cleanup_(json_decref_p)

/* ---- lists ---- */

static bool is_field(const Setting *setting, size_t offset)
{
    return setting->section == SECTION_RELAYS && setting->offset == offset;
}

/* What stands between the values of a list; NULL: it is one value. */
static const char *separators_of(const Setting *setting)
{
    switch (setting->type) {
    case SETTING_FLAGS:
    case SETTING_PROTOCOLS:
    case SETTING_KEYWORDS: return " ";
    case SETTING_WORDS: return ROUTE_SEPARATORS;
    case SETTING_NETWORKS: return NETWORK_SEPARATORS;
    case SETTING_CIPHERS: return TLS_CIPHER_SEPARATORS;
    case SETTING_CERTIFICATE: return ";"; /* in a path there may be blanks */
    default: break;
    }
    if (is_field(setting, offsetof(RelayConfig, proxy_exceptions)))
        return PROXY_EXCEPTION_SEPARATORS;
    return is_field(setting, offsetof(RelayConfig, oauth_scope)) ? " " : NULL;
}

/* An array of the words. NULL when memory is short. */
static json_t *words_to_json(char *text, const char *separators)
{
    _cleanup_json_ json_t *array = json_array();
    char *state = NULL;

    for (char *word = strtok_r(text, separators, &state); word;
         word = strtok_r(NULL, separators, &state)) {
        word += strspn(word, " ");
        if (json_array_append_new(array, json_string(word)) < 0)
            return NULL;
    }
    return TAKE_PTR(array);
}

/* Rules that were taken (senders.h). NULL when memory is short. */
static json_t *senders_to_json(char *text)
{
    _cleanup_json_ json_t *array = json_array();
    char *rule;

    while ((rule = strsep(&text, ";"))) {
        char *users = strsep(&rule, ":");
        json_t *object = NULL;

        if (!rule) /* a semicolon may end the text */
            continue;
        object = json_pack("{s:o, s:o}", "users", words_to_json(users, SENDER_RULE_SEPARATORS),
            "senders", words_to_json(rule, SENDER_RULE_SEPARATORS));
        if (json_array_append_new(array, object) < 0)
            return NULL;
    }
    return TAKE_PTR(array);
}

/* Directories that were taken (pickup.h). NULL when memory is short. */
static json_t *pickup_to_json(const char *text)
{
    _cleanup_(pickup_list_unref_p) PickupList *list = NULL;
    _cleanup_json_ json_t *array = json_array();
    const PickupDirectory *directories;
    size_t n;

    if (pickup_list_parse(text, &list, NULL) < 0)
        return NULL;
    directories = pickup_list_directories(list, &n);
    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(array,
                json_pack("{s:s, s:s, s:b}", "directory", directories[i].path, "pattern",
                    directories[i].pattern, "dot_stuffed", (int)directories[i].dot_stuffed)) < 0)
            return NULL;
    return TAKE_PTR(array);
}

/* An array, of no flags an empty one. False: it is no list. */
static bool list_to_json(const Setting *setting, char *text, json_t **ret)
{
    const char *separators = separators_of(setting);

    if (setting->type == SETTING_SENDERS)
        *ret = senders_to_json(text);
    else if (setting->type == SETTING_PICKUP)
        *ret = pickup_to_json(text);
    else if (separators && setting->type == SETTING_FLAGS && text_equal(text, "0"))
        *ret = json_array();
    else if (separators)
        *ret = words_to_json(text, separators);
    return setting->type == SETTING_SENDERS || setting->type == SETTING_PICKUP || separators;
}

/* ---- values ---- */

/* A list is an array; all else as the component has it where `name` is its name. NULL when memory
 * is short. */
static json_t *value_to_json(const Setting *setting, const char *name, const void *group)
{
    _cleanup_buffer_ Buffer text = {0};
    _cleanup_free_
    char *words = NULL;
    json_t *list = NULL;

    if (!value_is_set(setting, group))
        return json_null();
    if (component_format(setting, name, group, &text) < 0 || buffer_append(&text, "", 1) < 0)
        return NULL;
    words = strdup(buffer_data(&text));
    if (!words || list_to_json(setting, words, &list))
        return list;
    if (setting->type <= SETTING_ENUM && component_alias(setting, name)) {
        bool yes = text_equal(buffer_data(&text), "True");

        if (yes || text_equal(buffer_data(&text), "False"))
            return json_boolean(yes);
        return json_loads(buffer_data(&text), JSON_DECODE_ANY, NULL)
                   ?: json_string(buffer_data(&text));
    }
    return value_is_bare(setting, buffer_data(&text))
               ? json_loads(buffer_data(&text), JSON_DECODE_ANY, NULL)
               : json_string(buffer_data(&text));
}

static json_t *group_to_json(SettingSection section, const void *group, const Config *defaults)
{
    _cleanup_json_ json_t *object = json_object();
    size_t n;
    const Setting *rows = settings_table(&n);

    for (size_t i = 0; i < n; i++) {
        int is_default;

        if (rows[i].section != section ||
            (section_needs_place(section) && !value_is_set(&rows[i], group)))
            continue;
        is_default = value_is_default(&rows[i], group, defaults);
        if (is_default < 0 ||
            (is_default == 0 && json_object_set_new(object, rows[i].name,
                                    value_to_json(&rows[i], rows[i].name, group)) < 0))
            return NULL;
    }
    return TAKE_PTR(object);
}

static json_t *section_to_json(const Config *config, const Config *defaults, SettingSection section)
{
    _cleanup_json_ json_t *array = NULL;

    if (!section_is_list(section))
        return group_to_json(section, value_group(config, section, 0), defaults);
    array = json_array();
    for (size_t i = 0; i < value_groups(config, section); i++)
        if (json_array_append_new(
                array, group_to_json(section, value_group(config, section, i), defaults)) < 0)
            return NULL;
    return TAKE_PTR(array);
}

typedef struct Sink {
    Buffer *out;
    int error;
} Sink;

/* Remembers what jansson may pass over. */
static int take(const char *data, size_t n, void *user)
{
    Sink *sink = user;

    if (sink->error == 0)
        sink->error = buffer_append(sink->out, data, n);
    return sink->error;
}

/* Takes the reference, which may be NULL for lack of memory. */
static int append(json_t *json, Buffer *out)
{
    const size_t flags = JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12);
    Sink sink = {.out = out};
    int r = json ? json_dump_callback(json, take, &sink, flags) : -1;

    json_decref(json);
    return r < 0 || sink.error < 0 ? -ENOMEM : buffer_append(out, "\n", 1);
}

int print_json_relay(const RelayConfig *relay, const Config *defaults, Buffer *out)
{
    return append(group_to_json(SECTION_RELAYS, relay, defaults), out);
}

int print_json(const Config *config, const Config *defaults, SettingSection section, Buffer *out)
{
    json_t *object;

    if (section != SECTION_ANY)
        return append(section_to_json(config, defaults, section), out);
    object = json_object();
    for (SettingSection s = 0; s < SECTION_MAX; s++)
        if (json_object_set_new(object, section_name(s), section_to_json(config, defaults, s)) <
            0) {
            json_decref(object);
            return -ENOMEM;
        }
    return append(object, out);
}

int print_json_text(const char *text, Buffer *out)
{
    return append(json_string(text), out);
}

/* Null where it is as in `defaults`. NULL when memory is short. */
static json_t *changed_to_json(
    const Setting *setting, const Target *target, const void *group, const Config *defaults)
{
    int is_default = value_is_default(setting, group, defaults);

    if (is_default != 0)
        return is_default > 0 ? json_null() : NULL;
    return value_to_json(setting, target->setting, group);
}

/* What each rule or lane says, in an array. NULL when memory is short. */
static json_t *places_to_json(const Config *config, const Setting *setting)
{
    _cleanup_json_ json_t *array = json_array();

    for (size_t i = 0; i < value_groups(config, setting->section); i++)
        if (json_array_append_new(array, value_to_json(setting, setting->name,
                                             value_group(config, setting->section, i))) < 0)
            return NULL;
    return TAKE_PTR(array);
}

int print_json_value(const Config *config, const Config *defaults, const Setting *setting,
    const Target *target, Buffer *out)
{
    bool one = setting->section != SECTION_RELAYS || target->relay || config->n_relays == 1;
    _cleanup_json_ json_t *object = one ? NULL : json_object();

    if (section_needs_place(setting->section))
        return append(places_to_json(config, setting), out);
    if (setting->section != SECTION_RELAYS)
        return append(
            changed_to_json(setting, target, value_group(config, setting->section, 0), defaults),
            out);
    for (size_t i = 0; i < config->n_relays; i++) {
        const RelayConfig *relay = config->relays[i];
        json_t *value;

        if (!target_selects(target, config, i))
            continue;
        value = changed_to_json(setting, target, relay, defaults);
        if (one)
            return append(value, out);
        if (defaults && json_is_null(value))
            continue;
        if (json_object_set_new(object, relay->name, value) < 0)
            return -ENOMEM;
    }
    return append(TAKE_PTR(object), out);
}
