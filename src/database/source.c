/* The database as a source. Must never hand out a message that may be another's. */
#include "database/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "database/client.h"
#include "database/held.h"
#include "database/kept.h"
#include "database/lanes.h"
#include "database/lease.h"
#include "database/reading.h"
#include "database/rest.h"
#include "database/schema.h"
#include "database/source_state.h"
#include "database/writes.h"

#define FLUSH_MOST 10000 /* in one transaction */
#define BRING_MOST 1000  /* likewise */

void database_tell(
    DatabaseSource *d, SourceFinding finding, const DatabaseMessage *m, const Failure *f)
{
    const SourceFound found = {.id = m ? m->id : NULL, .owner = m ? m->base.owner : 0};

    if (d->base.handlers)
        d->base.handlers->found(d->base.user, finding, m ? &found : NULL, f);
}

void database_tell_trouble(DatabaseSource *d, int error)
{
    _cleanup_failure_ Failure f = {0};

    (void)failure_set_errno(&f, error, "cannot take messages from the database");
    database_tell(d, FOUND_TROUBLE, NULL, &f);
}

const char *database_format_daemon(const DatabaseSource *d, char text[static DAEMON_TEXT_MAX])
{
    (void)snprintf(text, DAEMON_TEXT_MAX, "%" PRId64, d->daemon);
    return text;
}

void database_ignore(
    _unused_ void *user, _unused_ const DatabaseResult *rows, _unused_ const Failure *failure)
{
}

void database_wake(DatabaseSource *d)
{
    (void)sd_event_source_set_enabled(d->turn, SD_EVENT_ONESHOT);
}

static int on_turn(_unused_ sd_event_source *source, void *user)
{
    DatabaseSource *d = user;

    if (d->base.handlers)
        d->base.handlers->wake(d->base.user);
    return 0;
}

static int on_claim(_unused_ sd_event_source *source, void *user)
{
    database_bring_wanted(user);
    database_lanes_look(user);
    if (database_lanes_have_more(user))
        database_claim(user);
    return 0;
}

/* ---- what the engine asks ---- */

/* Of one pass: also before there is a connection, until it is known that there is none. */
/* For what is due, what was sent before, and what is ready. */
static bool is_looking(const DatabaseSource *d)
{
    return d->ripening || d->ripened == 0 || d->kept.wanted || d->claims.n_asking > 0;
}

static bool may_be_unseen(const DatabaseSource *d)
{
    if (d->passing)
        return !d->lost_for && (!d->alive || is_looking(d) || d->loading.n + d->ending.n > 0 ||
                                   database_lanes_have_more_soon(d));
    return database_holds(d) &&
           (d->loading.n > 0 || database_lanes_have_more(d) || d->rest.resting);
}

static int take(Source *base, HeldMessage **ret)
{
    DatabaseSource *d = database_source_from(base);
    DatabaseMessage *m;

    if (!database_holds(d) || d->kept.wanted)
        return 0;
    m = database_lanes_take(d);
    d->asked = !m;
    if (m)
        database_rest_taken(d);
    else
        database_rest_end(d);
    if (d->loading.first && !d->reading)
        database_read_on(d);
    if (database_lanes_have_more(d))
        (void)sd_event_source_set_enabled(d->claim, SD_EVENT_ONESHOT);
    if (!m)
        return 0;
    *ret = &m->base;
    return 1;
}

static void figures(const Source *base, SourceFigures *ret)
{
    const DatabaseSource *d = (const DatabaseSource *)base;

    *ret = (SourceFigures){
        .waiting = database_holds(d) ? d->ready.n : 0,
        .next_due = d->next_due,
        .uncounted = true,
        .unread = !d->stopping && may_be_unseen(d),
    };
}

/* The engine has forgotten them: they are asked for until there is an answer. Without memory they
 * sleep on. */
