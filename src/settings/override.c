/* --set NAME=VALUE. Must never quote the value of a secret. */
#include "settings/override.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

static const Origin override_origin = {.file = "--set"};

/* What a NAME stands for. */
typedef struct Target {
    SettingSection section; /* SECTION_ANY for a bare name */
    char *relay;            /* the NAME of relays.NAME.x, or NULL for every relay */
    const char *setting;    /* borrowed from the text */
} Target;

static void target_done(Target *target)
{
    free(target->relay);
}

/* "x", "spool.x", "relays.NAME.x"; NAME may hold dots. */
static int parse_target(const char *name, Target *ret)
{
    const char *dot = strchr(name, '.'), *last = strrchr(name, '.');
    _cleanup_free_
    char *section = NULL;

    *ret = (Target){.section = SECTION_ANY, .setting = name};
    if (!dot)
        return 0;
    section = strndup(name, (size_t)(dot - name));
    if (!section)
        return -ENOMEM;
    ret->section = section_find(section);
    ret->setting = last + 1;
    if (last > dot && ret->section == SECTION_RELAYS) {
        ret->relay = strndup(dot + 1, (size_t)(last - dot - 1));
        return ret->relay ? 0 : -ENOMEM;
    }
    return ret->section == SECTION_ANY || last > dot ? -EINVAL : 0;
}

/* By its name, else by its host, with or without the port. */
static bool relay_matches(const RelayConfig *relay, const char *name)
{
    char host_port[300];

    if (relay->name)
        return text_equal(relay->name, name);
    snprintf(host_port, sizeof(host_port), "%s:%u", relay->host ?: "", relay->port);
    return text_equal(host_port, name) || text_equal(relay->host, name);
}

static int set_relays(Draft *draft, const Setting *setting, const Target *target, const char *value,
    const char *label)
{
    bool found = false;
    int r = 0;

    if (draft->config->n_relays == 0 && !target->relay)
        r = draft_add_relay(draft, override_origin);
    for (size_t i = 0; r == 0 && i < draft->config->n_relays; i++) {
        if (target->relay && !relay_matches(&draft->config->relays[i], target->relay))
            continue;
        found = true;
        r = draft_set(draft, setting, i, VALUE_UNTYPED, value, override_origin);
    }
    if (r == 0 && !found)
        return draft_mistake(draft, override_origin, label,
            "there is no relay \"%s\"; use a name that the configuration gives to one",
            target->relay);
    return r;
}

static int apply(Draft *draft, const char *name, const char *value, bool secrets_allowed)
{
    _cleanup_(target_done) Target target = {0};
    const Setting *setting;
    int r = parse_target(name, &target);

    if (r == -EINVAL)
        return draft_mistake(draft, override_origin, name,
            "unknown section; it takes spool.NAME, retry.NAME, daemon.NAME, relays.RELAY.NAME or "
            "the bare name");
    if (r < 0)
        return r;
    setting = setting_find(target.section, target.setting);
    if (!setting)
        return draft_unknown(draft, override_origin, target.section, name, target.setting);
    if (setting->type == SETTING_SECRET && !secrets_allowed)
        return draft_mistake(draft, override_origin, name,
            "a secret on the command line can be read by every user; use %s_file, %s_command or "
            "%s_credential",
            setting->name, setting->name, setting->name);
    if (setting->section == SECTION_RELAYS)
        return set_relays(draft, setting, &target, value, name);
    return draft_set(draft, setting, 0, VALUE_UNTYPED, value, override_origin);
}

int override_settings(Draft *draft, const char *const *overrides, bool secrets_allowed)
{
    int r = 0;

    for (; overrides && *overrides && r == 0; overrides++) {
        const char *equals = strchr(*overrides, '=');
        _cleanup_free_
        char *name = NULL;

        if (!equals || equals == *overrides) {
            r = draft_mistake(
                draft, override_origin, equals ? "=" : *overrides, "is not NAME=VALUE");
            continue;
        }
        name = strndup(*overrides, (size_t)(equals - *overrides));
        if (!name)
            return -ENOMEM;
        r = apply(draft, name, equals + 1, secrets_allowed);
    }
    return r;
}
