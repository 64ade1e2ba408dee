/* Where the entries of the table are. Must never hold a live name twice, nor more than the table's
 * bounds. */
#include "queue/table_index.h"

#include <errno.h>

#include "queue/table_order.h"

/* ---- the hash: linear probing, removal by moving what follows back ---- */

static size_t home_of(const NameTable *t, const char *id, size_t n, bool deferred)
{
    uint64_t hash = hash_bytes(&t->key, id, n) ^ (deferred ? 0x9e3779b97f4a7c15 : 0);

    return (size_t)(((hash >> 32) * t->n_slots) >> 32);
}

static size_t home_of_entry(const NameTable *t, const uint8_t *e)
{
    return home_of(t, (const char *)e + ENTRY_HEAD, e[6], name_is_deferred(entry_kind(e)));
}

static size_t next_slot(const NameTable *t, size_t slot)
{
    return slot + 1 < t->n_slots ? slot + 1 : 0;
}

/* The slot of that name, or the empty one where it would be. There is always an empty one. */
static size_t find_slot(const NameTable *t, const char *id, size_t n, bool deferred)
{
    size_t slot = home_of(t, id, n, deferred);

    while (t->slots[slot] != 0 && !entry_is(entry_at(t, t->slots[slot] - 1), id, n, deferred))
        slot = next_slot(t, slot);
    return slot;
}

uint8_t *table_find(const NameTable *t, const char *id, NameKind kind)
{
    Place stored;

    if (t->n_live == 0)
        return NULL;
    stored = t->slots[find_slot(t, id, strlen(id), name_is_deferred(kind))];
    return stored ? entry_at(t, stored - 1) : NULL;
}

/* Whether the way from `home` to `slot` leads over `hole`. */
static bool passes(size_t home, size_t hole, size_t slot)
{
    return hole <= slot ? home <= hole || home > slot : home <= hole && home > slot;
}

static void empty_slot(NameTable *t, size_t hole)
{
    for (size_t slot = next_slot(t, hole); t->slots[slot] != 0; slot = next_slot(t, slot)) {
        if (!passes(home_of_entry(t, entry_at(t, t->slots[slot] - 1)), hole, slot))
            continue;
        t->slots[hole] = t->slots[slot];
        hole = slot;
    }
    t->slots[hole] = 0;
}

static void insert_place(NameTable *t, Place place)
{
    const uint8_t *e = entry_at(t, place);
    size_t slot = home_of_entry(t, e);

    while (t->slots[slot] != 0)
        slot = next_slot(t, slot);
    t->slots[slot] = place + 1;
}

/* From here on they grow by little: the memory counts for more than the hashing. */
#define SLOTS_MANY ((size_t)65536)

static int grow_slots(NameTable *t)
{
    size_t n = MAX((size_t)64, t->n_slots + t->n_slots / (t->n_slots < SLOTS_MANY ? 1 : 4));
    Place *old = t->slots, *slots = calloc(n, sizeof(Place));
    size_t n_old = t->n_slots;

    if (!slots)
        return -ENOMEM;
    t->slots = slots;
    t->n_slots = n;
    for (size_t i = 0; i < n_old; i++)
        if (old[i] != 0)
            insert_place(t, old[i] - 1);
    free(old);
    return 0;
}

/* ---- taking entries out, and giving their memory back ---- */

static void forget(NameTable *t, uint8_t *e)
{
    t->n_ready -= (e[5] & FLAG_READY) != 0;
    t->n_deferred -= name_is_deferred(entry_kind(e));
    t->n_live--;
    t->dead_bytes += entry_bytes(e);
    e[5] |= FLAG_DEAD;
}

void table_remove(NameTable *t, uint8_t *e)
{
    empty_slot(
        t, find_slot(t, (const char *)e + ENTRY_HEAD, e[6], name_is_deferred(entry_kind(e))));
    forget(t, e);
}

/* Copies the live entries to a new arena. Where each went is left in the old one, in place of its
 * time, for the indices to follow. */
static int copy_live(NameTable *t, Buffer *fresh)
{
    size_t end = buffer_size(&t->arena);

    if (!buffer_reserve(fresh, end - t->dead_bytes + 1))
        return -ENOMEM;
    for (size_t at = 0; at < end; at += entry_bytes(entry_at(t, (Place)at))) {
        uint8_t *e = entry_at(t, (Place)at);
        uint32_t to = (uint32_t)buffer_size(fresh);

        if (e[5] & FLAG_DEAD)
            continue;
        (void)buffer_append(fresh, e, entry_bytes(e)); /* reserved above */
        entry_set_due(e, to);
    }
    return 0;
}

static Place moved_to(const NameTable *t, Place place)
{
    return entry_due(entry_at(t, place));
}