static void want_again(DatabaseSource *d)
{
    int r = 0;

    buffer_truncate(&d->bringing, buffer_size(&d->bringing) - 2); /* "}" and its NUL */
    if (buffer_size(&d->wanted) > 0) {
        r = buffer_append(&d->bringing, ",", 1);
        if (r >= 0) /* without its "{" */
            r = buffer_append(
                &d->bringing, buffer_data(&d->wanted) + 1, buffer_size(&d->wanted) - 1);
    }
    if (r >= 0)
        SWAP(d->wanted, d->bringing);
    buffer_clear(&d->bringing);
}

static void on_brought(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;

    if (!rows) {
        want_again(d);
        return;
    }
    buffer_clear(&d->bringing);
    database_bring_wanted(d);
    database_claim(d);
}

/* The first of those that are wanted become those that are asked for. 0 or -ENOMEM. */
static int choose_wanted(DatabaseSource *d)
{
    const char *all = buffer_data(&d->wanted);
    size_t size = buffer_size(&d->wanted), n = 0, end = 0;

    while (end < size && n < BRING_MOST)
        n += all[end++] == ',';
    end -= n == BRING_MOST; /* the comma */
    if (buffer_append(&d->bringing, all, end) < 0 || buffer_append(&d->bringing, "}", 2) < 0) {
        buffer_clear(&d->bringing);
        return -ENOMEM;
    }
    buffer_consume(&d->wanted, end);
    if (buffer_size(&d->wanted) > 0)
        d->wanted.memory[d->wanted.start] = '{'; /* in the place of the comma */
    return 0;
}

void database_bring_wanted(DatabaseSource *d)
{
    const char *values[1];

    if (buffer_size(&d->wanted) == 0 || buffer_size(&d->bringing) > 0 || !d->alive ||
        choose_wanted(d) < 0)
        return;
    values[0] = buffer_data(&d->bringing);
    if (database_ask(d->connection, "SELECT outbox.bring($1)", values, 1, on_brought, d) < 0)
        want_again(d);
}

void database_want(DatabaseSource *d, const char *id)
{
    size_t before = buffer_size(&d->wanted);

    if (database_append_id(&d->wanted, id) < 0)
        buffer_truncate(&d->wanted, before);
    (void)sd_event_source_set_enabled(d->claim, SD_EVENT_ONESHOT);
}

static void bring(Source *base, const char *id, _unused_ bool deferred)
{
    DatabaseSource *d = database_source_from(base);

    if (!database_write_returned(d, id))
        database_want(d, id);
}

static void flush_some(DatabaseSource *d);

static void on_flushed(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;

    d->flush = !rows;
    if (!rows)
        return;
    database_claim(d);
    if (database_result_integer(rows, 0, 0) >= FLUSH_MOST)
        flush_some(d);
}

static void flush_some(DatabaseSource *d)
{
    char most[16];
    const char *const values[] = {most};

    (void)snprintf(most, sizeof(most), "%d", FLUSH_MOST);
    d->flush = database_ask(d->connection, "SELECT outbox.flush($1)", values, 1, on_flushed, d) < 0;
}

void database_flush(DatabaseSource *d)
{
    d->flush = !d->alive;
    if (d->flush)
        return;
    database_rest_end(d);
    claims_rescan(&d->claims);
    flush_some(d);
}

static void flush(Source *base)
{
    DatabaseSource *d = database_source_from(base);

    database_connection_hurry(d->connection);
    database_flush(d);
}

/* Until the database has said how many others there are it may be one of many. */
static Share share(const Source *base)
{
    const DatabaseSource *d = (const DatabaseSource *)base;

    return d->share_limits ? d->share : SHARE_WHOLE;
}

static void rest(_unused_ Source *base)
{
}

static const SourceOps database_ops = {
    .take = take,
    .record = database_message_record,
    .sync = database_message_sync,
    .settle = database_message_settle,
    .abandon = database_message_abandon,
    .bring = bring,
    .choose = database_lanes_choose,
    .lanes = database_lanes_count,
    .flush = flush,
    .keep = database_keep,
    .kept = database_kept,
    .figures = figures,
    .share = share,
    .others = database_others,
    .rest = rest,
};

Source *database_source_base(DatabaseSource *d)
{
    return &d->base;
}

