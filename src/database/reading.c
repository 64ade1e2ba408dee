/* From what is ready to messages that can be taken. Must never have a large content in memory. */
#include "database/reading.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "database/lanes.h"
#include "database/quiet.h"
#include "database/rest.h"
#include "database/writes.h"

#define SPOOLING_MAX 4 /* contents that are fetched at a time */
#define TROUBLE_PAUSE USEC_PER_MINUTE

static const char claim_statement[] =
    "SELECT message, arrived::text::bigint, seen::text FROM outbox.claim($1, $2, $3, $4, $5, $6)";
static const char read_statement[] =
    "SELECT message, queued, uid, lane, sender, sender_parameters, recipients, attempts, "
    "first_attempt, size, content, record, warned FROM outbox.read($1, $2, $3, $4)";
static const char content_statement[] = "SELECT outbox.content($1, $2, $3)";

static void read_envelopes(DatabaseSource *d);
static void fetch_contents(DatabaseSource *d);

/* ---- what needs no delivery ---- */

static void settle(DatabaseSource *d, DatabaseMessage *m, const MessageEnd *end)
{
    char id[SOURCE_ID_MAX];

    m->orphan = true;
    if (database_message_settle(&m->base, end, id, NULL) < 0)
        database_message_free(m); /* another lease, another try */
    else
        database_write_later(d, m);
}

/* It is no message that can be sent: told when that is written. */
static void reject(DatabaseSource *d, DatabaseMessage *m, Failure *f)
{
    const MessageEnd end = {
        .kind = END_FAILED, .now = clock_realtime(), .error = f->number, .text = failure_text(f)};

    m->defect = *f;
    *f = (Failure){0};
    settle(d, m, &end);
}

/* It cannot be had for now; the others go on. */
static void leave_alone(DatabaseSource *d, DatabaseMessage *m, int error, Failure *f)
{
    usec_t now = clock_realtime();
    const MessageEnd end = {
        .kind = END_RETURNED, .now = now, .until = usec_add(now, TROUBLE_PAUSE)};

    if (!f->text)
        (void)failure_set_errno(f, error, "cannot read the message");
    database_tell(d, FOUND_PROBLEM, m, f);
    settle(d, m, &end);
}

/* A process died between the last outcome and the end. */
static void end_finished(DatabaseSource *d, DatabaseMessage *m)
{
    static const char text[] = "recipients were refused in an earlier attempt";
    const MessageEnd sent = {.kind = END_SENT, .now = clock_realtime(), .keep = d->keep_sent};
    _cleanup_failure_ Failure f = {0};

    if (m->base.n_refused == 0) {
        settle(d, m, &sent);
        return;
    }
    (void)failure_set(&f, -EBADMSG, ERROR_REFUSED, "%s", text);
    reject(d, m, &f);
}

/* ---- opening ---- */

/* Who queues by SQL is a role of the database, whose rights are there; who does by a program of
 * outbox's is a user. */
static int check_sender(const DatabaseSource *d, const DatabaseMessage *m, Failure *f)
{
    if (m->base.owner == FILE_OWNER_UNKNOWN)
        return 0;
    return sender_rules_check(d->senders, m->base.owner, 0, message_envelope(m->opened)->sender, f);
}

static void open_message(DatabaseSource *d, DatabaseMessage *m)
{
    _cleanup_failure_ Failure f = {0};
    int r = database_message_open(m, &f);

    if (r == 0 && m->base.n_pending > 0)
        r = check_sender(d, m, &f);
    if (r == -EBADMSG) {
        reject(d, m, &f);
    } else if (r < 0) {
        leave_alone(d, m, r, &f);
    } else if (m->base.n_pending == 0) {
        end_finished(d, m);
    } else {
        if (m->base.attempts == 0 && !database_rest_knows(d, m->number))
            database_tell(d, FOUND_QUEUED, m, NULL);
        if (d->ready.n == 0)
            d->rest.since = clock_monotonic();
        database_lanes_find(d, m);
        database_list_add(&d->ready, m);
        database_wake(d);
    }
}

/* ---- content ---- */

