/* Reading options. Must never print getopt's own words: what is wrong is said with an error number,
 * and with what may have been meant. */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tool/command.h"

#define OPTIONS_MAX 64 /* of all tables of a command */

/* ---- as getopt has them ---- */

/* What getopt_long() wants to know. */
typedef struct Lists {
    struct option longs[OPTIONS_MAX + 1];
    char shorts[2 * OPTIONS_MAX + 4];
    size_t n_longs, n_shorts;
} Lists;

static void list_letter(Lists *lists, const ToolOption *option)
{
    if (option->value > TOOL_LETTER_MAX)
        return;
    lists->shorts[lists->n_shorts++] = (char)option->value;
    if (option->argument)
        lists->shorts[lists->n_shorts++] = ':';
}

static void list_options(Lists *lists, const ToolOption *option)
{
    for (; option && option->help; option++) {
        if (!option->name)
            continue;
        assert(lists->n_longs < OPTIONS_MAX);
        lists->longs[lists->n_longs++] = (struct option){.name = option->name,
            .has_arg = option->argument ? required_argument : no_argument,
            .val = option->value};
        list_letter(lists, option);
    }
}

const ToolOption tool_option_about[] = {
    {"help", 'h', NULL, "print this"},
    {"version", 'V', NULL, "print version and licence"},
    {0},
};

/* `start`: how getopt is to go about it, before the letters. */
static void make_lists(
    Lists *lists, const char *start, const ToolOption *options, const ToolOption *shared)
{
    *lists = (Lists){.n_shorts = strlen(start)};
    memcpy(lists->shorts, start, lists->n_shorts);
    list_options(lists, options);
    list_options(lists, tool_option_about);
    list_options(lists, shared);
}

static bool is_named(const ToolOption *option, const char *name)
{
    for (; option->help; option++)
        if (option->name && strcmp(option->name, name) == 0)
            return true;
    return false;
}

/* Says what is wrong with `--NAME...`: getopt does not tell. */
static void explain_long(const Command *command, const char *argument, const struct option *options)
{
    size_t n = strcspn(argument + 2, "="), matches = 0, distance = 3;
    _cleanup_free_
    char *name = strndup(argument + 2, n);
    const char *near = NULL;

    for (; name && options->name; options++) {
        size_t d = text_distance(name, options->name);

        matches += strncmp(name, options->name, n) == 0;
        if (d < distance)
            near = options->name, distance = d;
    }
    if (matches == 1 || distance == 0)
        (void)tool_usage(command, "--%s takes no value", name);
    else if (matches > 1)
        (void)tool_usage(command, "--%s may be one of several options; write it out", name);
    else if (command && name && is_named(tool_options, name))
        (void)tool_usage(command, "--%s stands before the command", name);
    else
        (void)tool_usage(command, "there is no option --%s%s%s%s", name ?: "",
            near ? "; did you mean --" : "", near ?: "", near ? "?" : "");
}

/* A variable of a script that was not set is no file, no number and no text to look for. */
static bool may_be_empty(const ToolOption *option, int value)
{
    for (; option && option->help; option++)
        if (option->name && option->value == value)
            return option->may_be_empty;
    return false;
}

static int next_option(const Command *command, const Lists *lists, int argc, char **argv)
{
    int c;

    opterr = 0;
    c = getopt_long(argc, argv, lists->shorts, lists->longs, NULL);
    if (c != ':' && c != '?')
        return c;
    if (c == ':')
        (void)tool_usage(command, "%s wants a value", argv[optind - 1]);
    /* Of a long option optopt is 0 or the option's own value. */
    else if (optopt > 0 && optopt <= TOOL_LETTER_MAX && !strchr(lists->shorts, optopt))
        (void)tool_usage(command, "there is no option -%c", optopt);
    else
        explain_long(command, argv[optind - 1], lists->longs);
    return '?';
}

static int refuse_empty(const Command *command, const Lists *lists, int value)
{
    size_t i = 0;

    while (i < lists->n_longs - 1 && lists->longs[i].val != value)
        i++;
    (void)tool_usage(command, "--%s wants a value, and it is empty", lists->longs[i].name);
    return '?';
}

int tool_getopt(const Command *command, int argc, char **argv)
{
    Lists lists;
    int c;

    make_lists(&lists, ":", command->options, command->shared);
    c = next_option(command, &lists, argc, argv);
    if (c < 0 || c == '?' || !optarg || *optarg || may_be_empty(command->options, c) ||
        may_be_empty(command->shared, c))
        return c;
    return refuse_empty(command, &lists, c);
}

const ToolOption *tool_option_find(const ToolOption *options, int value)
{
    for (; options->help; options++)
        if (options->name && options->value == value)
            return options;
    return NULL;
}

/* ---- before the command ---- */

enum { OPTION_CONFIG = TOOL_LETTER_MAX + 1, OPTION_SET, OPTION_COLOR, OPTION_USER };

const ToolOption tool_options[] = {
    {"config", OPTION_CONFIG, "FILE", "read this instead of " SYSCONFDIR "/outbox/outbox.conf"},
    {"set", OPTION_SET, "NAME=VALUE", "overrule a setting; repeatable"},
    {"color", OPTION_COLOR, "auto|never|always", "in colour; auto (the default): on a terminal"},
    {"user", OPTION_USER, "UID", "as if nobody else had queued anything"},
    {0},
};

static int take_color(const char *value, Tool *tool)
{
    if (color_parse(value, &tool->color) == 0)
        return 0;
    return tool_usage(NULL, "--color %s: it can be auto, never or always", value);
}

/* A number alone: names cost a look that may take long. */
static int take_user(const char *value, Tool *tool)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);

    if (*value < '0' || *value > '9' || *end || n >= (uid_t)-1)
        return tool_usage(NULL, "--user %s: the number of a user is wanted", value);
    tool->has_user = true;
    tool->user = (uid_t)n;
    return 0;
}

int tool_read_options(Tool *tool, int argc, char **argv)
{
    size_t n_overrides = 0;
    Lists lists;
    int c;

    *tool =
        (Tool){.argc = argc, .argv = argv, .overrides = calloc((size_t)argc + 1, sizeof(char *))};
    if (!tool->overrides)
        return -ENOMEM;
    make_lists(&lists, "+:", tool_options, NULL); /* those behind the command are the command's */
    optind = 0;
    while ((c = next_option(NULL, &lists, argc, argv)) >= 0)
        switch (c != '?' && optarg && !*optarg ? refuse_empty(NULL, &lists, c) : c) {
        case OPTION_CONFIG: tool->config_path = optarg; break;
        case OPTION_SET: tool->overrides[n_overrides++] = optarg; break;
        case OPTION_COLOR:
            if (take_color(optarg, tool) != 0)
                return TOOL_WRONG;
            break;
        case OPTION_USER:
            if (take_user(optarg, tool) != 0)
                return TOOL_WRONG;
            break;
        case 'V': return TOOL_VERSION;
        case 'h': return TOOL_HELP;
        default: return TOOL_WRONG;
        }
    return optind < argc ? TOOL_COMMAND : TOOL_NO_COMMAND;
}

void tool_done(Tool *tool)
{
    free(tool->overrides);
}
