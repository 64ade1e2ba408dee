/* Settings as the text of a configuration file. Must never show a secret: value_format() sees to
 * that. */
#include "settings/print.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "settings/component.h"
#include "settings/print_json.h"
#include "settings/table.h"
#include "settings/target.h"
#include "settings/value.h"

/* In the quotes of a configuration file. */
static int append_quoted(const char *text, Buffer *out)
{
    int r = buffer_append(out, "\"", 1);

    for (; *text && r == 0; text++)
        r = buffer_appendf(out, "%s%c", strchr("\\\"", *text) ? "\\" : "", *text);
    return r ?: buffer_append(out, "\"", 1);
}

/* With quotes where the file needs them, or the bare text; one that is not set is empty. As the
 * component has it where `name` is its name. */
static int append_value(
    const Setting *setting, const char *name, const void *group, bool quotes, Buffer *out)
{
    _cleanup_buffer_ Buffer text = {0};
    int r = component_format(setting, name, group, &text) ?: buffer_append(&text, "", 1);

    if (r < 0)
        return r;
    if (quotes && !value_is_bare(setting, buffer_data(&text)))
        return append_quoted(buffer_data(&text), out);
    return buffer_append_string(out, buffer_data(&text));
}

static int print_group(SettingSection section, const void *group, const Config *defaults,
    const char *indent, Buffer *out)
{
    size_t n;
    const Setting *rows = settings_table(&n);
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++) {
        if (rows[i].section != section ||
            (section_needs_place(section) && !value_is_set(&rows[i], group)))
            continue;
        r = value_is_default(&rows[i], group, defaults);
        if (r != 0)
            continue;
        r = buffer_appendf(out, "%s%s = ", indent, rows[i].name);
        if (r == 0)
            r = append_value(&rows[i], rows[i].name, group, true, out);
        if (r == 0)
            r = buffer_append(out, ";\n", 2);
    }
    return MIN(r, 0);
}

/* A group of which all is as it is in `defaults` is left out. */
static int print_section(
    const Config *config, const Config *defaults, SettingSection section, Buffer *out)
{
    bool list = section_is_list(section);
    size_t before = buffer_size(out), begun;
    int r = buffer_appendf(out, "%s = %s", section_name(section), list ? "(" : "{\n");

    begun = buffer_size(out);

    for (size_t i = 0; r == 0 && list && i < value_groups(config, section); i++) {
        r = buffer_append_string(out, i == 0 ? "\n  {\n" : ",\n  {\n");
        if (r == 0)
            r = print_group(section, value_group(config, section, i), defaults, "    ", out);
        if (r == 0)
            r = buffer_append_string(out, "  }");
    }
    if (r == 0 && !list)
        r = print_group(section, value_group(config, section, 0), defaults, "  ", out);
    if (r == 0 && defaults && buffer_size(out) == begun) {
        buffer_truncate(out, before);
        return 0;
    }
    return r ?: buffer_append_string(out, list ? "\n);\n" : "};\n");
}

static int print_value(const Config *config, const Config *defaults, const Setting *setting,
    const Target *target, Buffer *out)
{
    size_t n = value_groups(config, setting->section);
    bool several = section_is_list(setting->section) && !target->relay && n > 1;
    const char *name = component_alias(setting, target->setting) ? target->setting : setting->name;
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        if (setting->section == SECTION_RELAYS && !target_selects(target, config, i))
            continue;
        r = value_is_default(setting, value_group(config, setting->section, i), defaults);
        if (r != 0) {
            r = MIN(r, 0);
            continue;
        }
        if (several && setting->section == SECTION_RELAYS)
            r = buffer_appendf(out, "relays.%s.%s = ", config->relays[i]->name, name);
        else if (several)
            r = buffer_appendf(out, "%s.%zu.%s = ", section_name(setting->section), i + 1, name);
        if (r == 0)
            r = append_value(setting, name, value_group(config, setting->section, i), several, out);
        if (r == 0)
            r = buffer_append(out, "\n", 1);
    }
    return r;
}

