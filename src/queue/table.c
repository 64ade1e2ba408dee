/* The table of names: entries in one arena, found by a hash, ordered by a heap (those that wait) or
 * a ring (those that are ready). An entry that is taken out is marked, and its places in heap or
 * ring are passed over later. Must never hold a live name twice, nor more than its bounds. */
#include "queue/table.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/hash.h"

#define READY_MAX 8192 /* names that are ready; a power of two */
#define ENTRY_HEAD 7   /* due (4), kind, flags, length; then the name */
#define FLAG_DEAD 1
#define FLAG_READY 2 /* in the ring, else in the heap */
#define FLAG_PASS 4  /* seen in the pass of this parity */
#define NO_HORIZON UINT32_MAX

typedef uint32_t Place; /* of an entry in the arena */

struct NameTable {
    HashKey key;
    size_t limit;
    Buffer arena;      /* its start never moves: places are offsets */
    size_t dead_bytes; /* of the arena */
    Place *slots;      /* hash: place + 1; 0 is empty */
    size_t n_slots, n_live;
    Place *heap; /* by due */
    size_t n_heap, heap_allocated;
    Place *ring;
    size_t ring_first, ring_used; /* dead ones included */
    size_t n_ready, n_deferred;   /* live ones */
    uint32_t horizon;
    uint8_t pass; /* 0 or FLAG_PASS */
    bool due_turn;
};

/* ---- entries ---- */

static uint8_t *entry_at(const NameTable *t, Place place)
{
    return (uint8_t *)t->arena.memory + place;
}

static uint32_t entry_due(const uint8_t *e)
{
    uint32_t due;

    memcpy(&due, e, sizeof(due));
    return due;
}

static void entry_set_due(uint8_t *e, uint32_t due)
{
    memcpy(e, &due, sizeof(due));
}

static size_t entry_bytes(const uint8_t *e)
{
    return ENTRY_HEAD + (size_t)e[6];
}

static NameKind entry_kind(const uint8_t *e)
{
    return (NameKind)e[4];
}

static void entry_copy_id(const uint8_t *e, char *ret_id)
{
    memcpy(ret_id, e + ENTRY_HEAD, e[6]);
    ret_id[e[6]] = '\0';
}

static bool entry_is(const uint8_t *e, const char *id, size_t n, bool deferred)
{
    return e[6] == n && name_is_deferred(entry_kind(e)) == deferred &&
           memcmp(e + ENTRY_HEAD, id, n) == 0;
}

/* ---- the hash: linear probing, removal by moving what follows back ---- */

