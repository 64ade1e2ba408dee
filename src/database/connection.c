/* A connection's life and its statements. Must never wait for the database but at the end of the
 * process, and never leave a statement without an answer. */
#include "database/connection.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/errors.h"
#include "base/text.h"
#include "database/connect.h"
#include "database/fault.h"
#include "database/trouble.h"

#define RETRY_FIRST USEC_PER_SEC
#define RETRY_MAX (30 * USEC_PER_SEC)
#define RETRY_ACCURACY (USEC_PER_SEC / 4)

/* A statement that is not answered for so long never will be. */
#define SILENCE_MAX (30 * USEC_PER_SEC)
#define SILENCE_TEXT "30 seconds"

#define FATAL "FATAL:  "

typedef struct Asked {
    DatabaseAnswer answer;
    void *user;
    usec_t since;     /* monotonic: it is waited for */
    PGresult *result; /* it has come; that it is committed has not */
    struct Asked *next;
} Asked;

struct DatabaseResult {
    const Libpq *pq;
    const PGresult *result;
};

struct DatabaseConnection {
    sd_event *loop;
    Worker *worker;
    char *conninfo;
    const DatabaseHandlers *handlers;
    void *user;
    const Libpq *pq;
    PGconn *pg;      /* NULL: there is none */
    Job *connecting; /* likewise */
    sd_event_source *job, *io, *retry, *silence;
    usec_t delay;
    Asked *first, **last;
    bool up;     /* it has said what it is */
    bool broken; /* it is to be let go, for this: */
    Failure reason;
    char last_words[256]; /* why the server ends it, said when nothing was asked; "": nothing */
    unsigned nested;      /* calls that use it, on the stack */
};

/* ---- rows ---- */

unsigned database_result_count(const DatabaseResult *rows)
{
    return (unsigned)rows->pq->ntuples(rows->result);
}

bool database_result_is_null(const DatabaseResult *rows, unsigned row, unsigned column)
{
    return rows->pq->getisnull(rows->result, (int)row, (int)column);
}

const char *database_result_bytes(
    const DatabaseResult *rows, unsigned row, unsigned column, size_t *ret_n)
{
    *ret_n = (size_t)rows->pq->getlength(rows->result, (int)row, (int)column);
    return rows->pq->getvalue(rows->result, (int)row, (int)column);
}

const char *database_result_text(const DatabaseResult *rows, unsigned row, unsigned column)
{
    return rows->pq->getvalue(rows->result, (int)row, (int)column);
}

int64_t database_result_integer(const DatabaseResult *rows, unsigned row, unsigned column)
{
    size_t n;
    const char *value = database_result_bytes(rows, row, column, &n);
    uint64_t eight;
    uint32_t four;

    if (n == sizeof(eight)) {
        memcpy(&eight, value, n);
        return (int64_t)be64toh(eight);
    }
    if (n != sizeof(four))
        return 0;
    memcpy(&four, value, n);
    return (int32_t)be32toh(four);
}

bool database_result_truth(const DatabaseResult *rows, unsigned row, unsigned column)
{
    size_t n;
    const char *value = database_result_bytes(rows, row, column, &n);

    return n == 1 && *value;
}

/* ---- losing it ---- */

static void retry_later(DatabaseConnection *c)
{
    (void)sd_event_source_set_time_relative(c->retry, c->delay);
    (void)sd_event_source_set_enabled(c->retry, SD_EVENT_ONESHOT);
    c->delay = MIN(c->delay * 2, RETRY_MAX);
}

static void free_asked(const DatabaseConnection *c, Asked *asked)
{
    if (asked->result)
        c->pq->clear(asked->result);
    free(asked);
}

static void answer_all(DatabaseConnection *c)
{
    while (c->first) {
        Asked *asked = c->first;

        c->first = asked->next;
        asked->answer(asked->user, NULL, &c->reason);
        free_asked(c, asked);
    }
    c->last = &c->first;
}

/* Lets go of it, and tells why. */
static void let_go(DatabaseConnection *c)
{
    Failure reason;

    c->up = false;
    c->io = sd_event_source_disable_unref(c->io);
    (void)sd_event_source_set_enabled(c->silence, SD_EVENT_OFF);
    if (c->pg)
        c->pq->finish(c->pg);
    c->pg = NULL;
    answer_all(c);
    c->broken = false;
    reason = c->reason;
    c->reason = (Failure){0};
    retry_later(c);
    c->handlers->down(c->user, &reason);
    failure_done(&reason);
}