static void on_piece(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseMessage *m = user;
    DatabaseSource *d = database_source_from(m->base.source);
    _cleanup_failure_ Failure f = {0};
    size_t n = 0;
    int r;

    d->n_spooling--;
    m->spooling = false;
    if (m->orphan) { /* it was let go of meanwhile */
        database_message_free(m);
        return;
    }
    if (!rows)
        return;
    if (database_result_count(rows) == 1 && !database_result_is_null(rows, 0, 0)) {
        const char *data = database_result_bytes(rows, 0, 0, &n);

        r = database_message_take_piece(m, data, n, &f);
    } else {
        r = database_message_take_piece(m, NULL, 0, &f);
    }
    if (r != 0)
        (void)database_list_remove(&d->loading, m);
    if (r < 0)
        leave_alone(d, m, r, &f);
    else if (r > 0)
        open_message(d, m);
    fetch_contents(d);
}

static int ask_piece(DatabaseSource *d, DatabaseMessage *m)
{
    char start[24], length[24];
    const char *const values[] = {m->id, start, length};
    int r;

    (void)snprintf(start, sizeof(start), "%" PRId64, m->fetched);
    (void)snprintf(length, sizeof(length), "%d", DATABASE_PIECE_BYTES);
    r = database_ask(d->connection, content_statement, values, 3, on_piece, m);
    if (r >= 0) {
        m->spooling = true;
        d->n_spooling++;
    }
    return r;
}

static void fetch_contents(DatabaseSource *d)
{
    for (DatabaseMessage *m = d->loading.first; m && d->n_spooling < SPOOLING_MAX; m = m->next)
        if (m->described && !m->spooling && ask_piece(d, m) < 0)
            return;
}

/* ---- envelopes ---- */

static DatabaseMessage *find_loading(const DatabaseSource *d, int64_t number)
{
    for (DatabaseMessage *m = d->loading.first; m; m = m->next)
        if (m->number == number)
            return m;
    return NULL;
}

static void take_row(DatabaseSource *d, const DatabaseResult *rows, unsigned row)
{
    DatabaseMessage *m = find_loading(d, database_result_integer(rows, row, 0));
    _cleanup_failure_ Failure f = {0};
    int r;

    if (!m || m->described)
        return;
    if (database_result_is_null(rows, row, 1)) { /* too much at a time */
        m->asked_for = false;
        return;
    }
    m->described = true;
    r = database_message_take_row(m, rows, row, &f);
    if (r == 0 && m->fetched < m->size)
        return;
    (void)database_list_remove(&d->loading, m);
    if (r == 0)
        open_message(d, m);
    else if (r == -EBADMSG)
        reject(d, m, &f);
    else
        leave_alone(d, m, r, &f);
}

/* Those that were asked for and are not there have been deleted. */
static void drop_missing(DatabaseSource *d)
{
    DatabaseMessage *next;

    for (DatabaseMessage *m = d->loading.first; m; m = next) {
        next = m->next;
        if (!m->asked_for || m->described)
            continue;
        (void)database_list_remove(&d->loading, m);
        database_message_free(m);
    }
}

static void on_envelopes(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;

    d->reading = false;
    if (!rows) {
        for (DatabaseMessage *m = d->loading.first; m; m = m->next)
            m->asked_for = m->described;
        return;
    }
    for (unsigned i = 0; i < database_result_count(rows); i++)
        take_row(d, rows, i);
    drop_missing(d);
    read_envelopes(d);
    fetch_contents(d);
    database_wake(d);
}

static int format_wanted(DatabaseSource *d, Buffer *out)
{
    int r = buffer_append(out, "{", 1);

    for (DatabaseMessage *m = d->loading.first; m && r >= 0; m = m->next) {
        if (m->described)
            continue;
        r = database_append_id(out, m->id);
        m->asked_for = true;
    }
    return r < 0 ? r : buffer_append(out, "}", 2); /* with its NUL */
}

/* In memory, of messages that nobody has taken. */
static size_t bytes_ahead(const DatabaseSource *d)
{
    size_t n = 0;

    for (const DatabaseMessage *m = d->loading.first; m; m = m->next)
        n += m->row_bytes;
    for (const DatabaseMessage *m = d->ready.first; m; m = m->next)
        n += m->row_bytes;
    return n;
}

