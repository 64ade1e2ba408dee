/* outbox complete: what can stand at a place of a command line, for the completion of shells. Must
 * never say anything but candidates: whoever pressed Tab did not ask for anything to be done. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "settings/load.h"
#include "settings/table.h"
#include "tool/command.h"
#include "tool/setup_provider.h"
#include "tool/store.h"

/* What a shell completes by itself. No id has a slash in it. */
#define FILES ":files/"
#define DIRECTORIES ":directories/"
#define USERS ":users/"

/* The command line up to the place. */
typedef struct Line {
    const Tool *tool;  /* what stands before the command on the line to be completed */
    char **words;      /* [0] is the tool */
    int at;            /* the word to be completed */
    const char *word;  /* as far as it is written; behind "--option=" the value */
    const char *front; /* that, in front of each candidate; else empty */
    int front_bytes;
    const Command *command; /* NULL: none stands before it */
} Line;

/* What no shell runs, expands or takes apart, wherever it stands on a line, and no command takes
 * for an option: shells differ in how they quote what is completed, and bash does not quote `$` and
 * a backtick. */
static bool is_word(const char *text)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "_.@+:-=%,";

    return !strchr("-=%,", *text) && text[strspn(text, safe)] == '\0';
}

static void offer(const Line *line, const char *candidate)
{
    if (strncmp(candidate, line->word, strlen(line->word)) == 0)
        printf("%.*s%s\n", line->front_bytes, line->front, candidate);
}

/* One that others may have made: anybody who queues names a file as he likes. */
static void offer_name(const Line *line, const char *front, const char *name)
{
    char text[SPOOL_NAME_MAX + 64];

    if (!is_word(name))
        return;
    snprintf(text, sizeof(text), "%s%s", front, name);
    offer(line, text);
}

/* "a|b" */
static void offer_choices(const Line *line, const char *choices)
{
    for (const char *end; *choices; choices = *end ? end + 1 : end) {
        _cleanup_free_
        char *choice = NULL;

        end = choices + strcspn(choices, "|");
        choice = strndup(choices, (size_t)(end - choices));
        if (choice)
            offer(line, choice);
    }
}

/* ---- options ---- */

static void offer_options(const Line *line, const ToolOption *option)
{
    char text[64];

    for (; option && option->help; option++)
        if (option->name) {
            snprintf(text, sizeof(text), "--%s", option->name);
            offer(line, text);
        }
}

static const ToolOption *find_option(const ToolOption *option, const char *word)
{
    for (; option && option->help; option++)
        if (option->name && ((word[1] == '-' && strcmp(word + 2, option->name) == 0) ||
                                (word[1] == option->value && word[1] && !word[2])))
            return option;
    return NULL;
}

/* That this word wants a value for; NULL: none. */
static const ToolOption *find_wanting(const Line *line, const char *word)
{
    const ToolOption *option;

    if (word[0] != '-')
        return NULL;
    if (!line->command)
        option = find_option(tool_options, word);
    else
        option =
            find_option(line->command->options, word) ?: find_option(line->command->shared, word);
    return option && option->argument ? option : NULL;
}

/* The option of which the value is to be completed, behind "--option=" or as a word of its own;
 * NULL: none. */
static const ToolOption *find_waiting(Line *line)
{
    const char *equals = strchr(line->word, '=');
    char name[64];

    if (line->word[0] != '-' || line->word[1] != '-' || !equals)
        return line->at < 2 ? NULL : find_wanting(line, line->words[line->at - 1]);
    snprintf(name, sizeof(name), "%.*s", (int)(equals - line->word), line->word);
    line->front = line->word;
    line->front_bytes = (int)(equals + 1 - line->word);
    line->word = equals + 1;
    return find_wanting(line, name);
}

/* The value that the line gives to that option at word `*at`, which becomes its last one; NULL: it
 * is another word. */
static const char *value_at(const Line *line, int *at, const char *name, const char *letter)
{
    const char *word = line->words[*at];
    size_t n = strlen(name);

    if (strncmp(word, name, n) == 0 && word[n] == '=')
        return word + n + 1;
    if (letter && strncmp(word, letter, 2) == 0 && word[2])
        return word + 2;
    if ((strcmp(word, name) != 0 && (!letter || strcmp(word, letter) != 0)) || *at + 1 >= line->at)
        return NULL;
    return line->words[++*at];
}

/* ---- settings ---- */

/* "NAME" with `end` behind it. */
static void offer_settings(const Line *line, const char *end)
{
    char text[128];
    size_t n;
    const Setting *rows = settings_table(&n);

    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof(text), "%s.%s%s", section_name(rows[i].section), rows[i].name, end);
        offer(line, text);
        snprintf(text, sizeof(text), "%s%s", rows[i].name, end);
        if (*line->word)
            offer(line, text);
    }
}

