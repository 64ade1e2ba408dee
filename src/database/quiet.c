/* Looking into quiet lanes. Must never leave one out that may be sent. */
#include "database/quiet.h"

#include <inttypes.h>
#include <string.h>

#include "database/lanes.h"
#include "database/reading.h"

static const char look_statement[] = "SELECT lane, seen::text FROM outbox.look($1, $2, $3, $4)";

bool database_is_quiet(const DatabaseSource *d, const ClaimsLane *lane)
{
    return !d->passing && lane != d->claims.lanes && !lane->busy;
}

size_t database_count_busy(const DatabaseSource *d)
{
    size_t n = 0;

    for (size_t i = 0; i < d->claims.n; i++)
        n += !database_is_quiet(d, &d->claims.lanes[i]);
    return MAX(n, (size_t)1);
}

/* ---- the answer ---- */

static ClaimsLane *find(const DatabaseSource *d, const char *name)
{
    for (size_t i = 0; i < d->claims.n; i++)
        if (strcmp(d->claims.lanes[i].name, name) == 0)
            return &d->claims.lanes[i];
    return NULL;
}

/* The snapshot stands in a row without a lane. Returns how many lanes have something. */
static size_t take_found(DatabaseSource *d, const DatabaseResult *rows, const char **ret_snapshot)
{
    size_t n = 0;

    for (unsigned i = 0; i < database_result_count(rows); i++) {
        ClaimsLane *lane;

        if (database_result_is_null(rows, i, 0)) {
            *ret_snapshot = database_result_text(rows, i, 1);
            continue;
        }
        n++;
        lane = find(d, database_result_text(rows, i, 0));
        if (lane) {
            lane->more = lane->busy = true;
            lane->looking = false;
        }
    }
    return n;
}

/* Those that were looked into and are not in the answer have nothing, nor have the transactions
 * that had ended by then. */
static size_t take_looks(DatabaseSource *d, const DatabaseResult *rows)
{
    const char *snapshot = "";
    size_t n = take_found(d, rows, &snapshot);

    for (size_t i = 0; i < d->claims.n; i++)
        if (d->claims.lanes[i].looking) {
            d->claims.lanes[i].more = false;
            claims_note_nothing(&d->claims.lanes[i], snapshot);
        }
    return n;
}

static void on_looked(void *user, const DatabaseResult *rows, _unused_ const Failure *failure)
{
    DatabaseSource *d = user;
    size_t found = 0;

    d->claims.n_asking--;
    if (rows)
        found = take_looks(d, rows);
    for (size_t i = 0; i < d->claims.n; i++)
        d->claims.lanes[i].looking = false;
    if (!rows || d->claims.n_asking > 0)
        return;
    database_have_claimed(d);
    if (found > 0) {
        d->claims.looked = false;
        database_claim_found(d);
    }
}

/* ---- the question ---- */

typedef struct Look {
    Buffer names, after, messages, late; /* arrays of PostgreSQL's, in the same order */
} Look;

static void look_done(Look *look)
{
    buffer_done(&look->names);
    buffer_done(&look->after);
    buffer_done(&look->messages);
    buffer_done(&look->late);
}

/* A name of a lane has nothing that would have to be quoted but for an array's own words. */
static int add(Look *look, const ClaimsLane *lane)
{
    const char *comma = buffer_size(&look->names) > 0 ? "," : "{";
    _cleanup_buffer_ Buffer late = {0};
    int r = claims_format_late(lane, &late);

    if (r >= 0)
        r = buffer_appendf(&look->names, "%s\"%s\"", comma, lane->name);
    if (r >= 0)
        r = buffer_appendf(&look->after, "%s%" PRIu64, comma, lane->after);
    if (r >= 0)
        r = buffer_appendf(&look->messages, "%s%" PRId64, comma, lane->after_message);
    if (r >= 0)
        r = buffer_appendf(&look->late, "%s\"%.*s\"", comma, (int)buffer_size(&late),
            (const char *)buffer_data(&late));
    return r;
}

static int end(Look *look, const char *values[static 4])
{
    Buffer *const all[] = {&look->names, &look->after, &look->messages, &look->late};
    int r = 0;

    for (size_t i = 0; i < ELEMENTSOF(all) && r >= 0; i++) {
        r = buffer_append(all[i], "}", 2); /* with its NUL */
        values[i] = buffer_data(all[i]);
    }
    return r;
}

static int ask(DatabaseSource *d, Look *look)
{
    const char *values[4];
    int r = end(look, values);

    return r < 0 ? r : database_ask(d->connection, look_statement, values, 4, on_looked, d);
}

void database_look_into_quiet(DatabaseSource *d)
{
    Look look = {0};
    int r = 0;

    for (size_t i = 0; i < d->claims.n && r >= 0; i++) {
        ClaimsLane *lane = &d->claims.lanes[i];

        lane->looking = database_is_quiet(d, lane) && database_lanes_want(d, lane, 1) > 0;
        if (lane->looking)
            r = add(&look, lane);
    }
    if (r >= 0 && buffer_size(&look.names) > 0)
        d->claims.n_asking += ask(d, &look) >= 0;
    look_done(&look);
}
