/* Writing outcomes in batches. Must never forget one, nor take an answer for another's. */
#include "database/writes.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "database/lease.h"
#include "database/notice.h"
#include "database/trouble.h"

/* Messages, and bytes of what is said of them, in one statement. */
#define BATCH_MAX 200
#define BATCH_BYTES (1024 * 1024)

static const char write_statement[] =
    "SELECT message, written, code, words, told FROM outbox.write($1, $2)";

static DatabaseSource *database_of(const DatabaseMessage *m)
{
    return database_source_from(m->base.source);
}

/* ---- answers ---- */

static DatabaseMessage *find(const DatabaseSource *d, int64_t number)
{
    for (DatabaseMessage *m = d->ending.first; m; m = m->next)
        if (m->number == number && m->writing)
            return m;
    return NULL;
}

static void unlist(DatabaseSource *d, DatabaseMessage *m)
{
    (void)database_list_remove(&d->ending, m);
    m->listed = false;
}

/* Who waits for it is told, and it is no more. */
static void finish(DatabaseSource *d, DatabaseMessage *m, int result, const Failure *f)
{
    unlist(d, m);
    if (result == 0 && m->defect.text)
        database_tell(d, FOUND_DEFECT, m, &m->defect);
    if (result == 0 && m->due > 0)
        database_note_due(d, m->due);
    if (m->wanted)
        database_want(d, m->id);
    if (!m->orphan && d->base.handlers)
        d->base.handlers->ended(d->base.user, &m->base, result, f);
    database_message_free(m);
}

/* It is held still, and settled once more by who holds it. */
static void fail(DatabaseSource *d, DatabaseMessage *m, int error, const Failure *f)
{
    unlist(d, m);
    m->ends = false;
    if (d->base.handlers)
        d->base.handlers->ended(d->base.user, &m->base, error, f);
}

static void tell_taken(DatabaseSource *d, DatabaseMessage *m)
{
    _cleanup_failure_ Failure f = {0};

    (void)failure_set(&f, SOURCE_GONE, ERROR_SPOOL,
        "it was taken away while it was being sent: it was deleted, or this daemon was not heard "
        "of "
        "for longer than its lease and another has it; what became of it is not written");
    finish(d, m, SOURCE_GONE, &f);
}

static void on_refused(
    DatabaseSource *d, DatabaseMessage *m, const DatabaseResult *rows, unsigned row)
{
    _cleanup_failure_ Failure f = {0};
    int r = database_trouble(
        database_result_text(rows, row, 2), database_result_text(rows, row, 3), &f);

    if (m->orphan) /* nobody else says it: tried again with the next tick */
        return;
    if (!m->ends) /* the end says it once more */
        unlist(d, m);
    else if (m->writes_end)
        fail(d, m, r, &f);
}

/* What stands in the list for a note alone is in somebody's hands still, or in nobody's. */
static void end_note(DatabaseSource *d, DatabaseMessage *m)
{
    if (m->orphan)
        finish(d, m, 0, NULL);
    else if (!m->ends && buffer_size(&m->lines) == 0)
        unlist(d, m);
}

/* Where the lease has ended and this daemon does not know, it learns that first: what was taken
 * from it may be nobody's yet. */
static bool may_be_nobodys(const DatabaseSource *d, const DatabaseMessage *m)
{
    return !m->doubted && !m->unsure && m->daemon == d->daemon;
}

/* It is not ours: others have it, or it was written when the connection was lost. */
static bool on_not_held(DatabaseSource *d, DatabaseMessage *m)
{
    if (!m->writes_end && !m->orphan) {
        if (!m->ends)
            unlist(d, m); /* its end says it once more */
        return true;
    }
    if (may_be_nobodys(d, m)) {
        m->doubted = true;
        database_renew(d);
        return false;
    }
    if (m->orphan || (m->unsure && m->daemon == d->daemon))
        finish(d, m, 0, NULL);
    else
        tell_taken(d, m);
    return true;
}

static void on_written(
    DatabaseSource *d, DatabaseMessage *m, const DatabaseResult *rows, unsigned row)
{
    if (m->unsure || m->daemon != d->daemon) /* it may have been taken back: that is told anew */
        m->seen_sending = m->told_sending = false;
    m->daemon = d->daemon;
    database_message_written(m);
    if (!m->writes_end) {
        end_note(d, m);
        return;
    }
    database_notice_written(m, rows, row);
    finish(d, m, 0, NULL);
}

static bool take_answer(DatabaseSource *d, const DatabaseResult *rows, unsigned row)
{
    DatabaseMessage *m = find(d, database_result_integer(rows, row, 0));

    if (!m)
        return true;
    m->writing = false;
    if (!database_result_is_null(rows, row, 2)) {
        on_refused(d, m, rows, row);
        return false;
    }
    if (!database_result_truth(rows, row, 1))
        return on_not_held(d, m);
    on_written(d, m, rows, row);
    return true;
}

/* The server may let a statement take less time (statement_timeout) than all need that have
 * gathered: the same ones would be cut off again and again. */
