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

/* --help and --version are every command's, and answered here for all of them, as is what is wrong
 * with the options. -1 where the command is to run, or an exit status. */
static int answer(const Command *command, int argc, char **argv, int (*help)(const Command *))
{
    int c;

    optind = 0;
    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'h': return help(command);
        case 'V': return tool_print_version();
        case '?': return EX_USAGE;
        default: break;
        }
    return -1;
}

static int help_on_all(const Command *command _unused_)
{
    return tool_print_help();
}

/* As --help, where people look for it. */
static int run_help(int argc, char **argv)
{
    static const ToolOption none[] = {{0}};
    static const Command command_help = {.name = "help", .options = none};
    const Command *command;
    int status = answer(&command_help, argc, argv, help_on_all);

    if (status >= 0)
        return status;
    argv += optind;
    if (argv[0] && argv[1])
        return tool_usage(NULL, "%s: the name of one command at most is wanted", argv[1]);
    if (!argv[0])
        return tool_print_help();
    command = tool_find_command(argv[0]);
    return command ? tool_help(command) : EX_USAGE;
}

static int run_named(const Tool *tool, int argc, char **argv)
{
    const Command *command;
    int status;

    if (strcmp(argv[0], "help") == 0 && !tool->has_user)
        return tool_finish_output(run_help(argc, argv));
    command = tool_find_command_of(tool, argv[0]);
    if (!command)
        return EX_USAGE;
    status = answer(command, argc, argv, tool_help);
    if (status >= 0)
        return tool_finish_output(status);
    if (!command->run)
        return tool_run_rest(tool->argc, tool->argv);
    optind = 0; /* the command scans its options anew (getopt(3), notes) */
    return tool_finish_output(command->run(tool, command, argc, argv));
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