/* The section whose name is most like this; SECTION_ANY: none is near. */
static SettingSection suggest_section(const char *name, size_t n)
{
    SettingSection near = SECTION_ANY;
    size_t distance = 3;
    char text[32];

    if (n >= sizeof(text))
        return SECTION_ANY;
    snprintf(text, sizeof(text), "%.*s", (int)n, name);
    for (SettingSection s = 0; s < SECTION_MAX; s++) {
        size_t d = text_distance(text, section_name(s));

        if (d < distance && d < n)
            near = s, distance = d;
    }
    return near;
}

/* Its section, too: one that is known has it, or a setting that is almost called so. */
static const Setting *suggest(const Target *target)
{
    return setting_find(SECTION_ANY, target->setting)
               ?: setting_suggest(target->section, target->setting)
               ?: setting_suggest(SECTION_ANY, target->setting);
}

static int unknown_section(const char *name, Failure *f)
{
    size_t n = strcspn(name, ".");
    SettingSection near = suggest_section(name, n);

    if (near != SECTION_ANY)
        return failure_set(f, -ENOENT, ERROR_USAGE,
            "there is no section \"%.*s\"; did you mean \"%s%s\"?", (int)n, name,
            section_name(near), name + n);
    return failure_set(f, -ENOENT, ERROR_USAGE,
        "there is no section \"%.*s\"; there are spool, relays, routes, lanes, retry, daemon and "
        "message",
        (int)n, name);
}

/* `name` as it was given, which is no setting; what is suggested can be given in its place. */
static int unknown(const Config *config, const char *name, const Target *target, Failure *f)
{
    const char *reason = setting_unavailable(target->setting);
    bool dotted = strchr(name, '.') != NULL;
    const Setting *meant = dotted && target->section == SECTION_ANY ? NULL : suggest(target);
    SettingSection near = dotted ? SECTION_ANY : suggest_section(name, strlen(name));

    if (reason)
        return failure_set(f, -ENOENT, ERROR_USAGE, "%s: %s", target->setting, reason);
    if (dotted && target->section == SECTION_ANY)
        return unknown_section(name, f);
    if (!dotted && config_find_relay(config, name))
        return failure_set(f, -ENOENT, ERROR_USAGE,
            "there is no setting \"%s\"; did you mean \"relays.%s\"?", name, name);
    if (meant)
        return failure_set(f, -ENOENT, ERROR_USAGE,
            "there is no setting \"%s\"; did you mean \"%s.%s%s%s\"?", name,
            section_name(meant->section),
            meant->section == SECTION_RELAYS ? target->relay ?: "" : "",
            meant->section == SECTION_RELAYS && target->relay ? "." : "", meant->name);
    if (near != SECTION_ANY)
        return failure_set(f, -ENOENT, ERROR_USAGE,
            "there is no setting \"%s\"; did you mean the section \"%s\"?", name,
            section_name(near));
    if (config && target->section == SECTION_RELAYS && !target->relay)
        return failure_set(f, -ENOENT, ERROR_USAGE,
            "there is neither a relay nor a setting \"%s\"; `outbox config name` tells the relays' "
            "names",
            name);
    return failure_set(f, -ENOENT, ERROR_USAGE,
        "there is no setting \"%s\"; `outbox config --explain%s%s` lists all there are", name,
        target->section != SECTION_ANY ? " " : "",
        target->section != SECTION_ANY ? section_name(target->section) : "");
}

static bool selects_any(const Target *target, const Config *config)
{
    for (size_t i = 0; i < config->n_relays; i++)
        if (target_selects(target, config, i))
            return true;
    return false;
}