/* The names of a choice but the component's, with `front` before each. */
static void offer_values(const Line *line, const Setting *setting, const char *front)
{
    const SettingChoice *choice = setting->choices;
    char text[256];

    for (; choice && choice->names; choice++) {
        snprintf(
            text, sizeof(text), "%s%.*s", front, (int)strcspn(choice->names, "|"), choice->names);
        if (!choice->refusal)
            offer(line, text);
    }
    for (size_t i = 0; setting->type == SETTING_BOOL && i < 2; i++) {
        snprintf(text, sizeof(text), "%s%s", front, i == 0 ? "true" : "false");
        offer(line, text);
    }
}

/* "NAME=VALUE", of which the name may be one by any of its names. */
static void offer_override(const Line *line)
{
    const char *value = strchr(line->word, '='), *dot;
    char name[128], front[128];

    if (!value) {
        offer_settings(line, "=");
        return;
    }
    snprintf(front, sizeof(front), "%.*s=", (int)(value - line->word), line->word);
    snprintf(name, sizeof(name), "%.*s", (int)(value - line->word), line->word);
    dot = strrchr(name, '.');
    if (setting_find(SECTION_ANY, dot ? dot + 1 : name))
        offer_values(line, setting_find(SECTION_ANY, dot ? dot + 1 : name), front);
}

/* ---- what is there ---- */

static void offer_states(const Line *line)
{
    for (SpoolState s = 0; s < SPOOL_STATE_MAX; s++)
        offer(line, spool_state_name(s));
}

