/* The table of names. Must never bring a name up twice. */
#include "queue/table.h"

#include <errno.h>

#include "queue/table_index.h"
#include "queue/table_order.h"

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
    for (unsigned i = 0; i < NAME_SHARES; i++)
        share_done(&t->shares[i]);
    free(t->slots);
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

int name_table_put(NameTable *t, const char *id, NameKind kind, unsigned share, usec_t due)
{
    uint8_t *e = table_find(t, id, kind);
    bool ready = due == 0;
    int r;

    if (e && (e[5] & FLAG_READY)) {
        if (ready)
            entry_set_kind(e, kind, entry_share(e));
        mark_seen(t, e);
        return 1;
    }
    if (e && !ready && entry_due(e) == to_seconds(due)) {
        entry_set_kind(e, kind, entry_share(e));
        mark_seen(t, e);
        return 1;
    }
    if (e)
        table_remove(t, e);
    r = table_add(t, id, kind, share, ready ? 0 : to_seconds(due), ready);
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

bool name_table_drop(NameTable *t, const char *id, NameKind kind)
{
    uint8_t *e = table_find(t, id, kind);

    if (!e)
        return false;
    table_remove(t, e);
    table_tidy(t);
    return true;
}

static int take_entry(NameTable *t, uint8_t *e, char *ret_id, NameKind *ret_kind)
{
    entry_copy_id(e, ret_id);
    *ret_kind = entry_kind(e);
    table_remove(t, e);
    return 1;
}

static int take_due(NameTable *t, Share *s, usec_t now, char *ret_id, NameKind *ret_kind)
{
    share_trim(t, s);
    if (s->n_heap == 0 || (usec_t)share_due_at(t, s, 0) * USEC_PER_SEC > now)
        return 0;
    return take_entry(t, entry_at(t, s->heap[0]), ret_id, ret_kind);
}

static int take_ready(NameTable *t, Share *s, char *ret_id, NameKind *ret_kind)
{
    share_trim(t, s);
    if (s->ring_used == 0)
        return 0;
    return take_entry(t, entry_at(t, share_ring_at(s, 0)), ret_id, ret_kind);
}

static int take_of_share(NameTable *t, Share *s, usec_t now, char *ret_id, NameKind *ret_kind)
{
    int r = 0;

    s->due_turn = !s->due_turn;
    if (s->due_turn)
        r = take_due(t, s, now, ret_id, ret_kind);
    if (r == 0)
        r = take_ready(t, s, ret_id, ret_kind);
    if (r == 0 && !s->due_turn)
        r = take_due(t, s, now, ret_id, ret_kind);
    share_trim(t, s);
    return r;
}

/* The next share that has a name, `from` included; NAME_SHARES when there is none further on. */
static unsigned next_used(const NameTable *t, unsigned from)
{
    uint64_t used = from < NAME_SHARES ? t->used >> from << from : 0;

    return used ? (unsigned)__builtin_ctzll(used) : NAME_SHARES;
}

static bool is_empty(const Share *s)
{
    return s->n_heap == 0 && s->ring_used == 0;
}

int name_table_take(NameTable *t, usec_t now, char ret_id[static NAME_ID_MAX], NameKind *ret_kind)
{
    unsigned i = t->turn;
    int r = 0;

    for (int left = __builtin_popcountll(t->used); left > 0 && r == 0; left--, i++) {
        i = next_used(t, i);
        i = i < NAME_SHARES ? i : next_used(t, 0);
        r = take_of_share(t, &t->shares[i], now, ret_id, ret_kind);
        if (is_empty(&t->shares[i]))
            t->used &= ~((uint64_t)1 << i);
    }
    if (r > 0) {
        t->turn = i;
        table_tidy(t);
    }
    return r;
}

void name_table_mix(NameTable *t, uint64_t random)
{
    for (unsigned i = next_used(t, 0); i < NAME_SHARES; i = next_used(t, i + 1))
        share_mix(&t->shares[i], random);
}

static size_t longest_ring(const NameTable *t)
{
    size_t n = 0;

    for (unsigned i = next_used(t, 0); i < NAME_SHARES; i = next_used(t, i + 1))
        n = MAX(n, t->shares[i].ring_used);
    return n;
}

/* `at` goes over the first of every share, then over the second of every share, and so on. */
int name_table_peek(
    const NameTable *t, size_t *at, char ret_id[static NAME_ID_MAX], NameKind *ret_kind)
{
    for (size_t rows = longest_ring(t); *at / NAME_SHARES < rows; ++*at) {
        const Share *s = &t->shares[*at % NAME_SHARES];
        size_t row = *at / NAME_SHARES;
        const uint8_t *e = row < s->ring_used ? entry_at(t, share_ring_at(s, row)) : NULL;

        if (!e || (e[5] & FLAG_DEAD))
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
    for (unsigned i = 0; i < NAME_SHARES; i++) {
        const Share *s = &t->shares[i];

        for (size_t k = 0; k < s->n_heap; k++) {
            uint8_t *e = entry_at(t, s->heap[k]);

            if (entry_kind(e) == NAME_DEFERRED)
                entry_set_kind(e, NAME_DEFERRED_NOW, i);
            entry_set_due(e, 0);
        }
    }
}

void name_table_cap(NameTable *t, usec_t latest)
{
    uint32_t seconds = to_seconds(latest);

    for (unsigned i = 0; i < NAME_SHARES; i++) {
        Share *s = &t->shares[i];

        for (size_t k = 0; k < s->n_heap; k++)
            if (share_due_at(t, s, k) > seconds)
                entry_set_due(entry_at(t, s->heap[k]), seconds);
        share_order_heap(t, s);
    }
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
    for (unsigned i = 0; i < NAME_SHARES; i++)
        share_trim(t, &t->shares[i]);
    table_tidy(t);
}

size_t name_table_of_share(const NameTable *t, unsigned share)
{
    return t->shares[share].n_heap + t->shares[share].ring_used;
}

size_t name_table_ready(const NameTable *t)
{
    return t->n_ready;
}

size_t name_table_size(const NameTable *t)
{
    return t->n_live;
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
    uint32_t first = t->horizon;

    /* A dead entry on top costs a look that finds nothing. */
    for (unsigned i = next_used(t, 0); i < NAME_SHARES; i = next_used(t, i + 1))
        if (t->shares[i].n_heap > 0)
            first = MIN(first, share_due_at(t, &t->shares[i], 0));
    return first == NO_HORIZON ? USEC_NEVER : (usec_t)first * USEC_PER_SEC;
}

usec_t name_table_horizon(const NameTable *t)
{
    return t->horizon == NO_HORIZON ? USEC_NEVER : (usec_t)t->horizon * USEC_PER_SEC;
}
