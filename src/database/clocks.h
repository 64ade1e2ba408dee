/* Times of day of the database, and of this machine. */
#pragma once

#include "base/clock.h"
#include "database/client.h"
#include "database/source_state.h"

/* What stands behind a statement that is answered at once, for database_clocks_compare(). */
#define DATABASE_CLOCK "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

/* The database said `there` in answer to what was asked at `asked` and answered at `answered`, both
 * by a clock that nobody sets. */
void database_clocks_compare(DatabaseSource *d, int64_t there, usec_t asked, usec_t answered);

/* The same moment by this machine's clock, and by the database's; 0 and USEC_NEVER stay. */
usec_t database_time_here(const DatabaseSource *d, int64_t there);
usec_t database_time_there(const DatabaseSource *d, usec_t here);
