/* One connection to the database, on the loop: statements go out one behind the other without
 * waiting (libpq's pipeline), and each is answered by a call. It is made by the worker, because
 * libpq looks names up synchronously, and made again for ever, ever later, when it is lost.
 *
 * Every statement is a transaction of its own and needs nothing of the session, so that what is
 * between may give each to another server process (PgBouncer in transaction mode). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/failure.h"
#include "base/worker.h"

typedef struct DatabaseConnection DatabaseConnection;
typedef struct DatabaseResult DatabaseResult;

/* Called from the loop. */
typedef struct DatabaseHandlers {
    void (*up)(void *user); /* statements may be sent */
    /* It cannot be had, or is lost: after each try. What was sent has been answered. */
    void (*down)(void *user, const Failure *failure);
    void (*notified)(void *user); /* somebody queued a message */
} DatabaseHandlers;

/* `rows` is borrowed for the call; NULL: there is no answer, and whether the statement took effect
 * is not known. */
typedef void (*DatabaseAnswer)(void *user, const DatabaseResult *rows, const Failure *failure);

/* Begins to connect, from the loop, and to listen. `conninfo` is copied, loop and worker are
 * referenced. 0, or a negative errno with a Failure. */
int database_connection_new(sd_event *loop, Worker *worker, const char *conninfo,
    const DatabaseHandlers *handlers, void *user, DatabaseConnection **ret, Failure *f);
void database_connection_free(DatabaseConnection *connection); /* what was sent has no answer */

bool database_connection_is_up(const DatabaseConnection *connection);

/* Tries to connect now, where it waits for its next try. */
void database_connection_hurry(DatabaseConnection *connection);

/* Asks once more what it is, in front of what is asked next: a schema that we cannot use (any more)
 * is a connection that is lost, until it is another one. */
void database_connection_ask_version(DatabaseConnection *connection);

/* Sends a statement with its parameters ($1, ...), as text; NULL is NULL. 0, or a negative errno,
 * and nothing is answered: -ENOTCONN, -ENOMEM. */
int database_ask(DatabaseConnection *connection, const char *statement, const char *const *values,
    unsigned n_values, DatabaseAnswer answer, void *user);

/* Waits until what was sent is answered, and not beyond `until` (monotonic): at the end of the
 * process. */
void database_connection_finish(DatabaseConnection *connection, usec_t until);

/* ---- rows, whose values are in the binary form ---- */

unsigned database_result_count(const DatabaseResult *rows);
bool database_result_is_null(const DatabaseResult *rows, unsigned row, unsigned column);
int64_t database_result_integer(
    const DatabaseResult *rows, unsigned row, unsigned column); /* int, bigint */
bool database_result_truth(const DatabaseResult *rows, unsigned row, unsigned column);
/* With a NUL behind it. */
const char *database_result_bytes(
    const DatabaseResult *rows, unsigned row, unsigned column, size_t *ret_n);
const char *database_result_text(const DatabaseResult *rows, unsigned row, unsigned column);

DEFINE_CLEANUP(DatabaseConnection, database_connection_free);