static void enter(DatabaseConnection *c)
{
    c->nested++;
}

/* What broke while it was in use is let go when nobody uses it any more. */
static void leave(DatabaseConnection *c)
{
    c->nested--;
    if (c->nested == 0 && c->broken)
        let_go(c);
}

static void keep_last_words(void *user, const char *message)
{
    DatabaseConnection *c = user;

    if (strncmp(message, FATAL, strlen(FATAL)) == 0)
        (void)snprintf(c->last_words, sizeof(c->last_words), "%s", message + strlen(FATAL));
}

static void break_off(DatabaseConnection *c)
{
    if (!c->broken && *c->last_words)
        (void)database_fail(c->pq, c->pg, FAULT_LOST, c->last_words, &c->reason);
    else if (!c->broken)
        (void)database_fail_connecting(c->pq, c->pg, &c->reason);
    c->broken = true;
}

static void break_off_by(DatabaseConnection *c, const PGresult *result)
{
    if (!c->broken)
        (void)database_fail_query(c->pq, c->pg, result, &c->reason);
    c->broken = true;
}

/* ---- what comes ---- */

static bool is_good(const DatabaseConnection *c, const PGresult *result)
{
    ExecStatusType status = c->pq->resultStatus(result);

    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/* The transaction is committed by the sync behind its statement, which may fail or never be
 * answered: a result that came is no answer before. */
static void keep_result(DatabaseConnection *c, Asked *asked, PGresult *result)
{
    c->pq->clear(asked->result);
    asked->result = result;
    /* One that may be tried again at once took nothing but its own statement along. */
    if (!is_good(c, result) && database_fault_of_result(c->pq, c->pg, result) != FAULT_CONFLICT)
        break_off_by(c, result); /* answered with all others */
}

static void answer(DatabaseConnection *c, const Asked *asked)
{
    const DatabaseResult rows = {c->pq, asked->result};
    _cleanup_failure_ Failure f = {0};

    if (asked->result && is_good(c, asked->result)) {
        asked->answer(asked->user, &rows, NULL);
        return;
    }
    (void)database_fail_query(c->pq, c->pg, asked->result, &f);
    asked->answer(asked->user, NULL, &f);
}

static void answer_first(DatabaseConnection *c)
{
    Asked *asked = c->first;

    c->first = asked->next;
    if (!c->first)
        c->last = &c->first;
    else /* what stood in front of it was no silence */
        c->first->since = clock_monotonic();
    answer(c, asked);
    free_asked(c, asked);
}

static void take_result(DatabaseConnection *c, PGresult *result)
{
    if (c->pq->resultStatus(result) != PGRES_PIPELINE_SYNC) {
        keep_result(c, c->first, result);
        return;
    }
    c->pq->clear(result);
    answer_first(c);
}

static void read_notifications(DatabaseConnection *c)
{
    bool any = false;
    PGnotify *one;

    while ((one = c->pq->notifies(c->pg))) {
        any = true;
        c->pq->freemem(one);
    }
    if (any && c->up)
        c->handlers->notified(c->user);
}

static void read_results(DatabaseConnection *c)
{
    if (!c->pq->consumeInput(c->pg)) {
        break_off(c);
        return;
    }
    /* Between the results of two statements there is a NULL. */
    while (!c->broken && c->first && !c->pq->isBusy(c->pg)) {
        PGresult *result = c->pq->getResult(c->pg);

        if (result)
            take_result(c, result);
        if (c->pq->status(c->pg) == CONNECTION_BAD)
            break_off(c);
    }
    if (!c->broken)
        read_notifications(c);
}

static void watch_silence(DatabaseConnection *c)
{
    if (!c->first) {
        (void)sd_event_source_set_enabled(c->silence, SD_EVENT_OFF);
        return;
    }
    (void)sd_event_source_set_time(c->silence, usec_add(c->first->since, SILENCE_MAX));
    (void)sd_event_source_set_enabled(c->silence, SD_EVENT_ONESHOT);
}

/* Writes what can be written; the rest when the socket takes it. */
static void flush(DatabaseConnection *c)
{
    int r = c->pq->flush(c->pg);

    if (r < 0)
        break_off(c);
    else if (c->io)
        (void)sd_event_source_set_io_events(c->io, r > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int on_io(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *user)
{
    DatabaseConnection *c = user;

    enter(c);
    read_results(c);
    if (!c->broken)
        flush(c);
    watch_silence(c);
    leave(c);
    return 0;
}

static int on_silence(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    DatabaseConnection *c = user;

    /* What came while this process was stopped is there to be read first. */
    enter(c);
    read_results(c);
    if (!c->broken && c->first && clock_monotonic() >= usec_add(c->first->since, SILENCE_MAX)) {
        (void)database_fail(
            c->pq, c->pg, FAULT_TIMEOUT, "it has not answered for " SILENCE_TEXT, &c->reason);
        c->broken = true;
    }
    watch_silence(c);
    leave(c);
    return 0;
}

/* ---- asking ---- */

static int send_statement(
    DatabaseConnection *c, const char *statement, const char *const *values, unsigned n_values)
{
    if (c->pq->sendQueryParams(c->pg, statement, (int)n_values, NULL, values, NULL, NULL, 1) &&
        c->pq->pipelineSync(c->pg))
        return 0;
    enter(c);
    break_off(c);
    return -ENOTCONN;
}

int database_ask(DatabaseConnection *c, const char *statement, const char *const *values,
    unsigned n_values, DatabaseAnswer answered, void *user)
{
    Asked *asked;

    if (!c->pg || c->broken)
        return -ENOTCONN;
    asked = calloc(1, sizeof(Asked));
    if (!asked)
        return -ENOMEM;
    *asked = (Asked){.answer = answered, .user = user, .since = clock_monotonic()};
    if (send_statement(c, statement, values, n_values) < 0) {
        free(asked);
        c->nested--;
        (void)sd_event_source_set_time(c->silence, 0); /* let go of from the loop */
        (void)sd_event_source_set_enabled(c->silence, SD_EVENT_ONESHOT);
        return -ENOTCONN;
    }
    *c->last = asked;
    c->last = &asked->next;
    if (c->io)
        (void)sd_event_source_set_io_events(c->io, EPOLLIN | EPOLLOUT);
    watch_silence(c);
    return 0;
}

/* ---- connecting ---- */

/* Whether it is one that we can work with. What is not answered had an end of its own. */
static bool is_fit(DatabaseConnection *c, const DatabaseResult *rows)
{
    if (rows && database_judge(c->pq, c->pg, rows, &c->reason) < 0)
        c->broken = true;
    return rows && !c->broken;
}

static void on_version(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    (void)is_fit(user, rows);
}

void database_connection_ask_version(DatabaseConnection *c)
{
    (void)database_ask(c, DATABASE_HELLO, NULL, 0, on_version, c);
}

static void on_hello(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseConnection *c = user;

    if (!is_fit(c, rows))
        return;
    c->up = true;
    c->delay = RETRY_FIRST;
    c->handlers->up(c->user);
}

static void on_prepared(
    _unused_ void *user, _unused_ const DatabaseResult *rows, _unused_ const Failure *failure)
{
}

/* A statement that waits for a lock would go on to wait when nobody is there any more, with one
 * more of the server's connections for each time that we have lost patience. */
#define END_WITH_US                                          \
    "SELECT set_config(name, '10s', false) FROM pg_settings" \
    " WHERE name = 'client_connection_check_interval' AND setting = '0'"

static void begin(DatabaseConnection *c)
{
    int r;

    enter(c);
    r = sd_event_add_io(c->loop, &c->io, c->pq->socket(c->pg), EPOLLIN | EPOLLOUT, on_io, c);
    if (r < 0) {
        (void)failure_set_errno(&c->reason, r, "cannot watch the connection");
        c->broken = true;
    } else if (!c->pq->enterPipelineMode(c->pg) || c->pq->setnonblocking(c->pg, 1) < 0 ||
               database_ask(c, END_WITH_US, NULL, 0, on_prepared, c) < 0 ||
               database_ask(c, "LISTEN outbox", NULL, 0, on_prepared, c) < 0 ||
               database_ask(c, DATABASE_HELLO, NULL, 0, on_hello, c) < 0) {
        break_off(c);
    }
    leave(c);
}

static int on_connected(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *user)
{
    DatabaseConnection *c = user;
    PGconn *pg;

    if (!job_has_ended(c->connecting))
        return 0;
    pg = database_connect_take(c->connecting);
    c->job = sd_event_source_disable_unref(c->job);
    (void)job_free(TAKE_PTR(c->connecting));
    c->pg = pg;
    *c->last_words = '\0';
    if (pg && c->pq->status(pg) == CONNECTION_OK) {
        (void)c->pq->setNoticeProcessor(pg, keep_last_words, c);
        begin(c);
        return 0;
    }
    enter(c);
    break_off(c);
    leave(c);
    return 0;
}

static int connect_now(DatabaseConnection *c)
{
    int r = database_connect_begin(c->worker, c->pq, c->conninfo, &c->connecting);

    if (r < 0)
        return r;
    r = sd_event_add_io(c->loop, &c->job, job_fd(c->connecting), EPOLLIN, on_connected, c);
    if (r < 0)
        (void)job_free(TAKE_PTR(c->connecting));
    return r;
}

static int on_retry(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    DatabaseConnection *c = user;
    int r;

    if (c->pg || c->connecting)
        return 0;
    if (!c->pq)
        c->pq = libpq_load(&c->reason);
    r = c->pq ? connect_now(c) : -ENOENT;
    if (r < 0 && c->pq)
        (void)failure_set_errno(&c->reason, r, "cannot connect to the database");
    if (r < 0)
        let_go(c);
    return 0;
}

void database_connection_hurry(DatabaseConnection *c)
{
    int enabled = SD_EVENT_OFF;

    (void)sd_event_source_get_enabled(c->retry, &enabled);
    c->delay = RETRY_FIRST;
    if (enabled != SD_EVENT_OFF)
        (void)sd_event_source_set_time_relative(c->retry, 0);
}

bool database_connection_is_up(const DatabaseConnection *c)
{
    return c->up && !c->broken;
}

/* ---- life ---- */

static int add_timers(DatabaseConnection *c)
{
    int r = sd_event_add_time_relative(
        c->loop, &c->retry, CLOCK_MONOTONIC, 0, RETRY_ACCURACY, on_retry, c);

    if (r >= 0)
        r = sd_event_add_time(
            c->loop, &c->silence, CLOCK_MONOTONIC, 0, RETRY_ACCURACY, on_silence, c);
    return r < 0 ? r : sd_event_source_set_enabled(c->silence, SD_EVENT_OFF);
}

int database_connection_new(sd_event *loop, Worker *worker, const char *conninfo,
    const DatabaseHandlers *handlers, void *user, DatabaseConnection **ret, Failure *f)
{
    _cleanup_(database_connection_free_p) DatabaseConnection *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return failure_set_errno(f, -ENOMEM, "cannot connect to the database");
    c->loop = sd_event_ref(loop);
    c->worker = worker_ref(worker);
    c->handlers = handlers;
    c->user = user;
    c->delay = RETRY_FIRST;
    c->last = &c->first;
    c->conninfo = strdup(conninfo);
    r = c->conninfo ? add_timers(c) : -ENOMEM;
    if (r < 0)
        return failure_set_errno(f, r, "cannot connect to the database");
    *ret = TAKE_PTR(c);
    return 0;
}

void database_connection_free(DatabaseConnection *c)
{
    if (!c)
        return;
    (void)sd_event_source_disable_unref(c->job);
    (void)sd_event_source_disable_unref(c->io);
    (void)sd_event_source_disable_unref(c->retry);
    (void)sd_event_source_disable_unref(c->silence);
    (void)job_free(c->connecting);
    if (c->pg)
        c->pq->finish(c->pg);
    c->pg = NULL;
    answer_all(c);
    failure_done(&c->reason);
    if (c->conninfo)
        explicit_bzero(c->conninfo, strlen(c->conninfo));
    free(c->conninfo);
    (void)worker_unref(c->worker);
    (void)sd_event_unref(c->loop);
    free(c);
}

void database_connection_finish(DatabaseConnection *c, usec_t until)
{
    enter(c); /* nothing is let go of, or tried again */
    while (c->pg && !c->broken && c->first) {
        int more = c->pq->flush(c->pg);
        struct pollfd poll_fd = {
            .fd = c->pq->socket(c->pg), .events = (short)(more > 0 ? POLLIN | POLLOUT : POLLIN)};
        usec_t now = clock_monotonic();

        if (more < 0 || now >= until ||
            poll(&poll_fd, 1, (int)((until - now) / USEC_PER_MSEC) + 1) < 0)
            break;
        read_results(c);
    }
    c->nested--;
}