static bool takes_state(const char *command, SpoolState state)
{
    static const struct {
        const char *command;
        unsigned states;
    } rows[] = {
        {"retry", 1u << SPOOL_DEFERRED | 1u << SPOOL_FAILED},
        {"hold", 1u << SPOOL_QUEUED | 1u << SPOOL_DEFERRED},
        {"release", 1u << SPOOL_HELD},
        {"delete", ~0u},
        {"move", ~(1u << SPOOL_SENDING | 1u << SPOOL_SENT)},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        if (strcmp(rows[i].command, command) == 0)
            return rows[i].states & 1u << state;
    return true;
}

/* The last value of that option, or NULL. */
static const char *value_of(const Line *line, const char *name, const char *letter)
{
    const char *last = NULL;

    for (int i = 1; i < line->at; i++) {
        const char *value = value_at(line, &i, name, letter);

        if (value)
            last = value;
    }
    return last;
}

/* What `outbox move` takes from: a directory for a database, and the other way round. */
static int open_origin(const Line *line, const char *directory, const char *to, Store **ret)
{
    bool to_directory = *to == '/' || *to == '.' || strcmp(to, "directory") == 0;
    int r;

    if (!to_directory)
        return store_open_directory_quietly(line->tool, directory, ret);
    r = store_open_quietly(line->tool, NULL, ret);
    if (r < 0 || !(*ret)->spool)
        return r;
    store_free(*ret);
    *ret = NULL;
    return -ENOENT;
}

/* The queue that the line names, or the configured one. */
static int open_queue(const Line *line, Store **ret)
{
    const char *directory = value_of(line, "--directory", "-d");
    const char *to = strcmp(line->command->name, "move") == 0 ? value_of(line, "--to", "-t") : NULL;

    return to ? open_origin(line, directory, to, ret)
              : store_open_quietly(line->tool, directory, ret);
}

typedef struct OfferedIds {
    const Line *line;
    Store *store;
} OfferedIds;

/* Two messages may share an id. */
static bool is_offered(const OfferedIds *o, const Inspection *i)
{
    struct stat st;

    for (SpoolState s = 0; o->store->spool && s < i->state; s++)
        if (takes_state(o->line->command->name, s) &&
            spool_look_at(o->store->spool, i->id, s, &st) >= 0)
            return true;
    return false;
}

static int offer_id(void *user, Inspection *i, _unused_ Failure *f)
{
    const OfferedIds *o = user;

    if (takes_state(o->line->command->name, i->state) && !is_offered(o, i))
        offer_name(o->line, "", i->id);
    return 0;
}

static void offer_ids(const Line *line)
{
    static const StoreQuery all = {.names_only = true};
    _cleanup_(store_free_p) Store *store = NULL;
    _cleanup_failure_ Failure f = {0};

    if (open_queue(line, &store) == 0)
        (void)store->ops->look(
            store, &all, offer_id, &(OfferedIds){.line = line, .store = store}, &f);
}

/* Their names, with `front` before each. */
static void offer_relays(const Line *line, const char *front)
{
    _cleanup_config_ Config *config = NULL;

    if (config_load(line->tool->config_path, line->tool->overrides, &config, NULL) < 0)
        return;
    for (size_t i = 0; i < config->n_relays; i++)
        offer_name(line, front, config->relays[i]->name);
}

static void offer_providers(const Line *line)
{
    const SetupProvider *one;

    for (unsigned i = 0; (one = setup_provider_at(i)); i++)
        offer(line, one->name);
}

/* ---- the place ---- */

/* Of `outbox move`. */
static void offer_places(const Line *line)
{
    if (*line->word == '/' || *line->word == '.')
        puts(DIRECTORIES);
    else
        offer_choices(line, "database|directory");
}

static void offer_value(const Line *line, const ToolOption *option)
{
    const char *argument = option->argument;

    if (strcmp(argument, "FILE") == 0)
        puts(FILES);
    else if (strcmp(argument, "DIR") == 0)
        puts(DIRECTORIES);
    else if (strcmp(argument, "USER") == 0)
        puts(USERS);
    else if (strcmp(argument, "PLACE") == 0)
        offer_places(line);
    else if (strcmp(argument, "STATE") == 0)
        offer_states(line);
    else if (strcmp(argument, "KEY") == 0)
        offer_choices(line, "id|age|size|tries|next|sender|state");
    else if (strcmp(argument, "PROVIDER") == 0)
        offer_providers(line);
    else if (strcmp(argument, "NAME=VALUE") == 0)
        offer_override(line);
    else if (strcmp(option->name, "relay") == 0 && strcmp(argument, "NAME") == 0)
        offer_relays(line, "");
    else if (strchr(argument, '|'))
        offer_choices(line, argument);
}

static void offer_argument(const Line *line)
{
    const char *name = line->command->name;

    if (strcmp(name, "list") == 0)
        offer_states(line);
    else if (strcmp(name, "queue") == 0)
        puts(FILES);
    else if (strcmp(name, "process") == 0)
        puts(DIRECTORIES);
    else if (strcmp(name, "check") == 0 || strcmp(name, "authorize") == 0)
        offer_relays(line, "");
    else if (strcmp(name, "database") == 0)
        offer_choices(line, "init|upgrade|check|grant|producer|daemon|operator");
    else if (strcmp(name, "config") == 0) {
        offer_settings(line, "");
        offer_relays(line, "relays.");
    } else if (strstr(line->command->synopsis, "ID"))
        offer_ids(line);
}

static void offer_commands(const Line *line)
{
    const Command *command;
    const char *summary;

    for (size_t i = 0; (command = tool_command_at(i, &summary)); i++)
        offer(line, command->name);
    offer(line, "help");
}

static void complete(Line *line)
{
    const ToolOption *waiting = find_waiting(line);

    if (waiting) {
        offer_value(line, waiting);
    } else if (line->front_bytes > 0) {
        return; /* no option that takes a value */
    } else if (line->word[0] == '-') {
        offer_options(line, line->command ? line->command->options : tool_options);
        offer_options(line, line->command ? line->command->shared : NULL);
        offer_options(line, tool_option_about);
    } else if (line->command) {
        offer_argument(line);
    } else {
        offer_commands(line);
    }
}

/* The place of the command before the one to be completed; 0: none. What stands in front of it is
 * taken as the line has it. */
static int read_front(Line *line, Tool *front)
{
    size_t n = 0;

    for (int i = 1; i < line->at; i++) {
        const char *value = value_at(line, &i, "--config", NULL);

        if (value)
            front->config_path = value;
        else if ((value = value_at(line, &i, "--set", NULL)))
            front->overrides[n++] = value;
        else if (!value_at(line, &i, "--color", NULL) && line->words[i][0] != '-')
            return i;
    }
    return 0;
}

int run_complete(_unused_ const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_(tool_done) Tool front = {0};
    Line line = {.tool = &front, .front = ""};
    int place;

    if (tool_getopt(command, argc, argv) >= 0)
        return EX_USAGE;
    if (argc - optind < 2)
        return tool_usage(command,
            "the words of a command line are wanted, and the last of them is "
            "the one to be completed");
    line.words = argv + optind;
    line.at = argc - optind - 1;
    line.word = line.words[line.at];
    front.overrides = calloc((size_t)argc + 1, sizeof(char *));
    if (!front.overrides)
        return tool_fail_memory();
    place = read_front(&line, &front);
    line.command = place > 0 ? tool_command_named(line.words[place]) : NULL;
    if (place == 0 || line.command)
        complete(&line);
    else if (strcmp(line.words[place], "help") == 0)
        offer_commands(&line);
    return EX_OK;
}
