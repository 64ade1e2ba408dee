/* The queue in a PostgreSQL database as a source of messages: claims in batches, reads them, and
 * writes in batches what became of them (doc/decisions/database-queue.md).
 *
 * It survives the loss of the database: nothing new is taken, what is in flight ends, and its ends
 * are written when the database is there again. */
#pragma once

#include <systemd/sd-event.h>

#include "base/worker.h"
#include "queue/source.h"
#include "settings/config.h"

typedef struct DatabaseSource DatabaseSource;

/* What is held is nobody else's for so long after the database was heard of. */
#define DATABASE_SOURCE_LEASE (60 * USEC_PER_SEC)

/* Whether a daemon could use it: connects, and waits. 0, or a negative errno with a Failure. */
int database_source_check(const char *conninfo, Failure *f);

/* Begins to connect to spool.database, from the loop: whether that can be done is found() later.
 * Loop and worker are referenced. 0, or a negative errno with a Failure. */
int database_source_new(
    sd_event *loop, Worker *worker, const Config *config, DatabaseSource **ret, Failure *f);

/* It is for one pass: figures() says that there may be more until all that could be delivered when
 * it connected has been taken. `quiet`: nobody else is told of messages that fail. Before the loop
 * runs.
 */
void database_source_pass(DatabaseSource *database, bool quiet);

/* Every held message must have been settled or abandoned. Writes what is not written yet, and gives
 * back what is not sent, if that takes no more than moments. Accepts NULL. */
void database_source_free(DatabaseSource *database);

Source *database_source_base(DatabaseSource *database);

/* From now on by these settings; the database stays the same. */
void database_source_configure(DatabaseSource *database, const Config *config);

/* Whether messages are taken from it. */
bool database_source_is_open(const DatabaseSource *database);

/* Says there how this daemon is: a JSON object, with the next renewal of its lease. 0 or -ENOMEM.
 */
int database_source_say(DatabaseSource *database, const void *text, size_t n);

/* Which message has waited longest, of all that wait there. */
typedef struct DatabaseOldest {
    usec_t away;     /* the database cannot be used for so long; 0: it can */
    bool known;      /* the following is, as of when it was asked for last */
    bool watches;    /* of all daemons that ask this is the one that is told */
    int64_t message; /* 0: none waits */
    usec_t waited;
} DatabaseOldest;

/* What is known of it; asks anew. Meant to be called every so often, by which the one that is told
 * is taken for gone when it does not. */
void database_source_oldest(DatabaseSource *database, usec_t every, DatabaseOldest *ret);

DEFINE_CLEANUP(DatabaseSource, database_source_free);
