/* The lanes of the configuration in a queue in a database: of which of them messages are claimed
 * and handed out. A claim is of one lane of the database's; those that have no settings here are
 * together LANE_NONE. For the files of this folder alone. */
#pragma once

#include "database/source_state.h"

/* Those of that configuration from now on, all of them open. */
void database_lanes_configure(DatabaseSource *database, const Config *config);
void database_lanes_done(DatabaseSource *database);

/* Claims from that lane of the database's, too. 0, -ENOMEM, or -ENOSPC when there are too many. */
int database_lanes_know(DatabaseSource *database, const char *name);

/* Notes which lane a message is in that is to be taken. */
void database_lanes_find(const DatabaseSource *database, DatabaseMessage *message);

/* Sees which lanes are open, and have been opened, since the last time. */
void database_lanes_look(DatabaseSource *database);

/* The first message that may be taken now, or NULL. */
DatabaseMessage *database_lanes_take(DatabaseSource *database);

/* How many messages more of that lane of the database's are to be claimed, of so many at most; 0
 * for one that is closed. */
size_t database_lanes_want(const DatabaseSource *database, const ClaimsLane *lane, size_t most);

/* Of those that are to be taken, how many are of that one, or have its settings. */
size_t database_lanes_count_ready(const DatabaseSource *database, const ClaimsLane *lane);

/* So many of any lane that is open may be claimed, where nothing is held; `closed`: the others, as
 * an array of the database, with its NUL. 0 or -ENOMEM. */
int database_lanes_want_any(const DatabaseSource *database, size_t *most, Buffer *closed);

/* Whether there may be messages that no claim has seen, of lanes that are open; and, for a pass, of
 * those that have not been closed for long, too. */
bool database_lanes_have_more(const DatabaseSource *database);
bool database_lanes_have_more_soon(const DatabaseSource *database);

/* What was held of these lanes went back: little is claimed of them at a time, and more with each
 * message that is taken. */
void database_lanes_gave_back(DatabaseSource *database, uint32_t lanes);

/* So many messages are claimed that may be taken when they have been read. */
size_t database_lanes_have(const DatabaseSource *database);

/* Lanes that have been closed for long, as bits: what is held of them may be another daemon's. */
uint32_t database_lanes_closed(const DatabaseSource *database, usec_t patience);

/* Whether some are closed. */
bool database_lanes_wait(const DatabaseSource *database);

/* As choose() and lanes() of SourceOps. */
void database_lanes_choose(Source *base, uint32_t lanes);
void database_lanes_count(const Source *base, size_t ret[static LANES_MAX]);
