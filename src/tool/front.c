/* outbox: queues messages by itself, for that must cost no more than writing them, and loads the
 * library for all else. Must never need more libraries than queueing takes. Called sendmail,
 * mailq or newaliases it does what programs expect of those. */
#include <string.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#include "tool/input.h"
#include "tool/library.h"
#include "tool/sendmail.h"
#include "tool/wrap.h"

/* One that is in the library: only its help, and what is wrong with its options, is ours. */
static int run_rest(const Tool *tool, const Command *command, int argc, char **argv)
{
    int c;

    while ((c = tool_getopt(command, argc, argv)) >= 0) {
        if (c == 'h')
            return tool_finish_output(tool_help(command));
        if (c == '?')
            return EX_USAGE;
    }
    return tool_run_rest(tool->argc, tool->argv);
}

/* As --help, where people look for it. */
static int run_help(int argc, char **argv)
{
    const Command *command;

    if (argc > 2)
        return tool_usage(NULL, "%s: the name of one command at most is wanted", argv[2]);
    if (argc < 2)
        return tool_finish_output(tool_print_help());
    command = tool_find_command(argv[1]);
    return command ? tool_finish_output(tool_help(command)) : EX_USAGE;
}

static int run_named(const Tool *tool, int argc, char **argv)
{
    const Command *command;

    if (strcmp(argv[0], "help") == 0 && !tool->has_user)
        return run_help(argc, argv);
    command = tool_find_command_of(tool, argv[0]);
    if (!command)
        return EX_USAGE;
    optind = 0; /* the command scans its options anew (getopt(3), notes) */
    return command->run ? tool_finish_output(command->run(tool, command, argc, argv))
                        : run_rest(tool, command, argc, argv);
}

/* Who asked may never read the answer, or have asked for very much. */
static void limit_time(void)
{
    const struct itimerval work = {.it_value.tv_sec = 60}, patience = {.it_value.tv_sec = 600};

    (void)setitimer(ITIMER_PROF, &work, NULL);
    (void)setitimer(ITIMER_REAL, &patience, NULL);
}

static int run_tool(int argc, char **argv)
{
    _cleanup_(tool_done) Tool tool = {0};

    switch (tool_read_options(&tool, argc, argv)) {
    case TOOL_COMMAND:
        if (tool.has_user)
            limit_time();
        return run_named(&tool, argc - optind, argv + optind);
    case TOOL_HELP: return tool_finish_output(tool_print_help());
    case TOOL_VERSION: return tool_finish_output(tool_print_version());
    case TOOL_NO_COMMAND: return tool_usage(NULL, "a command is missing");
    case TOOL_WRONG: return EX_USAGE;
    default: return tool_fail_memory();
    }
}

int main(int argc, char **argv)
{
    const char *name = tool_base_name(argv[0]);

    tool_begin();
    if (strcmp(name, "sendmail") == 0)
        return sendmail_main(argc, argv);
    if (strcmp(name, "mailq") == 0)
        return mailq_main(argc, argv);
    if (strcmp(name, "newaliases") == 0)
        return newaliases_main(argc, argv);
    wrap_terminal(&stdout, STDOUT_FILENO);
    return run_tool(argc, argv);
}
