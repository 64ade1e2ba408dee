/* What a database says to a daemon: of its schema, and of what it did not write of one message. */
#pragma once

#include "base/failure.h"
#include "database/connection.h"
#include "database/libpq.h"

/* Asks what database_judge() judges. */
#define DATABASE_HELLO "SELECT version, oldest, read_only FROM outbox.hello()"

/* Whether this daemon can work with what is there: the answer to DATABASE_HELLO. 0, or a negative
 * errno with a Failure. */
int database_judge(const Libpq *pq, const PGconn *pg, const DatabaseResult *result, Failure *f);

/* Why one message's end was not written: a SQLSTATE, and the database's words. Returns a negative
 * errno, one that is common to all (error_is_common()) where it is. */
int database_trouble(const char *state, const char *words, Failure *f);
