/* The lanes of the configuration in a queue in a database: of which of them messages are claimed
 * and handed out. A claim is of one lane of the database's; those that have no settings here are
 * together LANE_NONE. For the files of this folder alone. */
#pragma once

#include "database/source_state.h"

/* Those of that configuration from now on, all of them open. */
void database_lanes_configure(DatabaseSource *database, const Config *config);
void database_lanes_done(DatabaseSource *database);

/* Notes which lane a message is in that is to be taken. */
void database_lanes_find(const DatabaseSource *database, DatabaseMessage *message);

/* Sees which lanes are open, and have been opened, since the last time. */
void database_lanes_look(DatabaseSource *database);

/* The first message that may be taken now, or NULL. */
DatabaseMessage *database_lanes_take(DatabaseSource *database);

/* Whether messages of that lane of the database's are wanted. */
bool database_lanes_want(const DatabaseSource *database, const char *name);

/* So many messages are claimed that may be taken when they have been read. */
size_t database_lanes_have(const DatabaseSource *database);

/* Lanes that have been closed for long, as bits: what is held of them may be another daemon's. */
uint32_t database_lanes_closed(const DatabaseSource *database, usec_t patience);

/* Whether some are closed. */
bool database_lanes_wait(const DatabaseSource *database);

/* As choose() and lanes() of SourceOps. */
void database_lanes_choose(Source *base, uint32_t lanes);
void database_lanes_count(const Source *base, size_t ret[static LANES_MAX]);
