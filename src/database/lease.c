/* The lease, and the clockwork. Must never take what this daemon holds for its own when it has not
 * been heard of for longer than that. */
#include "database/lease.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/errors.h"
#include "base/text.h"
#include "database/clocks.h"
#include "database/reading.h"
#include "database/writes.h"

/* What is held is ours for LEASE after the database has heard of us. What a daemon that is gone
 * held, others have after that. The margin is for how differently clocks run, and for what is sent
 * then. */
#define LEASE (60 * USEC_PER_SEC)
#define LEASE_TEXT "60 seconds"
#define LEASE_MARGIN (10 * USEC_PER_SEC)
#define RENEW_EVERY (15 * USEC_PER_SEC)

#define TICK USEC_PER_SEC
#define TICK_ACCURACY (USEC_PER_SEC / 10)
#define REAP_EVERY (10 * USEC_PER_SEC)
#define RIPEN_EVERY (5 * USEC_PER_SEC)
#define RIPEN_MOST 1000
#define RIPEN_BEHIND 60 /* seconds that a transaction may take to write when a message is due */
#define FORGET_EVERY USEC_PER_HOUR
#define RESCAN_EVERY (5 * USEC_PER_MINUTE)
#define END_PATIENCE (5 * USEC_PER_SEC)

/* A machine that sleeps does not stop the lease. */
static usec_t now_boottime(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (usec_t)t.tv_sec * USEC_PER_SEC + (usec_t)t.tv_nsec / 1000;
}

bool database_holds(const DatabaseSource *d)
{
    return d->alive && now_boottime() < d->lease_end;
}

static const char *format_daemon(const DatabaseSource *d, char text[static 24])
{
    (void)snprintf(text, 24, "%" PRId64, d->daemon);
    return text;
}

/* ---- lost and back ---- */

/* Once, and again when there is something that somebody has to mend: one that restarts says a thing
 * or two before it is back. */
static void tell_lost(DatabaseSource *d, const Failure *f)
{
    if (d->lost_for && (f->number == ERROR_DATABASE || text_equal(d->lost_for, failure_text(f))))
        return;
    free(d->lost_for);
    d->lost_for = strdup(failure_text(f));
    database_tell(d, FOUND_LOST, NULL, f);
}

static void be_back(DatabaseSource *d)
{
    if (!d->lost_for)
        return;
    free(TAKE_PTR(d->lost_for));
    database_tell(d, FOUND_BACK, NULL, NULL);
}

static void ignore(
    _unused_ void *user, _unused_ const DatabaseResult *rows, _unused_ const Failure *failure)
{
}

/* Of claims whose answers were lost nobody knows but the database. */
static void keep_what_is_known(DatabaseSource *d)
{
    _cleanup_buffer_ Buffer known = {0};
    char daemon[24];
    const char *values[2] = {format_daemon(d, daemon)};
    int r = buffer_append(&known, "{", 1);

    for (const DatabaseMessage *m = d->held; m && r >= 0; m = m->older)
        r = buffer_appendf(&known, "%s%s", m == d->held ? "" : ",", m->id);
    if (r < 0 || buffer_append(&known, "}", 2) < 0)
        return;
    values[1] = buffer_data(&known);
    (void)database_ask(d->connection, "SELECT outbox.keep_only($1, $2)", values, 2, ignore, d);
}

static void come_alive(DatabaseSource *d)
{
    d->alive = true;
    be_back(d);
    keep_what_is_known(d);
    claims_rescan(&d->claims);
    d->rescanned = now_boottime();
    d->ripened = d->reaped = 0;
    database_learn_lanes(d);
    database_write_now(d);
    database_read_on(d);
    database_ripen(d);
    if (d->flush)
        database_flush(d);
    database_claim(d);
    (void)sd_event_source_set_time_relative(d->tick, TICK);
    (void)sd_event_source_set_enabled(d->tick, SD_EVENT_ON);
}

/* ---- the lease ---- */

static void compare_clocks(DatabaseSource *d, const DatabaseResult *rows)
{
    database_clocks_compare(d, database_result_integer(rows, 0, 1), d->renewed, now_boottime());
}

static void on_begun(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;

    d->beginning = false;
    if (!rows || database_result_count(rows) != 1)
        return;
    compare_clocks(d, rows);
    d->daemon = database_result_integer(rows, 0, 0);
    d->lease_end = d->renewed + LEASE - LEASE_MARGIN;
    come_alive(d);
}

static void begin(DatabaseSource *d)
{
    const char *const values[] = {d->name, LEASE_TEXT};

    d->renewed = now_boottime();
    d->beginning =
        database_ask(d->connection, "SELECT outbox.daemon_begin($1, $2), " DATABASE_CLOCK, values,
            2, on_begun, d) >= 0;
}

/* What this daemon held is ready for all. What is at a relay at this moment cannot be called back:
 * it is claimed by its number before others come to it, if they have not. */
static void lose(DatabaseSource *d)
{
    _cleanup_failure_ Failure f = {0};

    d->alive = false;
    d->daemon = 0;
    database_drop_waiting(d);
    database_write_claims(d);
    (void)failure_set(&f, -ESTALE, ERROR_SPOOL,
        "this daemon was not heard of there for longer than its lease (%s), and others have taken "
        "what it held; it begins anew",
        LEASE_TEXT);
    tell_lost(d, &f);
    begin(d);
}

static void on_renewed(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;

    d->beginning = false;
    if (!rows || database_result_count(rows) != 1)
        return;
    compare_clocks(d, rows);
    if (!database_result_truth(rows, 0, 0)) {
        lose(d);
        return;
    }
    d->lease_end = d->renewed + LEASE - LEASE_MARGIN;
    if (!d->alive)
        come_alive(d);
    database_write_now(d);
    database_wake(d);
}

