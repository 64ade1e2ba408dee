/* The table of names. Must never bring a name up twice. */
#include "queue/table.h"

#include <errno.h>

#include "queue/table_index.h"

int name_table_new(size_t limit_bytes, NameTable **ret)
{
    NameTable *t = calloc(1, sizeof(NameTable));

    if (!t)
        return -ENOMEM;
    hash_key_init(&t->key);
    t->limit = limit_bytes;
    t->horizon = NO_HORIZON;
    *ret = t;
    return 0;
}

void name_table_free(NameTable *t)
{
    if (!t)
        return;
    buffer_done(&t->arena);
    free(t->slots);
    free(t->heap);
    free(t->ring);
    free(t);
}

static uint32_t to_seconds(usec_t due)
{
    usec_t seconds = due / USEC_PER_SEC + (due % USEC_PER_SEC != 0);

    return (uint32_t)MIN(seconds, (usec_t)UINT32_MAX - 1);
}

static void mark_seen(const NameTable *t, uint8_t *e)
{
    e[5] = (uint8_t)((e[5] & ~FLAG_PASS) | t->pass);
}

int name_table_put(NameTable *t, const char *id, NameKind kind, usec_t due)
{
    uint8_t *e = table_find(t, id, kind);
    bool ready = due == 0;
    int r;

    if (e && (e[5] & FLAG_READY)) {
        e[4] = (uint8_t)(ready ? kind : e[4]);
        mark_seen(t, e);
        return 1;
    }
    if (e && !ready && entry_due(e) == to_seconds(due)) {
        e[4] = (uint8_t)kind;
        mark_seen(t, e);
        return 1;
    }
    if (e)
        table_remove(t, e);
    r = table_add(t, id, kind, ready ? 0 : to_seconds(due), ready);
    table_tidy(t);
    return r;
}

int name_table_see(NameTable *t, const char *id, NameKind kind)
{
    uint8_t *e = table_find(t, id, kind);

    if (!e)
        return 0;
    mark_seen(t, e);
    return 1;
}

static int take_entry(NameTable *t, uint8_t *e, char *ret_id, NameKind *ret_kind)
{
    entry_copy_id(e, ret_id);
    *ret_kind = entry_kind(e);
    table_remove(t, e);
    return 1;
}

static int take_due(NameTable *t, usec_t now, char *ret_id, NameKind *ret_kind)
{
    table_trim(t);
    if (t->n_heap == 0 || (usec_t)table_due_at(t, 0) * USEC_PER_SEC > now)
        return 0;
    take_entry(t, entry_at(t, t->heap[0]), ret_id, ret_kind);
    table_trim(t);
    return 1;
}

static int take_ready(NameTable *t, char *ret_id, NameKind *ret_kind)
{
    table_trim(t);
    if (t->ring_used == 0)
        return 0;
    take_entry(t, entry_at(t, table_ring_at(t, 0)), ret_id, ret_kind);
    table_trim(t);
    return 1;
}

int name_table_take(NameTable *t, usec_t now, char ret_id[static NAME_ID_MAX], NameKind *ret_kind)
{
    int r = 0;

    t->due_turn = !t->due_turn;
    if (t->due_turn)
        r = take_due(t, now, ret_id, ret_kind);
    if (r == 0)
        r = take_ready(t, ret_id, ret_kind);
    if (r == 0 && !t->due_turn)
        r = take_due(t, now, ret_id, ret_kind);
    if (r > 0)
        table_tidy(t);
    return r;
}

void name_table_mix(NameTable *t, uint64_t random)
{
    size_t first, chosen;
    Place place;

    if (t->ring_used == 0)
        return;
    first = t->ring_first;
    chosen = (first + random % t->ring_used) % READY_MAX;
    place = t->ring[first];
    t->ring[first] = t->ring[chosen];
    t->ring[chosen] = place;
}

int name_table_peek(
    const NameTable *t, size_t *at, char ret_id[static NAME_ID_MAX], NameKind *ret_kind)
{
    for (; *at < t->ring_used; ++*at) {
        const uint8_t *e = entry_at(t, table_ring_at(t, *at));

        if (e[5] & FLAG_DEAD)
            continue;
        entry_copy_id(e, ret_id);
        *ret_kind = entry_kind(e);
        ++*at;
        return 1;
    }
    return 0;
}

void name_table_flush(NameTable *t)
{
    for (size_t i = 0; i < t->n_heap; i++) {
        uint8_t *e = entry_at(t, t->heap[i]);

        if (entry_kind(e) == NAME_DEFERRED)
            e[4] = NAME_DEFERRED_NOW;
        entry_set_due(e, 0);
    }
}

void name_table_cap(NameTable *t, usec_t latest)
{
    uint32_t seconds = to_seconds(latest);

    for (size_t i = 0; i < t->n_heap; i++)
        if (table_due_at(t, i) > seconds)
            entry_set_due(entry_at(t, t->heap[i]), seconds);
    table_order_heap(t);
}

void name_table_begin_pass(NameTable *t)
{
    t->pass ^= FLAG_PASS;
    t->horizon = NO_HORIZON; /* the pass brings what was forgotten, or sets a new one */
}

void name_table_end_pass(NameTable *t)
{
    size_t end = buffer_size(&t->arena);

    for (size_t at = 0; at < end; at += entry_bytes(entry_at(t, (Place)at))) {
        uint8_t *e = entry_at(t, (Place)at);

        if (!(e[5] & FLAG_DEAD) && (e[5] & FLAG_PASS) != t->pass)
            table_remove(t, e);
    }
    table_trim(t);
    table_tidy(t);
}

size_t name_table_ready(const NameTable *t)
{
    return t->n_ready;
}

size_t name_table_deferred(const NameTable *t)
{
    return t->n_deferred;
}

bool name_table_has_room(const NameTable *t)
{
    return t->n_ready < READY_MAX;
}

usec_t name_table_next(const NameTable *t)
{
    /* A dead entry on top costs a look that finds nothing. */
    uint32_t first = t->n_heap > 0 ? table_due_at(t, 0) : NO_HORIZON;

    first = MIN(first, t->horizon);
    return first == NO_HORIZON ? USEC_NEVER : (usec_t)first * USEC_PER_SEC;
}

usec_t name_table_horizon(const NameTable *t)
{
    return t->horizon == NO_HORIZON ? USEC_NEVER : (usec_t)t->horizon * USEC_PER_SEC;
}
