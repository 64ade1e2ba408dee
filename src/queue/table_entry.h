/* The inside of a NameTable: where entries are, and in which order they come. For table*.c alone.
 *
 * Entries stand in one arena. They are found by a hash, and those of each share are ordered by a
 * heap (those that wait) or a ring (those that are ready). An entry that is taken out is marked,
 * and its place in heap or ring is passed over later. */
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
#define SHARE_ROOM 64  /* of them that a share may have whatever the others have */
#define ENTRY_HEAD 7   /* due (4), kind and share, flags, length; then the name */
#define KIND_BITS 2
#define FLAG_DEAD 1
#define FLAG_READY 2 /* in the ring, else in the heap */
#define FLAG_PASS 4  /* seen in the pass of this parity */
#define NO_HORIZON UINT32_MAX

typedef struct NameTable NameTable;

typedef uint32_t Place; /* of an entry in the arena */

/* The names that take one turn together. */
typedef struct Share {
    Place *heap; /* by due; dead ones included */
    size_t n_heap, heap_allocated;
    Place *ring;                             /* so are they here */
    size_t ring_first, ring_used, ring_size; /* a power of two */
    bool due_turn;                           /* what was due came last */
} Share;

struct NameTable {
    HashKey key;
    size_t limit;
    Buffer arena;      /* its start never moves: places are offsets */
    size_t dead_bytes; /* of the arena */
    Place *slots;      /* hash: place + 1; 0 is empty */
    size_t n_slots, n_live;
    size_t n_ready, n_deferred; /* live ones */
    Share shares[NAME_SHARES];
    uint64_t used; /* a bit for each share that has a name */
    unsigned turn; /* the share whose turn it is */
    uint32_t horizon;
    uint8_t pass; /* 0 or FLAG_PASS */
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
    return (NameKind)(e[4] & ((1u << KIND_BITS) - 1));
}

static inline unsigned entry_share(const uint8_t *e)
{
    return e[4] >> KIND_BITS;
}

static inline void entry_set_kind(uint8_t *e, NameKind kind, unsigned share)
{
    e[4] = (uint8_t)(kind | share << KIND_BITS);
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

static inline uint32_t share_due_at(const NameTable *t, const Share *s, size_t i)
{
    return entry_due(entry_at(t, s->heap[i]));
}

static inline Place share_ring_at(const Share *s, size_t i)
{
    return s->ring[(s->ring_first + i) & (s->ring_size - 1)];
}
