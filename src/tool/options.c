/* Reading options. Must never print getopt's own words: what is wrong is said with an error number,
 * and with what may have been meant. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "tool/command.h"

#define LETTER_MAX 255

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
    else
        (void)tool_usage(command, "there is no option --%s%s%s%s", name ?: "",
            near ? "; did you mean --" : "", near ?: "", near ? "?" : "");
}

int tool_getopt(const Command *command, int argc, char **argv, const char *short_options,
    const struct option *options)
{
    int c;

    opterr = 0;
    c = getopt_long(argc, argv, short_options, options, NULL);
    if (c == ':') {
        (void)tool_usage(command, "%s wants a value", argv[optind - 1]);
        return '?';
    }
    if (c != '?')
        return c;
    /* Of a long option optopt is 0 or the option's own value. */
    if (optopt > 0 && optopt <= LETTER_MAX && !strchr(short_options, optopt))
        (void)tool_usage(command, "there is no option -%c", optopt);
    else
        explain_long(command, argv[optind - 1], options);
    return '?';
}

enum { OPTION_CONFIG = LETTER_MAX + 1, OPTION_SET, OPTION_VERSION };

static const struct option tool_options[] = {{"config", required_argument, NULL, OPTION_CONFIG},
    {"set", required_argument, NULL, OPTION_SET}, {"version", no_argument, NULL, OPTION_VERSION},
    TOOL_OPTION_HELP, {0}};

/* "+": options behind the command are the command's. */
#define SHORT_OPTIONS "+:h"

static int next_option(int argc, char **argv, bool quiet)
{
    if (!quiet)
        return tool_getopt(NULL, argc, argv, SHORT_OPTIONS, tool_options);
    opterr = 0;
    return getopt_long(argc, argv, SHORT_OPTIONS, tool_options, NULL);
}

int tool_read_options(Tool *tool, int argc, char **argv, bool quiet)
{
    size_t n_overrides = 0;
    int c;

    *tool = (Tool){.argv = argv, .overrides = calloc((size_t)argc + 1, sizeof(char *))};
    if (!tool->overrides)
        return -ENOMEM;
    optind = 0;
    while ((c = next_option(argc, argv, quiet)) >= 0)
        switch (c) {
        case OPTION_CONFIG: tool->config_path = optarg; break;
        case OPTION_SET: tool->overrides[n_overrides++] = optarg; break;
        case OPTION_VERSION: return TOOL_VERSION;
        case 'h': return TOOL_HELP;
        default: return TOOL_WRONG;
        }
    return optind < argc ? TOOL_RUN : TOOL_NO_COMMAND;
}

void tool_done(Tool *tool)
{
    free(tool->overrides);
}
