/* What a user may not do in the queue directory, outboxd does for him to the messages that he has
 * queued himself. */
#pragma once

#include "tool/command.h"

/* Where outboxd is asked, for which directory. Strings are owned. */
typedef struct AskPlace {
    char *directory, *socket;
    bool database; /* it has the queue */
} AskPlace;
void ask_place_done(AskPlace *place);

/* Whether this process may not do in the configured queue, a directory or a database, what the
 * command does, and there is to be a submission socket to ask at: 1 or 0; or a negative errno with
 * a Failure where nothing can be done, for the database does not answer. */
int tool_is_shut_out(
    const Tool *tool, const Command *command, int argc, char **argv, AskPlace *ret, Failure *f);

/* Has it done there. Returns an exit status. */
int tool_ask(
    const Tool *tool, const Command *command, int argc, char **argv, const AskPlace *place);
