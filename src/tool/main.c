/* outbox-full: finds the command and runs it. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/text.h"
#include "tool/command.h"
#include "tool/full.h"

static const Command *const commands[] = {
#define ROW(name, summary) &command_##name,
    TOOL_COMMANDS(ROW)
#undef ROW
};

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
    case TOOL_RUN: return tool_finish_output(run_command(&tool, argc - optind, argv + optind));
    case -ENOMEM: return tool_fail_memory();
    default: return tool_usage(NULL, "a command is missing"); /* outbox answers all else */
    }
}
