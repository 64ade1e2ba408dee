/* outbox, as programs call it: queues whole messages by itself, for that must cost no more than
 * writing them, and becomes outbox-full for all else. Must never need more libraries than that
 * takes. Called sendmail or mailq it does what programs expect of those. */
#include <string.h>
#include <sysexits.h>

#include "tool/full.h"
#include "tool/input.h"
#include "tool/sendmail.h"

int input_compose(const ToolInput *input, char **recipients _unused_, Buffer *ret_message _unused_)
{
    return tool_become_full(input->tool->argv);
}

static int run_command(const Tool *tool, int argc, char **argv)
{
    if (strcmp(argv[0], command_queue.name) != 0)
        return tool_become_full(tool->argv);
    optind = 0; /* the command scans its options anew (getopt(3), notes) */
    return tool_finish_output(command_queue.run(tool, &command_queue, argc, argv));
}

static int run_tool(int argc, char **argv)
{
    _cleanup_(tool_done) Tool tool = {0};

    switch (tool_read_options(&tool, argc, argv)) {
    case TOOL_RUN: return run_command(&tool, argc - optind, argv + optind);
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
    return run_tool(argc, argv);
}
