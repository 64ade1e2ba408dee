/* Keeping the Config that is being made together with its origins and mistakes. Must never stop at
 * a mistake of the user's. */
#include "settings/draft.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "settings/component.h"

#define MISTAKES_MAX 50
#define NOTICES_MAX 4096 /* bytes */

static int set_defaults(Config *config, SettingSection section, size_t relay)
{
    size_t n;
    const Setting *rows = settings_table(&n);

    for (size_t i = 0; i < n; i++) {
        int r;

        if (rows[i].section != section || !rows[i].default_text)
            continue;
        r = value_parse(&rows[i], VALUE_UNTYPED, rows[i].default_text, NULL,
            value_group(config, section, relay), NULL);
        if (r < 0)
            return r;
    }
    return 0;
}

int draft_init(Draft *draft)
{
    int r = 0;

    *draft = (Draft){.config = calloc(1, sizeof(Config))};
    if (!draft->config)
        return -ENOMEM;
    draft->config->references = 1;
    for (SettingSection s = 0; s < SECTION_MAX && r == 0; s++)
        if (!section_is_list(s))
            r = set_defaults(draft->config, s, 0);
    return r;
}

void draft_done(Draft *draft)
{
    (void)config_unref(draft->config);
    free(draft->relays);
    free(draft->routes);
    free(draft->lanes);
    buffer_done(&draft->mistakes);
    buffer_done(&draft->notices);
    *draft = (Draft){0};
}

int draft_add_relay(Draft *draft, Origin group)
{
    Config *config = draft->config;
    size_t n = config->n_relays;
    DraftRelay *origins = reallocarray(draft->relays, n + 1, sizeof(*origins));
    RelayConfig **relays;

    if (!origins)
        return -ENOMEM;
    draft->relays = origins;
    relays = reallocarray(config->relays, n + 1, sizeof(*relays));
    if (!relays)
        return -ENOMEM;
    config->relays = relays;
    relays[n] = relay_config_new();
    if (!relays[n])
        return -ENOMEM;
    origins[n] = (DraftRelay){.group = group};
    config->n_relays++;
    return set_defaults(config, SECTION_RELAYS, n);
}

