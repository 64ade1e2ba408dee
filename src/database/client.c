/* The database for who waits. Must never wait without an end. */
#include "database/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/conninfo.h"
#include "database/fault.h"

#define SILENCE_MAX (120 * USEC_PER_SEC) /* for an answer, and for the next bytes to be taken */
#define VALUES_MAX 24
#define OID_BYTEA 17

/* Those before the string count where it says nothing. A queue is written to: of several servers it
 * is the one where that can be done. */
void database_parameters(const char *conninfo, DatabaseParameters *ret)
{
    *ret = (DatabaseParameters){
        .keywords = {"connect_timeout", "tcp_user_timeout", "keepalives_idle",
            "keepalives_interval", "keepalives_count", "fallback_application_name",
            "target_session_attrs", "client_encoding", "dbname"},
        .values = {"10", "30000", "30", "10", "3", "outbox", "read-write", "UTF8", conninfo},
    };
}

static void say_nothing(void *user, const char *message)
{
    (void)user;
    (void)message;
}

void database_close(Database *database)
{
    if (!database)
        return;
    if (database->conn)
        database->pq->finish(database->conn);
    free(database);
}

/* What libpq would say of it may have the password in it. */
static int check_conninfo(const char *conninfo, Failure *f)
{
    const char *fault = conninfo_fault(conninfo);
    _cleanup_free_
    char *shown = fault ? conninfo_shown(conninfo) : NULL;

    return fault ? failure_set(f, -EINVAL, ERROR_CONFIGURATION, "the database \"%s\" %s",
                       shown ?: "***", fault)
                 : 0;
}

int database_connect(const char *conninfo, Database **ret, Failure *f)
{
    _cleanup_(database_close_p) Database *database = calloc(1, sizeof(*database));
    DatabaseParameters parameters;
    int r = check_conninfo(conninfo, f);

    if (r < 0)
        return r;
    if (!database)
        return failure_set_errno(f, -ENOMEM, "the database cannot be connected to");
    database->pq = libpq_load(f);
    if (!database->pq)
        return -ELIBACC;
    database_parameters(conninfo, &parameters);
    database->conn = database->pq->connectdbParams(parameters.keywords, parameters.values, 1);
    if (!database->conn || database->pq->status(database->conn) != CONNECTION_OK)
        return database_fail_connecting(database->pq, database->conn, f);
    (void)database->pq->setNoticeProcessor(database->conn, say_nothing, NULL);
    if (database->pq->setnonblocking(database->conn, 1) != 0)
        return database_fail_connecting(database->pq, database->conn, f);
    *ret = TAKE_PTR(database);
    return 0;
}

int database_open(const char *conninfo, Database **ret, Failure *f)
{
    _cleanup_(database_close_p) Database *database = NULL;
    int version, r = database_connect(conninfo, &database, f);

    if (r == 0)
        r = database_check_version(database, &version, f);
    if (r == 0)
        *ret = TAKE_PTR(database);
    return r;
}

/* ---- waiting ---- */

static void cancel(Database *database)
{
    PGcancel *handle = database->pq->getCancel(database->conn);
    char words[256];

    if (!handle)
        return;
    (void)database->pq->cancel(handle, words, sizeof(words));
    database->pq->freeCancel(handle);
}

/* 1 when there is something to do, 0 after a long silence, or -1 with the connection lost. */
static int wait(Database *database, bool writing)
{
    struct pollfd fd = {.fd = database->pq->socket(database->conn), .events = POLLIN};
    int r;

    if (fd.fd < 0)
        return -1;
    if (writing)
        fd.events |= POLLOUT;
    do
        r = poll(&fd, 1, (int)(SILENCE_MAX / USEC_PER_MSEC));
    while (r < 0 && errno == EINTR);
    return r;
}

/* What was sent is on its way. */
static int flush(Database *database)
{
    const Libpq *pq = database->pq;
    int more, r = 1;

    while (r > 0 && (more = pq->flush(database->conn)) > 0) {
        r = wait(database, true);
        if (r > 0 && pq->consumeInput(database->conn) == 0)
            r = -1;
    }
    return r > 0 && more < 0 ? -1 : r;
}

static int await_answer(Database *database)
{
    const Libpq *pq = database->pq;
    int r = flush(database);

    while (r > 0 && pq->isBusy(database->conn)) {
        r = wait(database, false);
        if (r > 0 && pq->consumeInput(database->conn) == 0)
            r = -1;
    }
    return r;
}

