/* Lanes of the database's in which there was nothing at the last look: they are looked into all
 * together, by one statement, and claimed from where that finds something. So names of lanes cost
 * nothing, however many somebody has made. The lane '' is always claimed from, and a pass claims
 * from all. For the files of this folder alone. */
#pragma once

#include "database/source_state.h"

bool database_is_quiet(const DatabaseSource *database, const ClaimsLane *lane);

/* How many others there are: one at least. */
size_t database_count_busy(const DatabaseSource *database);

/* Behind the claims, as one of them. */
void database_look_into_quiet(DatabaseSource *database);