static int print_named(const Config *config, const Config *defaults, const char *name,
    ConfigFormat format, Buffer *out, Failure *f)
{
    _cleanup_(target_done) Target target = {0};
    const char *answer = component_answer(name);
    const Setting *setting;
    int r = target_parse(name, &target);

    if (r < 0 && r != -EINVAL)
        return r;
    if (answer)
        return format == CONFIG_FORMAT_JSON ? print_json_text(answer, out)
                                            : buffer_appendf(out, "%s\n", answer);
    setting = r == 0 ? setting_find(target.section, target.setting) : NULL;
    if (!setting)
        return unknown(config, name, &target, f);
    if (setting->section == SECTION_RELAYS && !selects_any(&target, config))
        return failure_set(f, -ENOENT, ERROR_USAGE,
            "there is no relay \"%s\"; `outbox config name` tells their names",
            target.relay ?: name);
    return format == CONFIG_FORMAT_JSON ? print_json_value(config, defaults, setting, &target, out)
                                        : print_value(config, defaults, setting, &target, out);
}

/* The relay that "relays.NAME" means; NULL: none. A name may be that of a setting as well, which
 * then is meant. */
static const RelayConfig *find_relay(const Config *config, const char *name)
{
    const char *prefix = "relays.";

    if (strncmp(name, prefix, strlen(prefix)) != 0 ||
        setting_find(SECTION_RELAYS, name + strlen(prefix)))
        return NULL;
    return config_find_relay(config, name + strlen(prefix));
}

static int print_relay(const RelayConfig *relay, const Config *defaults, Buffer *out)
{
    int r =
        buffer_append_string(out, "{\n") ?: print_group(SECTION_RELAYS, relay, defaults, "  ", out);

    return r ?: buffer_append_string(out, "}\n");
}

int config_print(const Config *config, const Config *defaults, const char *name,
    ConfigFormat format, Buffer *out, Failure *f)
{
    SettingSection section = name ? section_find(name) : SECTION_ANY;
    const RelayConfig *relay = name ? find_relay(config, name) : NULL;
    int r = 0;

    if (relay)
        return format == CONFIG_FORMAT_JSON ? print_json_relay(relay, defaults, out)
                                            : print_relay(relay, defaults, out);
    if (name && section == SECTION_ANY)
        return print_named(config, defaults, name, format, out, f);
    if (format == CONFIG_FORMAT_JSON)
        return print_json(config, defaults, section, out);
    for (SettingSection s = 0; s < SECTION_MAX && r == 0; s++)
        if (section == s || (section == SECTION_ANY && value_groups(config, s) > 0))
            r = print_section(config, defaults, s, out);
    return r;
}

static int help_of(const Setting *setting, Buffer *out)
{
    _cleanup_buffer_ Buffer values = {0};
    int r = value_describe(setting, &values) ?: buffer_append(&values, "", 1);

    if (r == 0)
        r = buffer_appendf(out, "%s.%s%s%s%s\n    %s\n    Takes %s.\n",
            section_name(setting->section), setting->name, setting->aliases[0] ? " (" : "",
            setting->aliases, setting->aliases[0] ? ")" : "", setting->help, buffer_data(&values));
    if (r == 0 && setting->default_text)
        r = buffer_appendf(out, "    Default: %s.\n", setting->default_text);
    return r;
}

int config_print_help(const char *name, Buffer *out, Failure *f)
{
    _cleanup_(target_done) Target target = {0};
    SettingSection section = name ? section_find(name) : SECTION_ANY;
    const Setting *setting = NULL;
    size_t n;
    const Setting *rows = settings_table(&n);
    int r = name && section == SECTION_ANY ? target_parse(name, &target) : 0;

    if (r == 0 && name && section == SECTION_ANY)
        setting = setting_find(target.section, target.setting);
    if (r == -EINVAL || (r == 0 && name && section == SECTION_ANY && !setting))
        return unknown(NULL, name, &target, f);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (setting ? setting == &rows[i] : section == SECTION_ANY || section == rows[i].section)
            r = help_of(&rows[i], out);
    return r;
}
