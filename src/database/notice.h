/* What somebody is told of a message's end, in the same transaction. */
#pragma once

#include "database/held.h"
#include "database/source_state.h"

/* Makes the notice of a message that is about to be ended, if there is to be one: once. 0, or a
 * negative errno with a Failure: to be tried again. */
int database_notice_make(DatabaseMessage *message, const MessageEnd *end, Failure *f);

/* The end has been written: by which message it is told, as a row of write() has it, or why not.
 * Nothing where there is no notice. */
void database_notice_written(
    const DatabaseMessage *message, const DatabaseResult *rows, unsigned row);
