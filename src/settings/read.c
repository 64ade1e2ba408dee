/* Walking what libconfig has parsed. Must never look at what a value means. */
#include "settings/read.h"

#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "settings/read_pickup.h"

static Origin origin_of(const Source *source, unsigned line)
{
    Origin origin = {0};
    const SourceFile *file = source_locate(source, line, &origin.line);

    origin.file = file->path;
    origin.st = &file->st;
    return origin;
}

static Origin setting_origin(const Source *source, const config_setting_t *setting)
{
    return origin_of(source, config_setting_source_line(setting));
}

/* A value as text. Returns `text` or what libconfig holds; NULL for a group or list. */
static const char *value_text(
    const config_setting_t *setting, ValueKind *ret_kind, char text[static VALUE_NUMBER_MAX])
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING: *ret_kind = VALUE_STRING; return config_setting_get_string(setting);
    case CONFIG_TYPE_BOOL:
        *ret_kind = VALUE_BOOL;
        return config_setting_get_bool(setting) ? "true" : "false";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        *ret_kind = VALUE_NUMBER;
        snprintf(text, VALUE_NUMBER_MAX, "%lld", config_setting_get_int64(setting));
        return text;
    case CONFIG_TYPE_FLOAT:
        *ret_kind = VALUE_NUMBER;
        return value_number_text(config_setting_get_float(setting), text);
    default: return NULL;
    }
}

/* What is wrong in a group is told of its line. */
static int read_directories(Draft *draft, const Source *source, const Setting *row, size_t relay,
    const config_setting_t *setting)
{
    const config_setting_t *where = setting;
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer text = {0};
    char label[DRAFT_LABEL_MAX], member[DRAFT_LABEL_MAX + 100];
    int r = read_pickup(setting, &text, &where, &f);

    if (r == 0)
        return draft_set(draft, row, config_setting_name(setting), relay, VALUE_STRING,
            buffer_data(&text), setting_origin(source, setting));
    if (r != -EINVAL)
        return r;
    draft_label(draft, row, relay, label);
    if (where != setting && config_setting_name(where))
        snprintf(member, sizeof(member), "%s.%.80s", label, config_setting_name(where));
    else
        snprintf(member, sizeof(member), "%s", label);
    return draft_mistake(draft, setting_origin(source, where), member, "%s", failure_text(&f));
}

/* A list of texts as words of one. 1 with it, which the caller frees; 0: it is none; or -ENOMEM. */
static int join_texts(const Setting *row, const config_setting_t *setting, char **ret)
{
    _cleanup_buffer_ Buffer words = {0};
    int r = 0;

    if (row->type != SETTING_WORDS ||
        !(config_setting_is_array(setting) || config_setting_is_list(setting)))
        return 0;
    for (unsigned i = 0; r == 0 && i < (unsigned)config_setting_length(setting); i++) {
        const char *word = config_setting_get_string_elem(setting, (int)i);

        if (!word)
            return 0;
        r = buffer_appendf(&words, "%s%s", i > 0 ? " " : "", word);
    }
    if (r == 0)
        r = buffer_append(&words, "", 1);
    *ret = r == 0 ? strdup(buffer_data(&words)) : NULL;
    return *ret ? 1 : -ENOMEM;
}

static int read_value(Draft *draft, const Source *source, const Setting *row, size_t relay,
    const config_setting_t *setting)
{
    Origin origin = setting_origin(source, setting);
    char number[VALUE_NUMBER_MAX], label[DRAFT_LABEL_MAX];
    _cleanup_free_
    char *words = NULL;
    ValueKind kind = VALUE_STRING;
    int r = join_texts(row, setting, &words);
    const char *text = r > 0 ? words : value_text(setting, &kind, number);

    if (r < 0)
        return r;
    if (!text && config_setting_type(setting) == CONFIG_TYPE_STRING)
        return -ENOMEM; /* libconfig does not look whether it could copy one */
    if (!text && row->type == SETTING_PICKUP)
        return read_directories(draft, source, row, relay, setting);
    if (text)
        return draft_set(draft, row, config_setting_name(setting), relay, kind, text, origin);
    return draft_is_spare(draft, row)
               ? 0
               : draft_mistake(draft, origin, draft_label(draft, row, relay, label),
                     "is a group or list; write one value");
}

static int read_members(Draft *draft, const Source *source, SettingSection section, size_t relay,
    config_setting_t *group)
{
    char label[DRAFT_LABEL_MAX], number[VALUE_NUMBER_MAX];
    ValueKind kind;
    int r = 0;

    for (unsigned i = 0; r == 0 && i < (unsigned)config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem(group, i);
        const char *name = config_setting_name(setting);
        const Setting *row = setting_find(section, name);

        if (row && !draft_wants(draft, row))
            continue;
        if (row) {
            r = read_value(draft, source, row, relay, setting);
            continue;
        }
        if (section == SECTION_RELAYS)
            draft_label(draft, NULL, relay, label);
        else if (section_needs_place(section))
            snprintf(label, sizeof(label), "%s.%zu", section_name(section), relay + 1);
        else
            snprintf(label, sizeof(label), "%s", section_name(section));
        snprintf(label + strlen(label), sizeof(label) - strlen(label), ".%.80s", name);
        r = draft_unknown(draft, setting_origin(source, setting), section, label, name,
            value_text(setting, &kind, number) ?: "");
    }
    return r;
}

static int read_group(Draft *draft, const Source *source, SettingSection section, size_t relay,
    config_setting_t *group)
{
    unsigned before = draft->n_mistakes;
    int r = read_members(draft, source, section, relay, group);

    if (draft->n_mistakes > before)
        draft_note_wrong(draft, section, relay);
    return r;
}