static void read_envelopes(DatabaseSource *d)
{
    _cleanup_buffer_ Buffer wanted = {0};
    char daemon[DAEMON_TEXT_MAX], whole[24], most[24];
    const char *values[4] = {daemon, NULL, whole, most};

    if (d->reading || !d->alive || bytes_ahead(d) >= DATABASE_READ_BYTES ||
        format_wanted(d, &wanted) < 0 || buffer_size(&wanted) <= 3)
        return;
    (void)database_format_daemon(d, daemon);
    (void)snprintf(whole, sizeof(whole), "%d", DATABASE_WHOLE_BYTES);
    (void)snprintf(most, sizeof(most), "%d", DATABASE_READ_BYTES);
    values[1] = buffer_data(&wanted);
    d->reading = database_ask(d->connection, read_statement, values, 4, on_envelopes, d) >= 0;
}

void database_read_on(DatabaseSource *d)
{
    read_envelopes(d);
    fetch_contents(d);
}

/* ---- claiming ---- */

typedef struct Claiming {
    DatabaseSource *database;
    size_t lane, most;
    unsigned scan; /* as that of the claims, when it was asked */
} Claiming;

/* A message that is being sent since before the lease was lost, and that is ours anew. */
static DatabaseMessage *find_in_flight(const DatabaseSource *d, int64_t number)
{
    for (DatabaseMessage *m = d->held; m; m = m->older)
        if (m->number == number && !m->spooling)
            return m;
    return NULL;
}

static int hold(DatabaseSource *d, int64_t number)
{
    DatabaseMessage *m = find_in_flight(d, number);

    if (m) {
        m->daemon = d->daemon;
        m->seen_sending = m->told_sending = false; /* of this claim it is told anew */
        return 0;
    }
    m = database_message_new(d, number);
    if (!m)
        return -ENOMEM; /* it is read after the next start */
    database_list_add(&d->loading, m);
    return 0;
}

/* It stands in a row without a message. */
static const char *find_snapshot(const DatabaseResult *rows)
{
    for (unsigned i = database_result_count(rows); i-- > 0;)
        if (database_result_is_null(rows, i, 0))
            return database_result_text(rows, i, 2);
    return "";
}

/* How far this claim has come. */
static int note_claimed(DatabaseSource *d, const Claiming *claiming, const DatabaseResult *rows)
{
    ClaimsLane *lane = &d->claims.lanes[claiming->lane];
    ClaimsAnswer answer;

    if (claims_answer_init(&answer, claiming->most, find_snapshot(rows)) < 0)
        return -EINVAL;
    for (unsigned i = 0; i < database_result_count(rows); i++)
        if (!database_result_is_null(rows, i, 0))
            claims_answer_add(&answer, lane, (uint64_t)database_result_integer(rows, i, 1),
                database_result_integer(rows, i, 0));
    return claims_note(lane, &answer);
}

static void take_claimed(DatabaseSource *d, const Claiming *claiming, const DatabaseResult *rows)
{
    int r = 0;

    for (unsigned i = 0; i < database_result_count(rows); i++)
        if (!database_result_is_null(rows, i, 0))
            r = MIN(r, hold(d, database_result_integer(rows, i, 0)));
    if (claiming->scan == d->claims.scan && note_claimed(d, claiming, rows) < 0)
        claims_rescan(&d->claims);
    if (r < 0)
        database_tell_trouble(d, r);
}

static void on_claimed(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    Claiming *claiming = user;
    DatabaseSource *d = claiming->database;

    d->claims.n_asking--;
    if (rows)
        take_claimed(d, claiming, rows);
    free(claiming);
    if (rows && d->claims.n_asking == 0)
        database_have_claimed(d);
}

void database_have_claimed(DatabaseSource *d)
{
    d->claims.looked = d->loading.n == 0;
    read_envelopes(d);
    database_wake(d);
}

/* Messages in memory, those of lanes that are closed as well. */
#define IN_MEMORY_MAX ((size_t)2 * AHEAD_ALL)