static size_t home_of(const NameTable *t, const char *id, size_t n, bool deferred)
{
    uint64_t hash = hash_keyed(&t->key, id, n) ^ (deferred ? 0x9e3779b97f4a7c15 : 0);

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

static uint8_t *find_entry(const NameTable *t, const char *id, NameKind kind)
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

static int grow_slots(NameTable *t)
{
    size_t n = MAX((size_t)64, t->n_slots + t->n_slots / 4);
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

static uint32_t due_at(const NameTable *t, size_t i)
{
    return entry_due(entry_at(t, t->heap[i]));
}

static void sift_up(NameTable *t, size_t i)
{
    Place moved = t->heap[i];
    uint32_t due = due_at(t, i);

    for (size_t parent; i > 0 && due_at(t, parent = (i - 1) / 2) > due; i = parent)
        t->heap[i] = t->heap[parent];
    t->heap[i] = moved;
}

static void sift_down(NameTable *t, size_t i)
{
    Place moved = t->heap[i];
    uint32_t due = due_at(t, i);

    for (size_t child; (child = 2 * i + 1) < t->n_heap; i = child) {
        if (child + 1 < t->n_heap && due_at(t, child + 1) < due_at(t, child))
            child++;
        if (due_at(t, child) >= due)
            break;
        t->heap[i] = t->heap[child];
    }
    t->heap[i] = moved;
}

static void order_heap(NameTable *t)
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

static Place ring_at(const NameTable *t, size_t i)
{
    return t->ring[(t->ring_first + i) % READY_MAX];
}

static void trim_ring(NameTable *t)
{
    while (t->ring_used > 0 && (entry_at(t, ring_at(t, 0))[5] & FLAG_DEAD)) {
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

static void remove_entry(NameTable *t, uint8_t *e)
{
    empty_slot(t, find_slot(t, (const char *)e + ENTRY_HEAD, e[6],
                      name_is_deferred(entry_kind(e))));
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
        if (!(entry_at(t, ring_at(t, i))[5] & FLAG_DEAD))
            t->ring[(t->ring_first + n++) % READY_MAX] = entry_due(entry_at(t, ring_at(t, i)));
    t->ring_used = n;
    buffer_done(&t->arena);
    t->arena = fresh;
    t->dead_bytes = 0;
    order_heap(t);
    return 0;
}

static void drop_all(NameTable *t)
{
    buffer_clear(&t->arena);
    buffer_shrink(&t->arena, 4096);
    t->dead_bytes = t->n_heap = t->ring_used = t->ring_first = 0;
}

/* After entries were taken out. */
static void tidy(NameTable *t)
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
    t->horizon = MIN(t->horizon, due_at(t, keep));
    for (size_t i = keep; i < t->n_heap; i++)
        remove_entry(t, entry_at(t, t->heap[i]));
    t->n_heap = keep;
    return compact(t);
}

static size_t bytes_used(const NameTable *t)
{
    return buffer_size(&t->arena) - t->dead_bytes + t->n_live * (sizeof(Place) * 9 / 4);
}

/* ---- the face ---- */

int name_table_new(size_t limit_bytes, NameTable **ret)
{
    NameTable *t = calloc(1, sizeof(NameTable));

    if (!t)
        return -ENOMEM;
    t->key = hash_key_new();
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

static int add_entry(NameTable *t, const char *id, NameKind kind, uint32_t due, bool ready)
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

static void mark_seen(const NameTable *t, uint8_t *e)
{
    e[5] = (uint8_t)((e[5] & ~FLAG_PASS) | t->pass);
}

int name_table_put(NameTable *t, const char *id, NameKind kind, usec_t due)
{
    uint8_t *e = find_entry(t, id, kind);
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
        remove_entry(t, e);
    r = add_entry(t, id, kind, ready ? 0 : to_seconds(due), ready);
    tidy(t);
    return r;
}

int name_table_see(NameTable *t, const char *id, NameKind kind)
{
    uint8_t *e = find_entry(t, id, kind);

    if (!e)
        return 0;
    mark_seen(t, e);
    return 1;
}

static int take_entry(NameTable *t, uint8_t *e, char *ret_id, NameKind *ret_kind)
{
    entry_copy_id(e, ret_id);
    *ret_kind = entry_kind(e);
    remove_entry(t, e);
    return 1;
}

static int take_due(NameTable *t, usec_t now, char *ret_id, NameKind *ret_kind)
{
    trim_heap(t);
    if (t->n_heap == 0 || (usec_t)due_at(t, 0) * USEC_PER_SEC > now)
        return 0;
    take_entry(t, entry_at(t, t->heap[0]), ret_id, ret_kind);
    trim_heap(t);
    return 1;
}

static int take_ready(NameTable *t, char *ret_id, NameKind *ret_kind)
{
    trim_ring(t);
    if (t->ring_used == 0)
        return 0;
    take_entry(t, entry_at(t, ring_at(t, 0)), ret_id, ret_kind);
    trim_ring(t);
    return 1;
}

int name_table_take(
    NameTable *t, usec_t now, char ret_id[static NAME_ID_MAX], NameKind *ret_kind)
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
        tidy(t);
    return r;
}

int name_table_peek(
    const NameTable *t, size_t *at, char ret_id[static NAME_ID_MAX], NameKind *ret_kind)
{
    for (; *at < t->ring_used; ++*at) {
        const uint8_t *e = entry_at(t, ring_at(t, *at));

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
        if (due_at(t, i) > seconds)
            entry_set_due(entry_at(t, t->heap[i]), seconds);
    order_heap(t);
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
            remove_entry(t, e);
    }
    trim_heap(t);
    trim_ring(t);
    tidy(t);
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
    uint32_t first = t->n_heap > 0 ? due_at(t, 0) : NO_HORIZON;

    first = MIN(first, t->horizon);
    return first == NO_HORIZON ? USEC_NEVER : (usec_t)first * USEC_PER_SEC;
}

usec_t name_table_horizon(const NameTable *t)
{
    return t->horizon == NO_HORIZON ? USEC_NEVER : (usec_t)t->horizon * USEC_PER_SEC;
}
