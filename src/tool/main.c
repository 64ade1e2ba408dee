/* outbox-full: finds the command and runs it. */
#include "config.h"

#include <stdio.h>
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
    &command_adopt,
    &command_check,
    &command_verify,
    &command_expand,
    &command_command,
    &command_config,
};

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
         "  -h, --help          print this\n\n"
         "`outbox COMMAND --help` tells all about a command; outbox(1) is the manual.");
    return EX_OK;
}

static int print_version(void)
{
    puts("outbox " PACKAGE_VERSION "\nISC licence; no warranty.");
    return EX_OK;
}

static const Command *find_command(const char *name)
{
    const Command *near = NULL;
    size_t distance = 3;

    for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
        size_t d = text_distance(name, commands[i]->name);

        if (strcmp(name, commands[i]->name) == 0)
            return commands[i];
        if (d < distance)
            near = commands[i], distance = d;
    }
    (void)tool_usage(NULL, "there is no command '%s'%s%s%s", name, near ? "; did you mean '" : "",
        near ? near->name : "", near ? "'?" : "");
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
    _cleanup_(tool_done) Tool tool = {0};

    tool_begin();
    switch (tool_read_options(&tool, argc, argv, false)) {
    case TOOL_RUN: return tool_finish_output(run_command(&tool, argc - optind, argv + optind));
    case TOOL_HELP: return tool_finish_output(print_help());
    case TOOL_VERSION: return tool_finish_output(print_version());
    case TOOL_NO_COMMAND: return tool_usage(NULL, "a command is missing");
    case TOOL_WRONG: return EX_USAGE;
    default: return tool_fail_memory();
    }
}
