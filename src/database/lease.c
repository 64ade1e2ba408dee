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
#include "database/kept.h"
#include "database/lanes.h"
#include "database/quiet.h"
#include "database/reading.h"
#include "database/rest.h"
#include "database/wishes.h"
#include "database/writes.h"

/* What a daemon that is gone held, others have after its lease. The margin is for how differently
 * clocks run, and for what is sent then. */
#define LEASE DATABASE_SOURCE_LEASE
#define LEASE_MARGIN (10 * USEC_PER_SEC)
#define RENEW_EVERY (15 * USEC_PER_SEC)

#define TICK USEC_PER_SEC
#define TICK_ACCURACY (USEC_PER_SEC / 10)
#define REAP_EVERY (10 * USEC_PER_SEC)
#define RIPEN_EVERY (5 * USEC_PER_SEC)
#define RIPEN_MOST 1000
#define LEARN_EVERY (5 * USEC_PER_SEC)
#define OFFER_EVERY (5 * USEC_PER_SEC)
#define OFFER_REST (30 * USEC_PER_SEC) /* after all was looked at, and there was nothing */
#define OFFER_MOST 200
#define RIPEN_BEHIND 60 /* seconds that a transaction may take to write when a message is due */
#define FORGET_EVERY USEC_PER_HOUR
#define RESCAN_EVERY (5 * USEC_PER_MINUTE)
#define END_PATIENCE (10 * USEC_PER_SEC)
#define END_TRIES 5

#define SHARERS_MAX 100000

/* A machine that sleeps does not stop the lease. */
usec_t database_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (usec_t)t.tv_sec * USEC_PER_SEC + (usec_t)t.tv_nsec / 1000;
}

