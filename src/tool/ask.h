/* What a user may not do in the queue directory, outboxd does for him to the messages that he has
 * queued himself. */
#pragma once

#include "tool/command.h"

/* Whether this process may not do in the configured queue directory what the command does, and
 * there is a submission socket to ask at, which the caller frees. */
bool tool_is_shut_out(
    const Tool *tool, const Command *command, int argc, char **argv, char **ret_socket);

/* Has it done there. Returns an exit status. */
int tool_ask(const Tool *tool, const Command *command, int argc, char **argv, const char *socket);
