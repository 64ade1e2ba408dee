/* The tool's part of the library: finds the command and runs it. Must never be called but by the
 * program of the same version. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>

#include "net/tls.h"
#include "tool/ask.h"
#include "tool/command.h"
#include "tool/library.h"

/* Runs the command that argv[0] names. */
static int run_named(const Tool *tool, int argc, char **argv)
{
    const Command *command = tool_find_command_of(tool, argv[0]);
    _cleanup_failure_ Failure f = {0};
    AskPlace place = {0};
    int status, shut_out;

    if (!command)
        return EX_USAGE;
    assert(command->run); /* the program does all others itself */
    shut_out = tool_is_shut_out(tool, command, argc, argv, &place, &f);
    if (shut_out < 0)
        return tool_fail(&f);
    if (shut_out > 0) {
        status = tool_ask(tool, command, argc, argv, &place);
        ask_place_done(&place);
        return status;
    }
    optind = 0; /* the command scans its options anew (getopt(3), notes) */
    return command->run(tool, command, argc, argv);
}

int outbox_tool_main(int argc, char **argv)
{
    _cleanup_(tool_done) Tool tool = {0};

    tls_keep_at_exit();
    switch (tool_read_options(&tool, argc, argv)) {
    case TOOL_COMMAND: return tool_finish_output(run_named(&tool, argc - optind, argv + optind));
    case -ENOMEM: return tool_fail_memory();
    default: return tool_usage(NULL, "a command is missing"); /* the program answers all else */
    }
}
