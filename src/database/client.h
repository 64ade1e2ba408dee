/* A connection to the database for who waits: the tool, and work beside the daemon's loop.
 *
 * Functions return 0, or a negative errno with a Failure (database/fault.h). A connection that was
 * lost is lost; whoever needs another opens one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errors.h"
#include "base/failure.h"
#include "base/macros.h"

/* Of libpq (database/libpq.h), which who uses this need not see. */
struct Libpq;
struct pg_conn;
struct pg_result;

#define DATABASE_VERSION 1 /* of the schema that this program is written for */

/* What every connection is made with: what the string says, and else what a queue needs. Borrows
 * the string. */
#define DATABASE_PARAMETERS_MAX 12
typedef struct DatabaseParameters {
    const char *keywords[DATABASE_PARAMETERS_MAX], *values[DATABASE_PARAMETERS_MAX];
} DatabaseParameters;
void database_parameters(const char *conninfo, DatabaseParameters *ret);

typedef struct Database {
    const struct Libpq *pq;
    struct pg_conn *conn;
    bool rights_known, may_say_who; /* what put.c has asked for */
} Database;

/* Connects, and sees to it that there is a queue of a version that this program can use. */
int database_open(const char *conninfo, Database **ret, Failure *f);

/* Whether that error says that the login was refused, or may do nothing there. */
bool database_is_refusal(int error);

/* Whether it says that nobody answers there: whatever else is asked meets with it as well. */
bool database_is_away(int error);

/* The same without looking what is there. */
int database_connect(const char *conninfo, Database **ret, Failure *f);

void database_close(Database *database);
DEFINE_CLEANUP(Database, database_close);

/* The version of the schema there, in `*ret`; and whether this program can use it: 0, or a Failure.
 */
int database_check_version(Database *database, int *ret, Failure *f);

/* A value for $1, $2, ...: text, or octets for a bytea. */
typedef struct DatabaseValue {
    const char *data; /* NULL: SQL's NULL */
    size_t n;         /* of octets; text ends with a NUL */
    bool octets;
} DatabaseValue;

static inline DatabaseValue database_text(const char *text)
{
    return (DatabaseValue){.data = text};
}

static inline DatabaseValue database_octets(const void *data, size_t n)
{
    return (DatabaseValue){.data = data ?: "", .n = n, .octets = true};
}

#define DATABASE_VALUES(...)                \
    ((const DatabaseValue[]){__VA_ARGS__}), \
        (sizeof((const DatabaseValue[]){__VA_ARGS__}) / sizeof(DatabaseValue))
#define DATABASE_NO_VALUES NULL, 0

/* The rows of an answer. Begun zeroed. */
typedef struct DatabaseRows {
    const struct Libpq *pq;
    struct pg_result *result;
    int n; /* rows */
} DatabaseRows;

void database_rows_done(DatabaseRows *rows);
#define _cleanup_database_rows_ _cleanup_(database_rows_done)

/* Runs one statement. `rows` may be NULL; what it held is freed. */
int database_query(Database *database, const char *sql, const DatabaseValue *values,
    size_t n_values, DatabaseRows *rows, Failure *f);

/* The same, with the answer in PostgreSQL's binary format: for a bytea. */
int database_query_binary(Database *database, const char *sql, const DatabaseValue *values,
    size_t n_values, DatabaseRows *rows, Failure *f);

/* Runs statements without values, one transaction. */
int database_run(Database *database, const char *sql, Failure *f);

/* NULL where it is NULL. Borrowed from the rows. */
const char *database_field(const DatabaseRows *rows, int row, int column);
size_t database_field_size(const DatabaseRows *rows, int row, int column);
int64_t database_number(const DatabaseRows *rows, int row, int column); /* 0 where it is NULL */
bool database_is_true(const DatabaseRows *rows, int row, int column);