/* Room for one more, and for its group. */
static int grow(DraftPlace **places, void ***groups, size_t n, size_t bytes, Origin origin)
{
    DraftPlace *origins = reallocarray(*places, n + 1, sizeof(*origins));
    void **grown;

    if (!origins)
        return -ENOMEM;
    *places = origins;
    origins[n] = (DraftPlace){.group = origin};
    grown = reallocarray(*groups, n + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    *groups = grown;
    grown[n] = calloc(1, bytes);
    return grown[n] ? 0 : -ENOMEM;
}

int draft_add_route(Draft *draft, Origin group)
{
    Config *config = draft->config;
    int r = grow(
        &draft->routes, (void ***)&config->routes, config->n_routes, sizeof(RouteConfig), group);

    config->n_routes += r == 0;
    return r;
}

int draft_add_lane(Draft *draft, Origin group)
{
    Config *config = draft->config;
    int r =
        grow(&draft->lanes, (void ***)&config->lanes, config->n_lanes, sizeof(LaneConfig), group);

    if (r < 0)
        return r;
    return set_defaults(config, SECTION_LANES, config->n_lanes++);
}

static DraftPlace *place_of(const Draft *draft, SettingSection section, size_t place)
{
    return section == SECTION_ROUTES ? &draft->routes[place] : &draft->lanes[place];
}

static bool *wrong_at(const Draft *draft, SettingSection section, size_t place)
{
    if (!section_is_list(section) || place >= value_groups(draft->config, section))
        return NULL;
    return section == SECTION_RELAYS ? &draft->relays[place].wrong
                                     : &place_of(draft, section, place)->wrong;
}

void draft_note_wrong(Draft *draft, SettingSection section, size_t place)
{
    bool *wrong = wrong_at(draft, section, place);

    draft->wrong[section] = true;
    if (wrong)
        *wrong = true;
}

bool draft_is_wrong_at(const Draft *draft, SettingSection section, size_t place)
{
    const bool *wrong = wrong_at(draft, section, place);

    return draft->wrong[SECTION_ANY] || (wrong ? *wrong : draft->wrong[section]);
}

bool draft_is_wrong(const Draft *draft, SettingSection section)
{
    return draft->wrong[SECTION_ANY] || draft->wrong[section];
}

static size_t first_of(SettingSection section)
{
    size_t n, first = 0;
    const Setting *rows = settings_table(&n);

    while (first < n && rows[first].section != section)
        first++;
    return first;
}

static Origin *origin_of(const Draft *draft, const Setting *setting, size_t relay)
{
    size_t index = setting_index(setting);

    if (section_needs_place(setting->section))
        return &place_of(draft, setting->section, relay)
                    ->settings[index - first_of(setting->section)];
    return setting->section == SECTION_RELAYS ? &draft->relays[relay].settings[index]
                                              : (Origin *)&draft->settings[index];
}

const Origin *draft_origin(const Draft *draft, const Setting *setting, size_t relay)
{
    return origin_of(draft, setting, relay);
}

bool draft_is_spare(const Draft *draft, const Setting *setting)
{
    return setting == draft->beside || setting == draft->aside;
}

bool draft_wants(const Draft *draft, const Setting *setting)
{
    if (draft->only_section)
        return setting->section == draft->only->section;
    return !draft->only || setting == draft->only || draft_is_spare(draft, setting);
}

int draft_set(Draft *draft, const Setting *setting, const char *name, size_t relay, ValueKind kind,
    const char *text, Origin origin)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *own = NULL;
    Origin *former = origin_of(draft, setting, relay);
    const char *directory = origin.line > 0 ? draft->directory : NULL;
    void *group = value_group(draft->config, setting->section, relay);
    int r;

    origin.alias = component_alias(setting, name);
    if (former->line > 0 && origin.line > 0 && !component_adds_up(former->alias, origin.alias))
        return draft_mistake_in(draft, setting, relay,
            "is set a second time in line %u; leave one of the two out", origin.line);
    *former = origin;
    if (draft->n_mistakes > MISTAKES_MAX) {
        draft_note_wrong(draft, setting->section, relay);
        return 0; /* nobody hears of more, and what was meant is dear to find */
    }
    r = component_value(setting, name, group, &kind, text, &own, &f);
    if (r == 0)
        r = value_parse(setting, kind, own ?: text, directory, group, &f);
    if (r != -EINVAL)
        return r;
    draft_note_wrong(draft, setting->section, relay);
    r = draft_mistake_in(draft, setting, relay, "%s", failure_text(&f));
    draft->number = f.number ?: ERROR_CONFIGURATION;
    return r;
}

int draft_number(const Draft *draft)
{
    return draft->n_mistakes == 1 ? draft->number : ERROR_CONFIGURATION;
}

char *draft_label(
    const Draft *draft, const Setting *setting, size_t relay, char label[static DRAFT_LABEL_MAX])
{
    char number[24];
    const char *name = number;
    const RelayConfig *config;

    if (setting && section_needs_place(setting->section)) {
        snprintf(label, DRAFT_LABEL_MAX, "%s.%zu.%s", section_name(setting->section), relay + 1,
            setting->name);
        return label;
    }
    if (setting && setting->section != SECTION_RELAYS) {
        snprintf(label, DRAFT_LABEL_MAX, "%s.%s", section_name(setting->section), setting->name);
        return label;
    }
    config = draft->config->relays[relay];
    snprintf(number, sizeof(number), "%zu", relay + 1);
    if (config->name || config->host)
        name = config->name ?: config->host;
    snprintf(label, DRAFT_LABEL_MAX, "relays.%.150s%s%s", name, setting ? "." : "",
        setting ? setting->name : "");
    return label;
}