bool database_holds(const DatabaseSource *d)
{
    return d->alive && database_now() < d->lease_end;
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

static void on_kept_only(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;

    d->strays = !rows;
}

/* Of claims whose answers were lost nobody knows but the database. */
void database_keep_what_is_known(DatabaseSource *d)
{
    _cleanup_buffer_ Buffer known = {0};
    char daemon[DAEMON_TEXT_MAX];
    const char *values[2] = {database_format_daemon(d, daemon)};
    int r = buffer_append(&known, "{", 1);

    for (const DatabaseMessage *m = d->held; m && r >= 0; m = m->older)
        r = database_append_id(&known, m->id);
    if (r < 0 || buffer_append(&known, "}", 2) < 0)
        return;
    values[1] = buffer_data(&known);
    (void)database_ask(
        d->connection, "SELECT outbox.keep_only($1, $2)", values, 2, on_kept_only, d);
}

static void reap(DatabaseSource *d)
{
    d->reaped = database_now();
    (void)database_ask(d->connection, "SELECT outbox.reap()", NULL, 0, database_ignore, d);
}

static void come_alive(DatabaseSource *d)
{
    d->alive = true;
    d->away = 0;
    be_back(d);
    database_keep_what_is_known(d);
    claims_rescan(&d->claims);
    d->rescanned = database_now();
    d->ripened = 0;
    reap(d);
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

static void compare_clocks(DatabaseSource *d, const DatabaseResult *rows, unsigned column)
{
    database_clocks_compare(
        d, database_result_integer(rows, 0, column), d->renewed, database_now());
}

static void on_begun(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;

    d->beginning = false;
    if (!rows || database_result_count(rows) != 1)
        return;
    compare_clocks(d, rows, 1);
    d->daemon = database_result_integer(rows, 0, 0);
    d->lease_end = d->renewed + LEASE - LEASE_MARGIN;
    d->share = (Share){.count = 1};
    d->offered = 0; /* as where one is gone */
    come_alive(d);
    database_take_kept(d);
    database_renew(d); /* which says how many others there are */
}

static void begin(DatabaseSource *d)
{
    const char *const values[] = {d->name, DATABASE_LEASE};

    d->renewed = database_now();
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
        DATABASE_LEASE);
    tell_lost(d, &f);
    begin(d);
}

static void take_share(DatabaseSource *d, const DatabaseResult *rows)
{
    int64_t place = database_result_integer(rows, 0, 1),
            count = database_result_integer(rows, 0, 2);

    if (place < 0 || count <= place || count > SHARERS_MAX)
        return;
    if (count < d->share.count)
        d->offered = 0; /* what one that is gone has declined */
    d->share = (Share){
        .place = (unsigned)place,
        .count = (unsigned)count,
        .known = database_result_truth(rows, 0, 3),
    };
}

static void on_renewed(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;

    d->beginning = false;
    if (!rows || database_result_count(rows) != 1)
        return;
    compare_clocks(d, rows, 4);
    if (!database_result_truth(rows, 0, 0)) {
        lose(d);
        return;
    }
    take_share(d, rows);
    d->lease_end = d->renewed + LEASE - LEASE_MARGIN;
    if (!d->alive)
        come_alive(d);
    database_write_now(d);
    database_wake(d);
}

static bool is_idle(const DatabaseSource *d)
{
    return d->claims.looked && !d->rest.resting && d->loading.n + d->ready.n + d->ending.n == 0;
}

void database_renew(DatabaseSource *d)
{
    char daemon[DAEMON_TEXT_MAX];
    const char *const values[] = {database_format_daemon(d, daemon), DATABASE_LEASE,
        is_idle(d) ? "t" : "f", buffer_size(&d->figures) > 0 ? buffer_data(&d->figures) : NULL};

    if (d->beginning)
        return;
    database_connection_ask_version(d->connection);
    database_ask_others(d); /* answered first: what is shared is known with the share */
    d->told_idle = is_idle(d);
    d->renewed = database_now();
    d->beginning = database_ask(d->connection,
                       "SELECT alive, place, daemons, known, " DATABASE_CLOCK
                       " FROM outbox.daemon_renew($1, $2, $3, $4)",
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
    d->oldest.known = false;
    if (d->away == 0)
        d->away = clock_monotonic();
    (void)sd_event_source_set_enabled(d->tick, SD_EVENT_OFF);
    tell_lost(d, failure);
}

/* There is a message, or a wish; or another daemon: that one waits for its part of the limits. */
static void on_notified(void *user)
{
    DatabaseSource *d = user;

    if (d->alive && database_now() >= d->renewed + TICK)
        database_renew(d);
    database_look_for_wishes(d);
    database_learn_lanes(d);
    database_claim(d);
}

const DatabaseHandlers database_lease_handlers = {
    .up = on_up,
    .down = on_down,
    .notified = on_notified,
};

/* ---- at intervals ---- */

/* There may be more that was due long ago: with the next tick, or at once where none is waited for.
 */
static void ripen_on(DatabaseSource *d)
{
    d->ripened = 0;
    if (d->passing)
        database_ripen(d);
}

static void on_ripe(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;

    d->ripening = false;
    if (!rows)
        d->ripened = 0; /* what was due long ago was not looked for */
    if (!rows || database_result_count(rows) != 1)
        return;
    d->next_due = database_result_is_null(rows, 0, 1)
                      ? USEC_NEVER
                      : database_time_here(d, database_result_integer(rows, 0, 1));
    if (database_result_integer(rows, 0, 0) >= RIPEN_MOST)
        ripen_on(d);
    if (database_result_integer(rows, 0, 0) > 0)
        database_look_again(d);
}

/* What could not be written while the database was away may have been due before anybody looks. */
void database_note_due(DatabaseSource *d, usec_t due)
{
    d->next_due = MIN(d->next_due, due);
    if (usec_add(due, RIPEN_BEHIND * USEC_PER_SEC / 2) < clock_realtime())
        d->ripened = 0;
}

/* By the database's clock: from when it was done last, and a little before. */
void database_ripen(DatabaseSource *d)
{
    static const char statement[] =
        "SELECT ripe, (extract(epoch FROM next) * 1000000)::bigint FROM outbox.ripen("
        "coalesce(clock_timestamp() - $1::interval, '-infinity'), $2)";
    usec_t now = database_now();
    char behind[48], most[16];
    const char *values[2] = {behind, most};

    (void)snprintf(behind, sizeof(behind), "%llu seconds",
        (unsigned long long)((now - d->ripened) / USEC_PER_SEC + RIPEN_BEHIND));
    (void)snprintf(most, sizeof(most), "%d", RIPEN_MOST);
    if (d->ripened == 0)
        values[0] = NULL;
    d->ripening = database_ask(d->connection, statement, values, 2, on_ripe, d) >= 0;
    if (d->ripening)
        d->ripened = now;
}

/* There may be more, at once or further on: with the next tick. */
static void on_offered(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;

    if (!rows || database_result_count(rows) != 1) {
        d->offered = 0;
        return;
    }
    if (database_result_integer(rows, 0, 0) > 0) {
        d->offered = 0;
        d->offer_again = true;
        database_look_again(d);
        return;
    }
    d->offered_behind = database_result_integer(rows, 0, 1);
    if (d->offered_behind > 0) {
        d->offered = 0;
        return;
    }
    d->offer_pause = d->offer_again ? OFFER_EVERY : OFFER_REST;
    d->offer_again = false;
}

/* What others have no relay for at present this daemon may have one for, when it has nothing else
 * to send. */
static void look_at_declined(DatabaseSource *d, usec_t now)
{
    _cleanup_buffer_ Buffer closed = {0};
    char daemon[DAEMON_TEXT_MAX], behind[DAEMON_TEXT_MAX], most[24];
    const char *values[] = {database_format_daemon(d, daemon), behind, most, NULL};
    size_t n = MAX(MIN((size_t)OFFER_MOST, d->rest.ahead / database_count_busy(d)), (size_t)1);

    if (!d->asked || d->rest.resting || d->passing || d->loading.n + d->ready.n > 0 ||
        database_lanes_want_any(d, &n, &closed) < 0)
        return;
    values[3] = buffer_data(&closed);
    d->offered = now;
    (void)snprintf(behind, sizeof(behind), "%" PRId64, d->offered_behind);
    (void)snprintf(most, sizeof(most), "%zu", n);
    if (database_ask(d->connection, "SELECT offered, next FROM outbox.offer($1, $2, $3, $4)",
            values, 4, on_offered, d) < 0)
        d->offered = 0;
}

static void forget_keys(DatabaseSource *d, usec_t now)
{
    d->forgot = now;
    (void)database_ask(d->connection, "SELECT outbox.forget_keys()", NULL, 0, database_ignore, d);
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
    usec_t now = database_now();

    (void)sd_event_source_set_time_relative(source, TICK);
    if (!d->alive) { /* what was asked for met with a conflict: once more */
        if (database_connection_is_up(d->connection) && !d->beginning)
            on_up(d);
        return 0;
    }
    if (now >= d->renewed + RENEW_EVERY || is_idle(d) != d->told_idle || !d->share.known)
        database_renew(d);
    if (!database_holds(d)) /* it is to be seen whether anything is ours still */
        return 0;
    if (d->flush)
        database_flush(d);
    if (now >= d->reaped + REAP_EVERY)
        reap(d);
    if (now >= d->forgot + FORGET_EVERY)
        forget_keys(d, now);
    if (now >= d->rescanned + RESCAN_EVERY && !d->passing)
        rescan(d, now);
    if (now >= d->learned + LEARN_EVERY)
        database_learn_lanes(d);
    if (now >= d->ripened + RIPEN_EVERY || clock_realtime() >= d->next_due)
        database_ripen(d);
    if ((d->share.count > 1 || d->offered == 0) && now >= d->offered + d->offer_pause)
        look_at_declined(d, now);
    if (d->strays && d->claims.n_asking == 0)
        database_keep_what_is_known(d);
    database_tell_sending(d);
    database_look_for_wishes(d);
    database_lanes_look(d);
    if (database_lanes_wait(d)) /* a lane may be open again in the meantime */
        database_wake(d);
    database_rest(d);
    if (!d->kept.known)
        database_take_kept(d);
    database_write_kept(d);
    database_write_now(d);
    database_bring_wanted(d);
    database_read_on(d);
    database_claim_of_each(d);
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

static void on_end(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;

    d->daemon = rows ? 0 : d->daemon;
}

/* What met with a conflict is done once more: messages whose end was not written would be sent
 * again, and those that were not given back would wait for the end of the lease. */
void database_lease_end(DatabaseSource *d)
{
    usec_t until = usec_add(clock_monotonic(), END_PATIENCE);
    char daemon[DAEMON_TEXT_MAX];
    const char *const values[] = {database_format_daemon(d, daemon)};

    d->stopping = true;
    for (int i = 0; i < END_TRIES && d->alive && d->ending.first; i++) {
        database_write_now(d);
        database_connection_finish(d->connection, until);
    }
    for (int i = 0; i < END_TRIES && d->alive && d->daemon != 0; i++)
        if (database_ask(d->connection, "SELECT outbox.daemon_end($1)", values, 1, on_end, d) >= 0)
            database_connection_finish(d->connection, until);
}

void database_lease_done(DatabaseSource *d)
{
    d->tick = sd_event_source_disable_unref(d->tick);
    free(d->lost_for);
}