/* ---- life ---- */

int database_source_check(const char *conninfo, Failure *f)
{
    _cleanup_(database_close_p) Database *database = NULL;
    int r = database_open(conninfo, &database, f);

    return r < 0 ? r : database_schema_may_deliver(database, f);
}

void database_source_configure(DatabaseSource *d, const Config *config)
{
    d->keep_sent = config->spool.keep_sent;
    d->share_limits = config->spool.share_limits;
    if (!d->share_limits)
        database_forget_others(d);
    (void)sender_rules_unref(d->senders);
    d->senders = sender_rules_ref(config->spool.senders);
    if (!d->quiet)
        notices_configure(&d->notices, config);
    database_lanes_configure(d, config);
    database_connection_hurry(d->connection);
}

void database_source_pass(DatabaseSource *d, bool quiet)
{
    d->passing = true;
    d->quiet = quiet;
    if (quiet)
        notices_done(&d->notices);
}

bool database_source_is_open(const DatabaseSource *d)
{
    return d->alive;
}

int database_source_say(DatabaseSource *d, const void *text, size_t n)
{
    buffer_clear(&d->figures);
    if (buffer_append(&d->figures, text, n) < 0 || buffer_append(&d->figures, "", 1) < 0) {
        buffer_clear(&d->figures);
        return -ENOMEM;
    }
    return 0;
}

static int add_sources(DatabaseSource *d)
{
    int r = sd_event_add_defer(d->loop, &d->turn, on_turn, d);

    if (r >= 0)
        r = sd_event_source_set_enabled(d->turn, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_defer(d->loop, &d->claim, on_claim, d);
    if (r >= 0)
        r = sd_event_source_set_enabled(d->claim, SD_EVENT_OFF);
    if (r >= 0)
        r = database_writes_init(d);
    if (r >= 0)
        r = database_lease_init(d);
    return r < 0 ? r : claims_init(&d->claims);
}

int database_source_new(
    sd_event *loop, Worker *worker, const Config *config, DatabaseSource **ret, Failure *f)
{
    _cleanup_(database_source_free_p) DatabaseSource *d = calloc(1, sizeof(DatabaseSource));
    int r;

    if (!d)
        return failure_set_errno(f, -ENOMEM, "cannot use the database");
    d->base.ops = &database_ops;
    d->share = (Share){.count = 1};
    d->loop = sd_event_ref(loop);
    d->worker = worker_ref(worker);
    database_list_init(&d->loading);
    database_list_init(&d->ready);
    d->away = clock_monotonic();
    database_rest_init(d);
    (void)gethostname(d->name, sizeof(d->name) - 1);
    r = add_sources(d);
    if (r < 0)
        return failure_set_errno(f, r, "cannot use the database");
    r = database_connection_new(
        loop, worker, config->spool.database, &database_lease_handlers, d, &d->connection, f);
    if (r < 0)
        return r;
    database_source_configure(d, config);
    *ret = TAKE_PTR(d);
    return 0;
}

static void free_all(DatabaseSource *d)
{
    DatabaseMessage *m;

    database_drop_waiting(d);
    database_connection_free(TAKE_PTR(d->connection));
    while ((m = database_list_take(&d->ending)))
        database_message_free(m);
    while (d->held)
        database_message_free(d->held);
}

void database_source_free(DatabaseSource *d)
{
    if (!d)
        return;
    if (d->connection)
        database_lease_end(d);
    free_all(d);
    database_lease_done(d);
    (void)sd_event_source_disable_unref(d->turn);
    (void)sd_event_source_disable_unref(d->claim);
    database_lanes_done(d);
    (void)sd_event_source_disable_unref(d->write);
    claims_done(&d->claims);
    buffer_done(&d->figures);
    buffer_done(&d->wanted);
    buffer_done(&d->bringing);
    database_kept_done(d);
    (void)sender_rules_unref(d->senders);
    notices_done(&d->notices);
    (void)worker_unref(d->worker);
    (void)sd_event_unref(d->loop);
    free(d);
}