static void fit_batch(DatabaseSource *d, bool answered)
{
    d->write_most =
        answered ? MIN(d->write_most + 1, (size_t)BATCH_MAX) : MAX(d->n_writing / 2, (size_t)1);
}

/* What the database does not take is tried again with the next tick. */
static void on_answer(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;
    bool all = true;

    fit_batch(d, rows != NULL);
    d->n_writing = 0;
    if (!rows) {
        database_writes_doubt(d);
        return;
    }
    for (unsigned i = 0; i < database_result_count(rows); i++)
        all &= take_answer(d, rows, i);
    for (DatabaseMessage *m = d->ending.first; m; m = m->next)
        m->writing = false;
    if (all)
        database_write_now(d);
    database_wake(d);
}

/* ---- sending ---- */

static size_t form_batch(DatabaseSource *d, Buffer *out)
{
    size_t n = 0;

    if (buffer_append(out, "[", 1) < 0)
        return 0;
    for (DatabaseMessage *m = d->ending.first;
         m && n < d->write_most && buffer_size(out) < BATCH_BYTES; m = m->next)
        n += database_message_append(m, m->unsure || m->daemon != d->daemon, out) >= 0;
    return buffer_append(out, "]", 2) < 0 ? 0 : n; /* with its NUL */
}

void database_write_now(DatabaseSource *d)
{
    _cleanup_buffer_ Buffer batch = {0};
    char daemon[DAEMON_TEXT_MAX];
    const char *values[2] = {daemon};

    if (d->n_writing > 0 || !d->ending.first || !d->alive || d->beginning)
        return;
    d->n_writing = form_batch(d, &batch);
    (void)database_format_daemon(d, daemon);
    values[1] = buffer_data(&batch);
    if (d->n_writing > 0 &&
        database_ask(d->connection, write_statement, values, 2, on_answer, d) >= 0)
        return;
    for (DatabaseMessage *m = d->ending.first; m; m = m->next)
        m->writing = false;
    d->n_writing = 0;
}

void database_writes_doubt(DatabaseSource *d)
{
    for (DatabaseMessage *m = d->ending.first; m; m = m->next) {
        m->unsure |= m->writing;
        m->writing = false;
    }
}

static int on_write(_unused_ sd_event_source *source, void *user)
{
    database_write_now(user);
    return 0;
}

int database_writes_init(DatabaseSource *d)
{
    int r = sd_event_add_defer(d->loop, &d->write, on_write, d);

    database_list_init(&d->ending);
    d->write_most = BATCH_MAX;
    return r < 0 ? r : sd_event_source_set_enabled(d->write, SD_EVENT_OFF);
}

void database_write_later(DatabaseSource *d, DatabaseMessage *m)
{
    if (!m->listed)
        database_list_add(&d->ending, m);
    m->listed = true;
    (void)sd_event_source_set_enabled(d->write, SD_EVENT_ONESHOT);
}

bool database_write_returned(DatabaseSource *d, const char *id)
{
    for (DatabaseMessage *m = d->ending.first; m; m = m->next)
        if (m->ends && m->put_off && strcmp(m->id, id) == 0) {
            m->wanted = m->writing || m->unsure;
            return m->writing || database_message_return(m) >= 0;
        }
    return false;
}

/* What is to be written of them, if anything is, is written by the lease that comes. */
void database_write_claims(DatabaseSource *d)
{
    for (DatabaseMessage *m = d->held; m; m = m->older)
        if (!m->orphan)
            database_write_later(d, m);
}

/* ---- what the engine asks ---- */

/* It is on its way before anything else is: in front of the next transaction's end. Where there is
 * no database this attempt ends here, and is written when there is one. */
int database_message_sync(HeldMessage *message, Failure *f)
{
    DatabaseMessage *m = (DatabaseMessage *)message;
    DatabaseSource *d = database_of(m);

    if (buffer_size(&m->lines) == 0)
        return 0;
    if (!d->alive || !database_connection_is_up(d->connection))
        return failure_set(f, -ENOTCONN, ERROR_SPOOL, "the database cannot be reached");
    database_write_later(d, m);
    database_write_now(d);
    return 0;
}

int database_message_settle(
    HeldMessage *message, const MessageEnd *end, char ret_id[static SOURCE_ID_MAX], Failure *f)
{
    DatabaseMessage *m = (DatabaseMessage *)message;
    int r = database_notice_make(m, end, f);

    memccpy(ret_id, m->id, '\0', SOURCE_ID_MAX);
    if (r < 0)
        return r;
    r = database_message_end(m, end);
    if (r < 0)
        return failure_set(f, r, ERROR_MEMORY, "no memory for what became of %s", m->id);
    m->ends = true;
    database_write_later(database_of(m), m);
    return SOURCE_LATER;
}

/* What is to be written of it still is. */
void database_message_abandon(HeldMessage *message)
{
    DatabaseMessage *m = (DatabaseMessage *)message;

    if (m->listed)
        m->orphan = true;
    else
        database_message_free(m);
}
