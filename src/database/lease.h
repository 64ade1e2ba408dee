/* This daemon as the database knows it: its number and its lease, and what is done at intervals. */
#pragma once

#include "database/source_state.h"

int database_lease_init(DatabaseSource *database);
void database_lease_done(DatabaseSource *database);

/* Whether there is a database: of its connection. */
extern const DatabaseHandlers database_lease_handlers;

/* Gives everything back, when nothing more is to be written. */
void database_lease_end(DatabaseSource *database);

/* Whatever this daemon holds there and does not know of is ready again. Nothing may be asked for
 * that it would take. */
void database_keep_what_is_known(DatabaseSource *database);

/* Asks whether the lease stands. */
void database_renew(DatabaseSource *database);

/* A message waits until then (realtime). */
void database_note_due(DatabaseSource *database, usec_t due);

/* What waits for a time may be due. */
void database_ripen(DatabaseSource *database);