/* The last of the results, which is the one that says what failed. */
static int take_answer(Database *database, DatabaseRows *rows, Failure *f)
{
    const Libpq *pq = database->pq;
    PGresult *last = NULL, *next;
    ExecStatusType status;
    int r;

    for (;;) {
        r = await_answer(database);
        if (r == 0) {
            cancel(database);
            pq->clear(last);
            return database_fail(
                pq, database->conn, FAULT_TIMEOUT, "there was no answer for two minutes", f);
        }
        next = r > 0 ? pq->getResult(database->conn) : NULL;
        if (!next)
            break;
        pq->clear(last);
        last = next;
        if (pq->resultStatus(last) == PGRES_FATAL_ERROR)
            break;
    }
    status = last && r > 0 ? pq->resultStatus(last) : PGRES_FATAL_ERROR;
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) {
        if (rows)
            *rows = (DatabaseRows){pq, last, pq->ntuples(last)};
        else
            pq->clear(last);
        return 0;
    }
    r = database_fail_query(pq, database->conn, last, f);
    pq->clear(last);
    while (pq->status(database->conn) == CONNECTION_OK && await_answer(database) > 0 &&
           (next = pq->getResult(database->conn)))
        pq->clear(next);
    return r;
}

static int query(Database *database, const char *sql, const DatabaseValue *values, size_t n_values,
    int format, DatabaseRows *rows, Failure *f)
{
    const char *data[VALUES_MAX];
    int sizes[VALUES_MAX], formats[VALUES_MAX];
    Oid types[VALUES_MAX];

    if (rows)
        database_rows_done(rows);
    if (n_values > VALUES_MAX)
        return failure_set(f, -E2BIG, ERROR_DATABASE, "too many values for one statement");
    for (size_t i = 0; i < n_values; i++) {
        data[i] = values[i].data;
        sizes[i] = (int)values[i].n;
        formats[i] = values[i].octets;
        types[i] = values[i].octets ? OID_BYTEA : 0;
    }
    if (database->pq->sendQueryParams(
            database->conn, sql, (int)n_values, types, data, sizes, formats, format) == 0)
        return database_fail_query(database->pq, database->conn, NULL, f);
    return take_answer(database, rows, f);
}

int database_query(Database *database, const char *sql, const DatabaseValue *values,
    size_t n_values, DatabaseRows *rows, Failure *f)
{
    return query(database, sql, values, n_values, 0, rows, f);
}

int database_query_binary(Database *database, const char *sql, const DatabaseValue *values,
    size_t n_values, DatabaseRows *rows, Failure *f)
{
    return query(database, sql, values, n_values, 1, rows, f);
}

int database_run(Database *database, const char *sql, Failure *f)
{
    if (database->pq->sendQuery(database->conn, sql) == 0)
        return database_fail_query(database->pq, database->conn, NULL, f);
    return take_answer(database, NULL, f);
}

/* ---- answers ---- */

void database_rows_done(DatabaseRows *rows)
{
    if (rows->result)
        rows->pq->clear(rows->result);
    *rows = (DatabaseRows){0};
}

const char *database_field(const DatabaseRows *rows, int row, int column)
{
    return rows->pq->getisnull(rows->result, row, column)
               ? NULL
               : rows->pq->getvalue(rows->result, row, column);
}

size_t database_field_size(const DatabaseRows *rows, int row, int column)
{
    return (size_t)rows->pq->getlength(rows->result, row, column);
}

int64_t database_number(const DatabaseRows *rows, int row, int column)
{
    const char *text = database_field(rows, row, column);

    return text ? strtoll(text, NULL, 10) : 0;
}

bool database_is_true(const DatabaseRows *rows, int row, int column)
{
    const char *text = database_field(rows, row, column);

    return text && text[0] == 't';
}

/* ---- the version ---- */

int database_check_version(Database *database, int *ret, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r = database_query(
        database, "SELECT version, oldest FROM outbox.hello()", DATABASE_NO_VALUES, &rows, f);
    char words[128];

    if (r == -ESTALE) /* every version of the queue has that function */
        return database_fail(database->pq, database->conn, FAULT_NO_SCHEMA,
            "schema \"outbox\" has no function hello()", f);
    if (r < 0)
        return r;
    *ret = (int)database_number(&rows, 0, 0);
    snprintf(words, sizeof(words), "its queue is of version %d, and this outbox needs %d", *ret,
        DATABASE_VERSION);
    if (*ret < DATABASE_VERSION)
        return database_fail(database->pq, database->conn, FAULT_SCHEMA_OLD, words, f);
    if (database_number(&rows, 0, 1) > DATABASE_VERSION)
        return database_fail(database->pq, database->conn, FAULT_SCHEMA_NEW, words, f);
    return 0;
}