/* Begins a line: where what follows was found. */
static int add_place(Buffer *out, Origin origin, const char *label)
{
    int r = buffer_size(out) > 0 ? buffer_append_string(out, "\n") : 0;

    if (r == 0 && origin.line > 0)
        return buffer_appendf(out, "%s:%u: %s: ", origin.file, origin.line, label);
    return r ?: buffer_appendf(out, "%s %s: ", origin.file ?: "configuration:", label);
}

_printf_(4, 0) static int add_mistake(
    Draft *draft, Origin origin, const char *label, const char *format, va_list arguments)
{
    Buffer *out = &draft->mistakes;
    int r;

    draft->number = ERROR_CONFIGURATION;
    if (++draft->n_mistakes > MISTAKES_MAX)
        return 0;
    r = add_place(out, origin, label);
    if (r == 0)
        r = buffer_appendv(out, format, arguments);
    if (r == 0 && draft->n_mistakes == MISTAKES_MAX)
        r = buffer_append_string(out, "\nand there may be more; mend these first");
    return r;
}

int draft_mistake(Draft *draft, Origin origin, const char *label, const char *format, ...)
{
    va_list arguments;
    int r;

    va_start(arguments, format);
    r = add_mistake(draft, origin, label, format, arguments);
    va_end(arguments);
    return r;
}

int draft_mistake_in(Draft *draft, const Setting *setting, size_t relay, const char *format, ...)
{
    Origin origin = *draft_origin(draft, setting, relay);
    char label[DRAFT_LABEL_MAX];
    va_list arguments;
    int r;

    if (draft_is_spare(draft, setting))
        return 0;
    if (!origin.file && setting->section == SECTION_RELAYS)
        origin = draft->relays[relay].group;
    if (!origin.file && section_needs_place(setting->section))
        origin = place_of(draft, setting->section, relay)->group;
    va_start(arguments, format);
    r = add_mistake(draft, origin, draft_label(draft, setting, relay, label), format, arguments);
    va_end(arguments);
    return r;
}

static int add_notice(Draft *draft, Origin origin, const char *label, const char *notice)
{
    if (draft->only || buffer_size(&draft->notices) >= NOTICES_MAX)
        return 0;
    return add_place(&draft->notices, origin, label)
               ?: buffer_append_string(&draft->notices, notice);
}

int draft_notice_in(Draft *draft, const Setting *setting, size_t relay, const char *notice)
{
    char label[DRAFT_LABEL_MAX];

    return add_notice(draft, *draft_origin(draft, setting, relay),
        draft_label(draft, setting, relay, label), notice);
}

/* 1 when the name is one of the component's that changes nothing, 0 when not, or -ENOMEM. */
static int take_notice(
    Draft *draft, Origin origin, const char *label, const char *name, const char *text)
{
    const char *wrong, *notice = component_notice(name, text, &wrong);
    int r;

    if (!notice)
        return 0;
    r = wrong ? draft_mistake(draft, origin, label, "%s", wrong) : 0;
    if (r == 0 && !wrong)
        r = add_notice(draft, origin, label, notice);
    return r < 0 ? r : 1;
}

int draft_unknown(Draft *draft, Origin origin, SettingSection section, const char *label,
    const char *name, const char *text)
{
    const char *reason = setting_unavailable(name);
    const Setting *elsewhere = setting_find(SECTION_ANY, name);
    const Setting *meant = setting_suggest(section, name);
    int r = take_notice(draft, origin, label, name, text);

    if (r != 0)
        return MIN(r, 0);
    if (elsewhere)
        return draft_mistake(draft, origin, label, "is a setting of %s; write it there",
            section_name(elsewhere->section));
    if (reason)
        return draft_mistake(draft, origin, label, "%s", reason);
    if (!meant)
        meant = setting_suggest(SECTION_ANY, name);
    if (!meant)
        return draft_mistake(
            draft, origin, label, "unknown setting; `outbox config --explain` lists all there are");
    return draft_mistake(draft, origin, label, "unknown setting; did you mean \"%s\"%s%s?",
        meant->name, meant->section == section || section == SECTION_ANY ? "" : " of ",
        meant->section == section || section == SECTION_ANY ? "" : section_name(meant->section));
}
