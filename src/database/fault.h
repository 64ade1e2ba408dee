/* What a database said why something cannot be done there, for people: what, where, in whose words,
 * and what to do. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "database/libpq.h"

typedef enum DatabaseFault {
    FAULT_UNREACHABLE, /* nobody answers, or not in time */
    FAULT_NAME,        /* its host's name is unknown */
    FAULT_PARAMETERS,  /* spool.database is wrong: an option that libpq does not know, a service */
    FAULT_PASSWORD,    /* it does not accept the login */
    FAULT_NO_DATABASE,
    FAULT_TLS,
    FAULT_STARTING,  /* it starts, stops, or has no connection left */
    FAULT_LOST,      /* the connection ended; what was asked for may be done or not */
    FAULT_TIMEOUT,   /* likewise, or something is locked there */
    FAULT_READ_ONLY, /* a standby */
    FAULT_FULL,
    FAULT_RIGHT,   /* the role may not */
    FAULT_NO_ROLE, /* that is to be given something */
    FAULT_NO_SCHEMA,
    FAULT_SCHEMA_OLD,
    FAULT_SCHEMA_NEW,
    FAULT_REFUSED,  /* what was handed over is wrong: nothing else is */
    FAULT_CONFLICT, /* two transactions were in each other's way: again, and it is done */
    FAULT_OTHER,
    FAULT_MAX,
} DatabaseFault;

/* Fills the Failure in; returns the negative errno that goes with it, from which
 * database_fault_of() tells the kind again. `conn` may be NULL, for what is known without one. */
int database_fail(
    const Libpq *pq, const PGconn *conn, DatabaseFault fault, const char *words, Failure *f);

/* Why it could not be connected to. */
int database_fail_connecting(const Libpq *pq, const PGconn *conn, Failure *f);

/* Why the result is none; `result` may be NULL. */
int database_fail_query(const Libpq *pq, const PGconn *conn, const PGresult *result, Failure *f);

/* The kind of what a result says, or the connection where `result` is NULL. */
DatabaseFault database_fault_of_result(const Libpq *pq, const PGconn *conn, const PGresult *result);

/* Whether it ends by itself, or when somebody mends the database: to be tried again. */
bool database_fault_passes(DatabaseFault fault);
