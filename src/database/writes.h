/* What became of messages, on its way into the database: gathered in one turn of the loop, and
 * written together while what was written before is not answered yet. It is kept as long as it
 * takes. */
#pragma once

#include "database/held.h"
#include "database/source_state.h"

int database_writes_init(DatabaseSource *database);

/* It has something to be written, at the next opportunity. */
void database_write_later(DatabaseSource *database, DatabaseMessage *message);

/* That message, of which it is not on its way yet that it is to wait, is ready instead. False where
 * there is none. */
bool database_write_returned(DatabaseSource *database, const char *id);

/* Sends what can be sent now. */
void database_write_now(DatabaseSource *database);

/* What was under way may be written, or not: it is written once more. */
void database_writes_doubt(DatabaseSource *database);

/* Claims those in flight anew, by another lease, where nobody has yet. */
void database_write_claims(DatabaseSource *database);

/* The operations of SourceOps. */
int database_message_sync(HeldMessage *message, Failure *f);
int database_message_settle(
    HeldMessage *message, const MessageEnd *end, char ret_id[static SOURCE_ID_MAX], Failure *f);
void database_message_abandon(HeldMessage *message);
