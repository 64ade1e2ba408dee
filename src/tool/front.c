/* outbox, as programs call it: queues whole messages by itself, for that must cost no more than
 * writing them, and becomes outbox-full for all else. Must never need more libraries than that
 * takes. Called sendmail or mailq it does what programs expect of those. */
#include <string.h>

#include "tool/full.h"
#include "tool/input.h"
#include "tool/sendmail.h"

int input_compose(const ToolInput *input, char **recipients _unused_, Buffer *ret_message _unused_)
{
    return tool_become_full(input->tool->argv);
}

static int run_tool(int argc, char **argv)
{
    _cleanup_(tool_done) Tool tool = {0};

    /* All other mistakes are the other program's to tell. */
    if (tool_read_options(&tool, argc, argv, true) != TOOL_RUN ||
        strcmp(argv[optind], command_queue.name) != 0)
        return tool_become_full(argv);
    argc -= optind;
    argv += optind;
    optind = 0; /* the command scans its options anew (getopt(3), notes) */
    return tool_finish_output(command_queue.run(&tool, &command_queue, argc, argv));
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
