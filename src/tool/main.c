/* outbox: finds the command and runs it. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/text.h"
#include "tool/command.h"

static const Command *const commands[] = {
    &command_queue,
    &command_send,
    &command_process,
    &command_list,
    &command_show,
    &command_status,
    &command_retry,
    &command_hold,
    &command_release,
    &command_delete,
    &command_check,
    &command_config,
};

static const Command main_command = {.name = ""};

static int print_help(void)
{
    puts("Usage: outbox [--config FILE] [--set NAME=VALUE]... COMMAND [OPTION...] [ARGUMENT...]\n\n"
         "Queues mail, sends it, and shows what became of it.\n\nCommands:");
    for (size_t i = 0; i < ELEMENTSOF(commands); i++)
        printf("  %-9s %s\n", commands[i]->name, commands[i]->summary);
    puts("\nOptions:\n"
         "  --config FILE       read this instead of " SYSCONFDIR "/outbox/outbox.conf\n"
         "  --set NAME=VALUE    overrule a setting; repeatable\n"
         "  --version           print version and licence\n"
         "  --help              print this\n\n"
         "`outbox COMMAND --help` tells all about a command; outbox(1) is the manual.");
    return EX_OK;
}

static const Command *find_command(const char *name)
{
    const Command *near = NULL;
    size_t distance = 3;

    for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
        size_t d = text_distance(name, commands[i]->name);

        if (d == 0)
            return commands[i];
        if (d < distance)
            near = commands[i], distance = d;
    }
    fprintf(stderr, "outbox: %d: there is no command '%s'%s%s%s; see `outbox --help`\n",
        ERROR_USAGE, name, near ? "; did you mean '" : "", near ? near->name : "",
        near ? "'?" : "");
    return NULL;
}

/* Runs the command that argv[0] names. */
static int run_command(const Tool *tool, int argc, char **argv)
{
    const Command *command = find_command(argv[0]);

    if (!command)
        return EX_USAGE;
    optind = 0; /* the command scans its options anew (getopt(3), notes) */
    return command->run(tool, command, argc, argv);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
        {"set", required_argument, NULL, 's'}, {"version", no_argument, NULL, 'V'},
        TOOL_OPTION_HELP, {0}};
    _cleanup_free_
    const char **overrides = calloc((size_t)argc + 1, sizeof(char *));
    Tool tool = {.overrides = overrides};
    size_t n_overrides = 0;
    int c;

    if (!overrides)
        return tool_fail_number(ERROR_MEMORY, "no memory is left");
    signal(SIGPIPE, SIG_IGN);
    /* "+": options behind the command are the command's. */
    while ((c = tool_getopt(&main_command, argc, argv, "+:h", options)) >= 0)
        switch (c) {
        case 'c': tool.config_path = optarg; break;
        case 's': overrides[n_overrides++] = optarg; break;
        case 'V': printf("outbox %s\nISC licence; no warranty.\n", PACKAGE_VERSION); return EX_OK;
        case 'h': return print_help();
        default: return EX_USAGE;
        }
    if (optind == argc) {
        fprintf(stderr, "outbox: %d: a command is missing; see `outbox --help`\n", ERROR_USAGE);
        return EX_USAGE;
    }
    return run_command(&tool, argc - optind, argv + optind);
}
