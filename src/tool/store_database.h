/* What the files of the store in a database have for each other, and for who moves messages. */
#pragma once

#include "database/client.h"
#include "message/envelope.h"
#include "tool/store.h"

/* Of a store that is one of a database; borrowed. */
Database *store_database_of(Store *store);

/* The content of that message in a file without a name: a descriptor, which the caller closes, and
 * its size; or a negative errno with a Failure. */
int database_fetch_content(Database *database, const char *id, uint64_t *ret_size, Failure *f);

/* Its envelope, with all recipients or without those who have had it, of whom there are `n_had`. 0
 * or a negative errno with a Failure. */
int database_fetch_envelope(
    Database *database, const char *id, bool all, Envelope *ret, size_t *n_had, Failure *f);

/* Whether a message may have that id. */
bool store_is_number(const char *id);

/* As change() of StoreOps, of those that `user` has queued where that is given. */
int store_change(
    Store *store, StoreChange change, const char *user, StoreItem *items, size_t n, Failure *f);

#define STORE_VALUES_MAX 24

/* A time as microseconds since 1970. */
#define MICROSECONDS(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

/* database_query() with values that are text. */
int store_ask(Database *database, const char *statement, const char *const *values, unsigned n,
    DatabaseRows *ret, Failure *f);

/* A number of a row that is not negative; 0 where it is, or NULL. */
uint64_t store_number(const DatabaseRows *rows, int row, int column);