/* A section that is a list of groups. */
typedef struct GroupList {
    SettingSection section;
    const char *name, *example; /* of one group */
    int (*add)(Draft *draft, Origin origin);
} GroupList;

static const GroupList relay_list = {
    SECTION_RELAYS, "relays", "{ host = \"...\"; }", draft_add_relay};
static const GroupList route_list = {SECTION_ROUTES, "routes",
    "{ recipient = \"*.example.org\"; relays = [\"a\"]; }", draft_add_route};
static const GroupList lane_list = {
    SECTION_LANES, "lanes", "{ name = \"bulk\"; priority = -10; }", draft_add_lane};

static int read_member(Draft *draft, const Source *source, const GroupList *list, size_t place,
    config_setting_t *group)
{
    Origin origin = setting_origin(source, group);
    int r;

    if (!config_setting_is_group(group))
        return draft_mistake(draft, origin, list->name,
            "holds something that is not a group; write %s = ( %s );", list->name, list->example);
    r = list->add(draft, origin);
    return r < 0 ? r : read_group(draft, source, list->section, place, group);
}

static int read_list(
    Draft *draft, const Source *source, const GroupList *list, config_setting_t *setting)
{
    int r = 0;

    if (!config_setting_is_list(setting))
        return draft_mistake(draft, setting_origin(source, setting), list->name,
            "is not a list of groups; write %s = ( %s, { ... } );", list->name, list->example);
    for (unsigned i = 0; r == 0 && i < (unsigned)config_setting_length(setting); i++)
        r = read_member(draft, source, list, value_groups(draft->config, list->section),
            config_setting_get_elem(setting, i));
    return r;
}

/* A name at the top that is no section: perhaps a misspelt one, perhaps a setting out of place. */
static int unknown_section(Draft *draft, const config_setting_t *setting, Origin origin)
{
    const char *name = config_setting_name(setting);
    char number[VALUE_NUMBER_MAX];
    ValueKind kind;
    const Setting *meant = setting_find(SECTION_ANY, name) ?: setting_suggest(SECTION_ANY, name);

    for (SettingSection s = 0; s < SECTION_MAX; s++)
        if (text_distance(section_name(s), name) <= 2)
            return draft->only && s != draft->only->section
                       ? 0
                       : draft_mistake(draft, origin, name, "unknown section; did you mean \"%s\"?",
                             section_name(s));
    if (draft->only && (!meant || !draft_wants(draft, meant)))
        return 0;
    return draft_unknown(
        draft, origin, SECTION_MAX, name, name, value_text(setting, &kind, number) ?: "");
}

static int read_known_section(
    Draft *draft, const Source *source, SettingSection section, config_setting_t *setting)
{
    const char *name = config_setting_name(setting);
    Origin origin = setting_origin(source, setting);

    if (section == SECTION_RELAYS)
        return read_list(draft, source, &relay_list, setting);
    if (section == SECTION_ROUTES)
        return read_list(draft, source, &route_list, setting);
    if (section == SECTION_LANES)
        return read_list(draft, source, &lane_list, setting);
    if (!config_setting_is_group(setting))
        return draft_mistake(draft, origin, name, "is not a group; write %s = { ... };", name);
    return read_group(draft, source, section, 0, setting);
}

static int read_section(Draft *draft, const Source *source, config_setting_t *setting)
{
    SettingSection section = section_find(config_setting_name(setting));
    unsigned before = draft->n_mistakes;
    int r;

    if (draft->only && section != SECTION_ANY && section != draft->only->section)
        return 0;
    r = section == SECTION_ANY ? unknown_section(draft, setting, setting_origin(source, setting))
                               : read_known_section(draft, source, section, setting);
    if (draft->n_mistakes > before)
        draft_note_wrong(draft, section, SIZE_MAX); /* of a list: not in one place of it */
    return r;
}

/* libconfig's words for what it found, with what is right. */
static int syntax_mistake(Draft *draft, const Source *source, const config_t *parsed)
{
    const char *what = config_error_text(parsed) ?: "syntax error";
    Origin origin = origin_of(source, (unsigned)MAX(config_error_line(parsed), 1));

    if (strstr(what, "duplicate"))
        return draft_mistake(
            draft, origin, "syntax", "a name occurs twice in one group; leave one of the two out");
    return draft_mistake(draft, origin, "syntax",
        "%s on this line or just before it; a setting is NAME = VALUE; with text in double "
        "quotes, a group { ... }, a list ( ..., ... ), a comment begins with #",
        what);
}

/* What libconfig can make of the text. 1, or 0 after noting what is wrong in it (`noted` false:
 * after nothing), or -ENOMEM. */
static int read_text(Draft *draft, const Source *source, const char *text, bool noted)
{
    config_t parsed;
    int r = 1;

    config_init(&parsed);
    if (!config_read_string(&parsed, text)) {
        r = noted ? syntax_mistake(draft, source, &parsed) : 0;
    } else {
        config_setting_t *root = config_root_setting(&parsed);

        for (unsigned i = 0; r > 0 && i < (unsigned)config_setting_length(root); i++)
            r = read_section(draft, source, config_setting_get_elem(root, i)) < 0 ? -ENOMEM : 1;
    }
    config_destroy(&parsed);
    return r;
}

int read_settings(Draft *draft, const Source *source)
{
    _cleanup_free_
    char *alone = NULL;
    int r;

    r = read_text(draft, source, buffer_data(&source->text), !draft->only);
    if (r != 0 || !draft->only)
        return r;
    /* The mistake may be elsewhere. */
    alone = source_cut_group(source, section_name(draft->only->section));
    if (!alone)
        return -ENOMEM;
    return read_text(draft, source, alone, true);
}
