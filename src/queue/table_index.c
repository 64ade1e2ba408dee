/* Where the entries of the table are and in which order they come. Must never hold a live name
 * twice, nor more than the table's bounds. */
#include "queue/table_index.h"

#include <errno.h>

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

/* ---- the heap ---- */

static void sift_up(NameTable *t, size_t i)
{
    Place moved = t->heap[i];
    uint32_t due = table_due_at(t, i);

    for (size_t parent; i > 0 && table_due_at(t, parent = (i - 1) / 2) > due; i = parent)
        t->heap[i] = t->heap[parent];
    t->heap[i] = moved;
}

static void sift_down(NameTable *t, size_t i)
{
    Place moved = t->heap[i];
    uint32_t due = table_due_at(t, i);

    for (size_t child; (child = 2 * i + 1) < t->n_heap; i = child) {
        if (child + 1 < t->n_heap && table_due_at(t, child + 1) < table_due_at(t, child))
            child++;
        if (table_due_at(t, child) >= due)
            break;
        t->heap[i] = t->heap[child];
    }
    t->heap[i] = moved;
}

void table_order_heap(NameTable *t)
{
    for (size_t i = t->n_heap / 2; i-- > 0;)
        sift_down(t, i);
}

static int reserve_heap(NameTable *t)
{
    size_t allocated = MAX((size_t)64, t->heap_allocated + t->heap_allocated / 4);
    Place *heap;

    if (t->n_heap < t->heap_allocated)
        return 0;
    heap = realloc(t->heap, allocated * sizeof(Place));
    if (!heap)
        return -ENOMEM;
    t->heap = heap;
    t->heap_allocated = allocated;
    return 0;
}

/* Takes the dead off the top, so that the first is a live one. */
static void trim_heap(NameTable *t)
{
    while (t->n_heap > 0 && (entry_at(t, t->heap[0])[5] & FLAG_DEAD)) {
        t->heap[0] = t->heap[--t->n_heap];
        if (t->n_heap > 0)
            sift_down(t, 0);
    }
}

/* ---- the ring ---- */

static void trim_ring(NameTable *t)
{
    while (t->ring_used > 0 && (entry_at(t, table_ring_at(t, 0))[5] & FLAG_DEAD)) {
        t->ring_first = (t->ring_first + 1) % READY_MAX;
        t->ring_used--;
    }
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

static int compact(NameTable *t)
{
    Buffer fresh = {0};
    size_t n = 0;
    int r = copy_live(t, &fresh);

    if (r < 0)
        return r;
    for (size_t i = 0; i < t->n_slots; i++)
        if (t->slots[i] != 0)
            t->slots[i] = entry_due(entry_at(t, t->slots[i] - 1)) + 1;
    for (size_t i = 0; i < t->n_heap; i++)
        if (!(entry_at(t, t->heap[i])[5] & FLAG_DEAD))
            t->heap[n++] = entry_due(entry_at(t, t->heap[i]));
    t->n_heap = n;
    n = 0;
    for (size_t i = 0; i < t->ring_used; i++)
        if (!(entry_at(t, table_ring_at(t, i))[5] & FLAG_DEAD))
            t->ring[(t->ring_first + n++) % READY_MAX] =
                entry_due(entry_at(t, table_ring_at(t, i)));
    t->ring_used = n;
    buffer_done(&t->arena);
    t->arena = fresh;
    t->dead_bytes = 0;
    table_order_heap(t);
    return 0;
}

static void drop_all(NameTable *t)
{
    buffer_clear(&t->arena);
    buffer_shrink(&t->arena, 4096);
    t->dead_bytes = t->n_heap = t->ring_used = t->ring_first = 0;
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

/* Keeps the earlier half of what waits, and sets the horizon where the rest began. */
static int forget_later_half(NameTable *t)
{
    size_t keep;
    int r = compact(t);

    if (r < 0 || t->n_heap < 2)
        return r < 0 ? r : 0;
    keep = t->n_heap / 2;
    qsort_r(t->heap, t->n_heap, sizeof(Place), compare_due, t); /* sorted, it is a heap */
    t->horizon = MIN(t->horizon, table_due_at(t, keep));
    for (size_t i = keep; i < t->n_heap; i++)
        table_remove(t, entry_at(t, t->heap[i]));
    t->n_heap = keep;
    return compact(t);
}

static size_t bytes_used(const NameTable *t)
{
    return buffer_size(&t->arena) - t->dead_bytes + t->n_live * (sizeof(Place) * 9 / 4);
}

/* 1 when there is room for one more, 0 when not, or -ENOMEM. What waits beyond the horizon stays
 * unknown. */
static int make_room(NameTable *t, size_t n_name, uint32_t due, bool ready)
{
    int r;

    if (ready && !t->ring) {
        t->ring = malloc(READY_MAX * sizeof(Place));
        if (!t->ring)
            return -ENOMEM;
    }
    if (ready && t->ring_used == READY_MAX && (t->n_ready == READY_MAX || compact(t) < 0))
        return 0;
    if (!ready && due >= t->horizon)
        return 0;
    if (bytes_used(t) + ENTRY_HEAD + n_name > t->limit) {
        r = forget_later_half(t);
        if (r < 0 || bytes_used(t) + ENTRY_HEAD + n_name > t->limit ||
            (!ready && due >= t->horizon))
            return MIN(r, 0);
    }
    r = ready ? 0 : reserve_heap(t);
    if (r >= 0 && (t->n_live + 1) * 8 > t->n_slots * 7)
        r = grow_slots(t);
    return r < 0 ? r : 1;
}

int table_add(NameTable *t, const char *id, NameKind kind, uint32_t due, bool ready)
{
    size_t n = strlen(id);
    Place place;
    uint8_t *e;
    int r;

    if (n >= NAME_ID_MAX)
        return 0;
    r = make_room(t, n, due, ready);
    if (r <= 0)
        return r;
    e = (uint8_t *)buffer_reserve(&t->arena, ENTRY_HEAD + n);
    if (!e)
        return -ENOMEM;
    place = (Place)buffer_size(&t->arena);
    entry_set_due(e, due);
    e[4] = (uint8_t)kind;
    e[5] = t->pass | (ready ? FLAG_READY : 0);
    e[6] = (uint8_t)n;
    memcpy(e + ENTRY_HEAD, id, n);
    buffer_commit(&t->arena, ENTRY_HEAD + n);
    insert_place(t, place);
    t->n_live++;
    t->n_deferred += name_is_deferred(kind);
    if (ready) {
        t->ring[(t->ring_first + t->ring_used++) % READY_MAX] = place;
        t->n_ready++;
    } else {
        t->heap[t->n_heap] = place;
        sift_up(t, t->n_heap++);
    }
    return 1;
}

void table_trim(NameTable *t)
{
    trim_heap(t);
    trim_ring(t);
}