static bool is_idle(const DatabaseSource *d)
{
    return d->claims.looked && d->loading.n + d->ready.n + d->ending.n == 0;
}

void database_renew(DatabaseSource *d)
{
    char daemon[24];
    const char *const values[] = {format_daemon(d, daemon), LEASE_TEXT, is_idle(d) ? "t" : "f",
        buffer_size(&d->figures) > 0 ? buffer_data(&d->figures) : NULL};

    if (d->beginning)
        return;
    d->told_idle = is_idle(d);
    d->renewed = now_boottime();
    d->beginning =
        database_ask(d->connection, "SELECT outbox.daemon_renew($1, $2, $3, $4), " DATABASE_CLOCK,
            values, 4, on_renewed, d) >= 0;
}

/* ---- what the connection tells ---- */

static void on_up(void *user)
{
    DatabaseSource *d = user;

    (void)sd_event_source_set_time_relative(d->tick, TICK);
    (void)sd_event_source_set_enabled(d->tick, SD_EVENT_ON);
    if (d->daemon == 0)
        begin(d);
    else
        database_renew(d);
}

static void on_down(void *user, const Failure *failure)
{
    DatabaseSource *d = user;

    d->alive = d->beginning = false;
    (void)sd_event_source_set_enabled(d->tick, SD_EVENT_OFF);
    tell_lost(d, failure);
}

static void on_notified(void *user)
{
    database_claim(user);
}

const DatabaseHandlers database_lease_handlers = {
    .up = on_up,
    .down = on_down,
    .notified = on_notified,
};

/* ---- at intervals ---- */

static void on_ripe(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;

    if (!rows || database_result_count(rows) != 1)
        return;
    d->next_due = database_result_is_null(rows, 0, 1)
                      ? USEC_NEVER
                      : database_time_here(d, database_result_integer(rows, 0, 1));
    if (database_result_integer(rows, 0, 0) >= RIPEN_MOST)
        d->ripened = 0; /* there may be more that was due long ago: with the next tick */
    if (database_result_integer(rows, 0, 0) > 0)
        database_claim(d);
}

/* By the database's clock: from when it was done last, and a little before. */
void database_ripen(DatabaseSource *d)
{
    static const char statement[] =
        "SELECT ripe, (extract(epoch FROM next) * 1000000)::bigint FROM outbox.ripen("
        "coalesce(clock_timestamp() - $1::interval, '-infinity'), $2)";
    usec_t now = now_boottime();
    char behind[48], most[16];
    const char *values[2] = {behind, most};

    (void)snprintf(behind, sizeof(behind), "%llu seconds",
        (unsigned long long)((now - d->ripened) / USEC_PER_SEC + RIPEN_BEHIND));
    (void)snprintf(most, sizeof(most), "%d", RIPEN_MOST);
    if (d->ripened == 0)
        values[0] = NULL;
    if (database_ask(d->connection, statement, values, 2, on_ripe, d) >= 0)
        d->ripened = now;
}

static void reap(DatabaseSource *d, usec_t now)
{
    d->reaped = now;
    (void)database_ask(d->connection, "SELECT outbox.reap()", NULL, 0, ignore, d);
}

static void forget_keys(DatabaseSource *d, usec_t now)
{
    d->forgot = now;
    (void)database_ask(d->connection, "SELECT outbox.forget_keys()", NULL, 0, ignore, d);
}

static void rescan(DatabaseSource *d, usec_t now)
{
    d->rescanned = now;
    d->ripened = 0;
    claims_rescan(&d->claims);
}

static int on_tick(sd_event_source *source, _unused_ usec_t when, void *user)
{
    DatabaseSource *d = user;
    usec_t now = now_boottime();

    (void)sd_event_source_set_time_relative(source, TICK);
    if (!d->alive) { /* what was asked for met with a conflict: once more */
        if (database_connection_is_up(d->connection) && !d->beginning)
            on_up(d);
        return 0;
    }
    if (now >= d->renewed + RENEW_EVERY || is_idle(d) != d->told_idle)
        database_renew(d);
    if (!database_holds(d)) /* it is to be seen whether anything is ours still */
        return 0;
    if (now >= d->reaped + REAP_EVERY)
        reap(d, now);
    if (now >= d->forgot + FORGET_EVERY)
        forget_keys(d, now);
    if (now >= d->rescanned + RESCAN_EVERY)
        rescan(d, now);
    if (now >= d->ripened + RIPEN_EVERY || clock_realtime() >= d->next_due)
        database_ripen(d);
    database_learn_lanes(d);
    database_write_now(d);
    database_read_on(d);
    database_claim(d);
    return 0;
}

/* ---- life ---- */

int database_lease_init(DatabaseSource *d)
{
    int r = sd_event_add_time_relative(
        d->loop, &d->tick, CLOCK_MONOTONIC, 0, TICK_ACCURACY, on_tick, d);

    d->next_due = USEC_NEVER;
    return r < 0 ? r : sd_event_source_set_enabled(d->tick, SD_EVENT_OFF);
}

void database_lease_end(DatabaseSource *d)
{
    char daemon[24];
    const char *const values[] = {format_daemon(d, daemon)};

    if (!d->alive)
        return;
    d->stopping = true;
    database_write_now(d);
    database_connection_finish(d->connection, END_PATIENCE);
    if (database_ask(d->connection, "SELECT outbox.daemon_end($1)", values, 1, ignore, d) >= 0)
        database_connection_finish(d->connection, END_PATIENCE);
}

void database_lease_done(DatabaseSource *d)
{
    d->tick = sd_event_source_disable_unref(d->tick);
    free(d->lost_for);
}
