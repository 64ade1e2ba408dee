/* The inside of a NameTable: where entries are, and in which order they come. For table.c alone.
 *
 * Entries stand in one arena. They are found by a hash, and ordered by a heap (those that wait) or
 * a ring (those that are ready). An entry that is taken out is marked, and its places in heap or
 * ring are passed over later. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/hash.h"
#include "queue/name_kind.h"

#define READY_MAX 8192 /* names that are ready; a power of two */
#define ENTRY_HEAD 7   /* due (4), kind, flags, length; then the name */
#define FLAG_DEAD 1
#define FLAG_READY 2 /* in the ring, else in the heap */
#define FLAG_PASS 4  /* seen in the pass of this parity */
#define NO_HORIZON UINT32_MAX

typedef struct NameTable NameTable;

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

static inline uint8_t *entry_at(const NameTable *t, Place place)
{
    return (uint8_t *)t->arena.memory + place;
}

static inline uint32_t entry_due(const uint8_t *e)
{
    uint32_t due;

    memcpy(&due, e, sizeof(due));
    return due;
}

static inline void entry_set_due(uint8_t *e, uint32_t due)
{
    memcpy(e, &due, sizeof(due));
}

static inline size_t entry_bytes(const uint8_t *e)
{
    return ENTRY_HEAD + (size_t)e[6];
}

static inline NameKind entry_kind(const uint8_t *e)
{
    return (NameKind)e[4];
}

static inline void entry_copy_id(const uint8_t *e, char *ret_id)
{
    memcpy(ret_id, e + ENTRY_HEAD, e[6]);
    ret_id[e[6]] = '\0';
}

static inline bool entry_is(const uint8_t *e, const char *id, size_t n, bool deferred)
{
    return e[6] == n && name_is_deferred(entry_kind(e)) == deferred &&
           memcmp(e + ENTRY_HEAD, id, n) == 0;
}

/* The entry of that name, or NULL. */
uint8_t *table_find(const NameTable *t, const char *id, NameKind kind);

/* Takes an entry out; the memory is given back by table_tidy(). */
void table_remove(NameTable *t, uint8_t *e);
void table_tidy(NameTable *t);

/* Passes over what was taken out, so that the first of heap and ring is a live one. */
void table_trim(NameTable *t);

/* Adds one that is not there. 1; 0 when there is no room; or -ENOMEM. */
int table_add(NameTable *t, const char *id, NameKind kind, uint32_t due, bool ready);

/* Restores the heap after due times were changed. */
void table_order_heap(NameTable *t);

static inline uint32_t table_due_at(const NameTable *t, size_t i)
{
    return entry_due(entry_at(t, t->heap[i]));
}

static inline Place table_ring_at(const NameTable *t, size_t i)
{
    return t->ring[(t->ring_first + i) % READY_MAX];
}
