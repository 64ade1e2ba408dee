/* Letting go of what operators want, and saying what is being sent. Must never let go of a message
 * of which anything has gone to a relay. */
#include "database/wishes.h"

#include "database/held.h"
#include "database/reading.h"
#include "database/rest.h"

/* Asks a function that takes the daemon and messages. */
static int ask_of(
    DatabaseSource *d, const char *statement, Buffer *messages, DatabaseAnswer answered)
{
    char daemon[DAEMON_TEXT_MAX];
    const char *values[2] = {database_format_daemon(d, daemon)};
    int r = buffer_append(messages, "}", 2);

    values[1] = buffer_data(messages);
    return r < 0 ? r : database_ask(d->connection, statement, values, 2, answered, d);
}

/* ---- letting go ---- */

static DatabaseMessage *find(const DatabaseSource *d, int64_t number)
{
    for (DatabaseMessage *m = d->held; m; m = m->older)
        if (m->number == number && m->daemon == d->daemon && !m->listed && !m->orphan)
            return m;
    return NULL;
}

/* Whether nobody sends it from here on. */
static bool get_hold_of(DatabaseSource *d, DatabaseMessage *m)
{
    return database_list_remove(&d->loading, m) || database_list_remove(&d->ready, m) ||
           (d->base.handlers && d->base.handlers->yield(d->base.user, &m->base));
}

/* What has not gone back by that is a stray. */
static void on_let_go(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;

    d->strays = d->strays || !rows;
}

static void on_wishes(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;
    _cleanup_buffer_ Buffer messages = {0};

    for (unsigned i = 0; rows && i < database_result_count(rows); i++) {
        DatabaseMessage *m = find(d, database_result_integer(rows, i, 0));

        if (!m || !get_hold_of(d, m))
            continue;
        d->strays = database_append_id(&messages, m->id) < 0 || d->strays;
        database_rest_remember(d, m->number);
        database_drop(m);
    }
    if (buffer_size(&messages) > 0 &&
        ask_of(d, "SELECT outbox.let_go($1, $2)", &messages, on_let_go) < 0)
        d->strays = true;
}

void database_look_for_wishes(DatabaseSource *d)
{
    char daemon[DAEMON_TEXT_MAX];
    const char *const values[] = {database_format_daemon(d, daemon)};

    if (d->alive && d->held)
        (void)database_ask(d->connection, "SELECT outbox.wishes($1)", values, 1, on_wishes, d);
}

/* ---- what is being sent ---- */

/* Most messages are sent between two ticks, and nothing is written of them: it is for people. */
void database_tell_sending(DatabaseSource *d)
{
    _cleanup_buffer_ Buffer messages = {0};

    for (DatabaseMessage *m = d->held; m; m = m->older) {
        if (!m->base.sending || m->told_sending || m->ends)
            continue;
        if (m->seen_sending)
            m->told_sending = database_append_id(&messages, m->id) >= 0;
        m->seen_sending = true;
    }
    if (buffer_size(&messages) > 0)
        (void)ask_of(d, "SELECT outbox.sending($1, $2)", &messages, database_ignore);
}
