/* Tables of names, one a lane. Must never know a name twice. */
#include "queue/lane_tables.h"

#include <errno.h>
#include <limits.h>

/* A lane has room for a hundred thousand names of usual length. */
#define LANE_SHARE 8

/* Come up, and where there is no room among those that are ready, behind them. */
#define LONG_DUE 1

#define PEEK_STEP ((size_t)1 << 24) /* places of a table, and more */

static unsigned count_tables(const LaneTables *t)
{
    return lane_tables_several(t) ? t->n + 1 : 1;
}

static NameTable *waiting_table(const LaneTables *t)
{
    return t->tables[count_tables(t) - 1];
}

int lane_tables_init(LaneTables *t, unsigned n_lanes, size_t limit_bytes)
{
    LaneTables fresh = {.n = n_lanes, .open = UINT32_MAX};
    int r = 0;

    for (unsigned i = 0; r == 0 && i < count_tables(&fresh); i++)
        r = name_table_new(i + 1 == count_tables(&fresh) ? limit_bytes : limit_bytes / LANE_SHARE,
            &fresh.tables[i]);
    if (r < 0)
        lane_tables_done(&fresh);
    else
        *t = fresh;
    return r;
}

void lane_tables_done(LaneTables *t)
{
    for (unsigned i = 0; i < count_tables(t); i++)
        name_table_free(TAKE_PTR(t->tables[i]));
}

unsigned lane_tables_find(const LaneTables *t, const char *id, NameKind kind)
{
    for (unsigned i = 0; lane_tables_several(t) && i < t->n; i++)
        if (name_table_see(t->tables[i], id, kind))
            return i;
    return UINT_MAX;
}

const NameTable *lane_tables_of(const LaneTables *t, unsigned lane, usec_t due)
{
    return due > 0 || !lane_tables_several(t) ? waiting_table(t) : t->tables[lane];
}

static int put_in_lane(LaneTables *t, const char *id, NameKind kind, unsigned lane, unsigned share)
{
    NameTable *table = t->tables[lane];
    int r = name_table_put(table, id, kind, share, 0);

    if (r == 0)
        r = name_table_put(table, id, kind, share, LONG_DUE);
    if (r != 1)
        t->left |= (uint32_t)1 << lane;
    return r;
}

int lane_tables_put(
    LaneTables *t, const char *id, NameKind kind, unsigned lane, unsigned share, usec_t due)
{
    unsigned is;

    if (!lane_tables_several(t))
        return name_table_put(t->tables[0], id, kind, share, due);
    is = lane_tables_find(t, id, kind);
    if (due > 0)
        return is != UINT_MAX ? 1 : name_table_put(waiting_table(t), id, kind, share, due);
    if (is != UINT_MAX && is != lane)
        (void)name_table_drop(t->tables[is], id, kind);
    (void)name_table_drop(waiting_table(t), id, kind);
    return put_in_lane(t, id, kind, lane, share);
}

int lane_tables_see(LaneTables *t, const char *id, NameKind kind)
{
    return lane_tables_find(t, id, kind) != UINT_MAX || name_table_see(waiting_table(t), id, kind);
}

static bool is_open(const LaneTables *t, unsigned lane)
{
    return !lane_tables_several(t) || t->open >> lane & 1;
}

int lane_tables_take(LaneTables *t, usec_t now, char ret_id[static NAME_ID_MAX], NameKind *ret_kind)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < t->n; i++)
        if (is_open(t, i))
            r = name_table_take(t->tables[i], now, ret_id, ret_kind);
    return r;
}

int lane_tables_take_due(
    LaneTables *t, usec_t now, char ret_id[static NAME_ID_MAX], NameKind *ret_kind)
{
    return lane_tables_several(t) ? name_table_take(waiting_table(t), now, ret_id, ret_kind) : 0;
}

void lane_tables_mix(LaneTables *t, uint64_t random)
{
    for (unsigned i = 0; i < t->n; i++)
        name_table_mix(t->tables[i], random);
}

/* `at`: which table, and the place in it. */
int lane_tables_peek(
    const LaneTables *t, size_t *at, char ret_id[static NAME_ID_MAX], NameKind *ret_kind)
{
    for (size_t lane = *at / PEEK_STEP; lane < t->n; *at = ++lane * PEEK_STEP) {
        size_t place = *at % PEEK_STEP;
        int r = is_open(t, (unsigned)lane)
                    ? name_table_peek(t->tables[lane], &place, ret_id, ret_kind)
                    : 0;

        *at = lane * PEEK_STEP + place;
        if (r > 0)
            return r;
    }
    return 0;
}

void lane_tables_flush(LaneTables *t)
{
    for (unsigned i = 0; i < count_tables(t); i++)
        name_table_flush(t->tables[i]);
}

void lane_tables_cap(LaneTables *t, usec_t latest)
{
    for (unsigned i = 0; i < count_tables(t); i++)
        name_table_cap(t->tables[i], latest);
}

void lane_tables_begin_pass(LaneTables *t)
{
    t->left = 0;
    for (unsigned i = 0; i < count_tables(t); i++)
        name_table_begin_pass(t->tables[i]);
}

void lane_tables_end_pass(LaneTables *t)
{
    for (unsigned i = 0; i < count_tables(t); i++)
        name_table_end_pass(t->tables[i]);
}

size_t lane_tables_of_lane(const LaneTables *t, unsigned lane)
{
    return lane_tables_several(t) ? name_table_size(t->tables[lane])
                                  : name_table_ready(t->tables[lane]);
}

size_t lane_tables_ready(const LaneTables *t)
{
    size_t n = 0;

    for (unsigned i = 0; i < t->n; i++)
        n += is_open(t, i) ? lane_tables_of_lane(t, i) : 0;
    return n;
}

size_t lane_tables_all_ready(const LaneTables *t)
{
    size_t n = 0;

    for (unsigned i = 0; i < t->n; i++)
        n += lane_tables_of_lane(t, i);
    return n;
}

size_t lane_tables_deferred(const LaneTables *t)
{
    size_t n = 0;

    for (unsigned i = 0; i < count_tables(t); i++)
        n += name_table_deferred(t->tables[i]);
    return n;
}

bool lane_tables_has_room(const LaneTables *t)
{
    return lane_tables_several(t) || name_table_has_room(t->tables[0]);
}

bool lane_tables_want_more(const LaneTables *t)
{
    for (unsigned i = 0; lane_tables_several(t) && i < t->n; i++)
        if (is_open(t, i) && lane_tables_of_lane(t, i) == 0 &&
            (t->left >> i & 1 || name_table_horizon(t->tables[i]) != USEC_NEVER))
            return true;
    return false;
}

usec_t lane_tables_next(const LaneTables *t)
{
    return name_table_next(waiting_table(t));
}

usec_t lane_tables_horizon(const LaneTables *t)
{
    return name_table_horizon(waiting_table(t));
}