static int compact(NameTable *t)
{
    Buffer fresh = {0};
    int r = copy_live(t, &fresh);

    if (r < 0)
        return r;
    for (size_t i = 0; i < t->n_slots; i++)
        if (t->slots[i] != 0)
            t->slots[i] = moved_to(t, t->slots[i] - 1) + 1;
    for (unsigned i = 0; i < NAME_SHARES; i++)
        share_follow(t, &t->shares[i], moved_to);
    buffer_done(&t->arena);
    t->arena = fresh;
    t->dead_bytes = 0;
    for (unsigned i = 0; i < NAME_SHARES; i++)
        share_order_heap(t, &t->shares[i]);
    return 0;
}

static void drop_all(NameTable *t)
{
    buffer_clear(&t->arena);
    buffer_shrink(&t->arena, 4096);
    t->dead_bytes = 0;
    for (unsigned i = 0; i < NAME_SHARES; i++)
        if (t->used >> i & 1)
            share_done(&t->shares[i]);
    t->used = 0;
}

/* After entries were taken out. */
void table_tidy(NameTable *t)
{
    if (t->n_live == 0)
        drop_all(t);
    else if (t->dead_bytes > 65536 && t->dead_bytes > buffer_size(&t->arena) / 2)
        (void)compact(t); /* tried again with the next when memory is short */
}

static int compare_due(const void *a, const void *b, void *user)
{
    uint32_t x = entry_due(entry_at(user, *(const Place *)a)),
             y = entry_due(entry_at(user, *(const Place *)b));

    return (x > y) - (x < y);
}

static Share *share_that_waits_most(NameTable *t)
{
    Share *most = t->shares;

    for (unsigned i = 1; i < NAME_SHARES; i++)
        if (t->shares[i].n_heap > most->n_heap)
            most = &t->shares[i];
    return most;
}

/* Keeps the earlier half of what waits in the largest share, and sets the horizon where the rest
 * began. */
static int forget_later_half(NameTable *t)
{
    Share *s = share_that_waits_most(t);
    size_t keep;
    int r = compact(t);

    if (r < 0 || s->n_heap < 2)
        return r < 0 ? r : 0;
    keep = s->n_heap / 2;
    qsort_r(s->heap, s->n_heap, sizeof(Place), compare_due, t); /* sorted, it is a heap */
    t->horizon = MIN(t->horizon, share_due_at(t, s, keep));
    for (size_t i = keep; i < s->n_heap; i++)
        table_remove(t, entry_at(t, s->heap[i]));
    s->n_heap = keep;
    return compact(t);
}

static size_t bytes_used(const NameTable *t)
{
    return buffer_size(&t->arena) - t->dead_bytes + t->n_live * (sizeof(Place) * 9 / 4);
}

/* Whether the share may have one more that is ready: no share keeps another from having a few. */
static bool has_turn_left(NameTable *t, const Share *s)
{
    if (t->n_ready < READY_MAX)
        return s->ring_used < READY_MAX || compact(t) >= 0;
    return s->ring_used < SHARE_ROOM;
}

/* 1 when there is room for one more, 0 when not, or -ENOMEM. What waits beyond the horizon stays
 * unknown. */
static int make_room(NameTable *t, Share *s, size_t n_name, uint32_t due, bool ready)
{
    int r;

    if (ready ? !has_turn_left(t, s) : due >= t->horizon)
        return 0;
    if (bytes_used(t) + ENTRY_HEAD + n_name > t->limit) {
        r = forget_later_half(t);
        if (r < 0 || bytes_used(t) + ENTRY_HEAD + n_name > t->limit ||
            (!ready && due >= t->horizon))
            return MIN(r, 0);
    }
    r = share_reserve(s, ready);
    if (r >= 0 && (t->n_live + 1) * 8 > t->n_slots * 7)
        r = grow_slots(t);
    return r < 0 ? r : 1;
}

int table_add(NameTable *t, const char *id, NameKind kind, unsigned share, uint32_t due, bool ready)
{
    Share *s = &t->shares[share];
    size_t n = strlen(id);
    Place place;
    uint8_t *e;
    int r;

    if (n >= NAME_ID_MAX)
        return 0;
    r = make_room(t, s, n, due, ready);
    if (r <= 0)
        return r;
    e = (uint8_t *)buffer_reserve(&t->arena, ENTRY_HEAD + n);
    if (!e)
        return -ENOMEM;
    place = (Place)buffer_size(&t->arena);
    entry_set_due(e, due);
    entry_set_kind(e, kind, share);
    e[5] = t->pass | (ready ? FLAG_READY : 0);
    e[6] = (uint8_t)n;
    memcpy(e + ENTRY_HEAD, id, n);
    buffer_commit(&t->arena, ENTRY_HEAD + n);
    insert_place(t, place);
    share_push(t, s, place, ready);
    t->used |= (uint64_t)1 << share;
    t->n_live++;
    t->n_ready += ready;
    t->n_deferred += name_is_deferred(kind);
    return 1;
}
