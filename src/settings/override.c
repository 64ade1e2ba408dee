/* --set NAME=VALUE. Must never quote the value of a secret. */
#include "settings/override.h"

#include <errno.h>
#include <string.h>

#include "base/conninfo.h"
#include "base/macros.h"
#include "settings/target.h"

/* Where a user would look for what is wrong with one. */
static Origin origin_of(const Draft *draft)
{
    return (Origin){.file = draft->is_program ? "setting" : "--set"};
}

static int set_relays(Draft *draft, const Setting *setting, const Target *target, const char *value,
    const char *label)
{
    bool found = false;
    int r = 0;

    if (draft->config->n_relays == 0 && !target->relay)
        r = draft_add_relay(draft, origin_of(draft));
    for (size_t i = 0; r == 0 && i < draft->config->n_relays; i++) {
        if (!target_selects(target, draft->config, i))
            continue;
        found = true;
        r = draft_set(draft, setting, target->setting, i, VALUE_UNTYPED, value, origin_of(draft));
    }
    if (r == 0 && !found)
        return draft_mistake(draft, origin_of(draft), label,
            "there is no relay \"%s\"; use a name that the configuration gives to one",
            target->relay);
    return r;
}

static int apply(Draft *draft, const char *name, const char *value)
{
    _cleanup_(target_done) Target target = {0};
    const Setting *setting;
    int r = target_parse(name, &target);

    if (r == -EINVAL)
        return draft_mistake(draft, origin_of(draft), name,
            "unknown section; it takes spool.NAME, retry.NAME, daemon.NAME, message.NAME, "
            "relays.RELAY.NAME or the bare name");
    if (r < 0)
        return r;
    setting = setting_find(target.section, target.setting);
    if (!setting)
        return draft_unknown(draft, origin_of(draft), target.section, name, target.setting, value);
    if (setting->type == SETTING_HEADERS && !draft->is_program)
        return draft_mistake(draft, origin_of(draft), name,
            "it may hold a login, and on the command line every user can read it; write it into "
            "the configuration file");
    if (setting->type == SETTING_SECRET && !draft->is_program)
        return draft_mistake(draft, origin_of(draft), name,
            "a secret on the command line can be read by every user; use %s_file, %s_command or "
            "%s_credential",
            setting->name, setting->name, setting->name);
    if (!draft_wants(draft, setting))
        return 0;
    if (setting->type == SETTING_CONNINFO && !draft->is_program && conninfo_has_secret(value))
        return draft_mistake(draft, origin_of(draft), name,
            "there is a password in it, and on the command line every user can read it; write it "
            "into a file that passfile=FILE names, or into the configuration file");
    if (section_needs_place(setting->section))
        return draft_mistake(draft, origin_of(draft), name,
            "a %s has its place among others; write %s into the configuration file",
            setting->section == SECTION_ROUTES ? "rule" : "lane", section_name(setting->section));
    if (setting->section == SECTION_RELAYS)
        return set_relays(draft, setting, &target, value, name);
    return draft_set(draft, setting, target.setting, 0, VALUE_UNTYPED, value, origin_of(draft));
}

int override_settings(Draft *draft, const char *const *overrides)
{
    int r = 0;

    for (; overrides && *overrides && r == 0; overrides++) {
        const char *equals = strchr(*overrides, '=');
        unsigned before = draft->n_mistakes;
        _cleanup_free_
        char *name = NULL;

        if (!equals || equals == *overrides) {
            r = draft_mistake(
                draft, origin_of(draft), equals ? "=" : *overrides, "is not NAME=VALUE");
            draft_note_wrong(draft, SECTION_ANY, 0);
            continue;
        }
        name = strndup(*overrides, (size_t)(equals - *overrides));
        if (!name)
            return -ENOMEM;
        r = apply(draft, name, equals + 1);
        if (draft->n_mistakes > before) /* what it was for may be set nowhere */
            draft_note_wrong(draft, SECTION_ANY, 0);
    }
    return r;
}
