/* outbox-full: finds the command and runs it. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "tool/command.h"
#include "tool/full.h"

/* Runs the command that argv[0] names. */
static int run_named(const Tool *tool, int argc, char **argv)
{
    const Command *command = tool_find_command(argv[0]);

    if (!command)
        return EX_USAGE;
    optind = 0; /* the command scans its options anew (getopt(3), notes) */
    return command->run(tool, command, argc, argv);
}

/* The command line without the handshake. NULL when outbox is of another version, or none; that has
 * been said. */
static char **check_handshake(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], FULL_HANDSHAKE) == 0) {
        argv[1] = argv[0];
        return argv + 1;
    }
    (void)tool_fail_number(ERROR_USAGE, "outbox-full is a part of outbox " PACKAGE_VERSION
                                        ", and was not run by it; run outbox, and install both "
                                        "from the same package");
    return NULL;
}

int main(int argc, char **argv)
{
    _cleanup_(tool_done) Tool tool = {0};

    tool_begin();
    argv = check_handshake(argc--, argv);
    if (!argv)
        return EX_USAGE;
    switch (tool_read_options(&tool, argc, argv)) {
    case TOOL_COMMAND: return tool_finish_output(run_named(&tool, argc - optind, argv + optind));
    case -ENOMEM: return tool_fail_memory();
    default: return tool_usage(NULL, "a command is missing"); /* outbox answers all else */
    }
}