static int claim_lane(DatabaseSource *d, size_t at, size_t most)
{
    const ClaimsLane *lane = &d->claims.lanes[at];
    _cleanup_buffer_ Buffer late = {0};
    Claiming *claiming = malloc(sizeof(*claiming));
    char daemon[DAEMON_TEXT_MAX], after[24], message[24], limit[24];
    const char *values[] = {daemon, lane->name, after, message, NULL, limit};
    int r = claiming ? claims_format_late(lane, &late) : -ENOMEM;

    if (r >= 0)
        r = buffer_append(&late, "", 1);
    if (r < 0) {
        free(claiming);
        return r;
    }
    *claiming = (Claiming){d, at, most, d->claims.scan};
    (void)database_format_daemon(d, daemon);
    (void)snprintf(after, sizeof(after), "%" PRIu64, lane->after);
    (void)snprintf(message, sizeof(message), "%" PRId64, lane->after_message);
    (void)snprintf(limit, sizeof(limit), "%zu", most);
    values[4] = buffer_data(&late);
    r = database_ask(d->connection, claim_statement, values, 6, on_claimed, claiming);
    if (r < 0)
        free(claiming);
    return r;
}

static bool may_claim(const DatabaseSource *d)
{
    return d->alive && database_holds(d) && d->claims.n_asking == 0 && !d->stopping &&
           !d->rest.resting && d->loading.n + d->ready.n < IN_MEMORY_MAX &&
           !(d->passing && !database_lanes_have_more(d));
}

/* There is enough to send for a while. */
static bool is_full(const DatabaseSource *d)
{
    return database_lanes_have(d) > d->rest.ahead / 2;
}

/* Of each of them a few, where that is full and there is none of it in memory. */
static size_t want_first(const DatabaseSource *d, const ClaimsLane *lane, uint32_t asked)
{
    bool any = asked >> lane->number & 1 || d->loading.n > (size_t)AHEAD_FEW * LANES_MAX ||
               database_lanes_count_ready(d, lane) > 0;

    return any ? 0 : database_lanes_want(d, lane, AHEAD_FEW);
}

static void claim(DatabaseSource *d)
{
    Claims *claims = &d->claims;
    bool full = is_full(d);
    size_t room = full ? 0 : (d->rest.ahead - database_lanes_have(d)) / database_count_busy(d);
    uint32_t asked = 0; /* by their numbers */

    for (size_t i = 0; i < claims->n; i++) {
        size_t at = (claims->turn + i) % claims->n, most;
        const ClaimsLane *lane = &claims->lanes[at];

        if (database_is_quiet(d, lane))
            continue;
        most = full ? want_first(d, lane, asked) : database_lanes_want(d, lane, MAX(room, 1u));
        if (most == 0)
            continue;
        claims->n_asking += claim_lane(d, at, most) >= 0;
        asked |= (uint32_t)1 << lane->number;
    }
    claims->turn++;
}

void database_claim(DatabaseSource *d)
{
    if (!may_claim(d) || is_full(d))
        return;
    claim(d);
    database_look_into_quiet(d);
}

void database_claim_found(DatabaseSource *d)
{
    if (may_claim(d))
        claim(d);
}

void database_claim_of_each(DatabaseSource *d)
{
    if (!may_claim(d) || (is_full(d) && !d->lanes.settings))
        return;
    claim(d);
    database_look_into_quiet(d);
}

void database_look_again(DatabaseSource *d)
{
    claims_look_again(&d->claims);
    database_claim(d);
}

static void on_lanes(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;
    size_t known = d->claims.n;

    for (unsigned i = 0; rows && i < database_result_count(rows); i++) {
        int r = database_lanes_know(d, database_result_text(rows, i, 0));

        if (r < 0)
            database_tell_trouble(d, r);
    }
    if (d->claims.n > known)
        database_claim(d);
}

void database_learn_lanes(DatabaseSource *d)
{
    d->learned = database_now();
    if (d->alive)
        (void)database_ask(d->connection, "SELECT * FROM outbox.lanes()", NULL, 0, on_lanes, d);
}

/* ---- letting go ---- */

void database_drop(DatabaseMessage *m)
{
    if (m->spooling)
        m->orphan = true; /* freed with the answer */
    else
        database_message_free(m);
}

void database_drop_waiting(DatabaseSource *d)
{
    DatabaseMessage *m;

    while ((m = database_list_take(&d->loading)))
        database_drop(m);
    while ((m = database_list_take(&d->ready)))
        database_drop(m);
}
