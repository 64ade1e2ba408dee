/* In which order the names of a share come: a heap of those that wait, a ring of those that are
 * ready. Must never bring up what was taken out. */
#include "queue/table_order.h"

#include <errno.h>

static bool is_dead(const NameTable *t, Place place)
{
    return entry_at(t, place)[5] & FLAG_DEAD;
}

/* ---- the heap ---- */

static void sift_up(const NameTable *t, Share *s, size_t i)
{
    Place moved = s->heap[i];
    uint32_t due = share_due_at(t, s, i);

    for (size_t parent; i > 0 && share_due_at(t, s, parent = (i - 1) / 2) > due; i = parent)
        s->heap[i] = s->heap[parent];
    s->heap[i] = moved;
}

static void sift_down(const NameTable *t, Share *s, size_t i)
{
    Place moved = s->heap[i];
    uint32_t due = share_due_at(t, s, i);

    for (size_t child; (child = 2 * i + 1) < s->n_heap; i = child) {
        if (child + 1 < s->n_heap && share_due_at(t, s, child + 1) < share_due_at(t, s, child))
            child++;
        if (share_due_at(t, s, child) >= due)
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = moved;
}

void share_order_heap(const NameTable *t, Share *s)
{
    for (size_t i = s->n_heap / 2; i-- > 0;)
        sift_down(t, s, i);
}

static int reserve_heap(Share *s)
{
    size_t allocated = MAX((size_t)64, s->heap_allocated + s->heap_allocated / 4);
    Place *heap;

    if (s->n_heap < s->heap_allocated)
        return 0;
    heap = realloc(s->heap, allocated * sizeof(Place));
    if (!heap)
        return -ENOMEM;
    s->heap = heap;
    s->heap_allocated = allocated;
    return 0;
}

static void trim_heap(const NameTable *t, Share *s)
{
    while (s->n_heap > 0 && is_dead(t, s->heap[0])) {
        s->heap[0] = s->heap[--s->n_heap];
        if (s->n_heap > 0)
            sift_down(t, s, 0);
    }
}

/* ---- the ring ---- */

static int reserve_ring(Share *s)
{
    size_t size = MAX((size_t)64, 2 * s->ring_size);
    Place *ring;

    if (s->ring_used < s->ring_size)
        return 0;
    ring = malloc(size * sizeof(Place));
    if (!ring)
        return -ENOMEM;
    for (size_t i = 0; i < s->ring_used; i++)
        ring[i] = share_ring_at(s, i);
    free(s->ring);
    s->ring = ring;
    s->ring_size = size;
    s->ring_first = 0;
    return 0;
}

void share_mix(Share *s, uint64_t random)
{
    size_t first, chosen;
    Place place;

    if (s->ring_used == 0)
        return;
    first = s->ring_first & (s->ring_size - 1);
    chosen = (first + random % s->ring_used) & (s->ring_size - 1);
    place = s->ring[first];
    s->ring[first] = s->ring[chosen];
    s->ring[chosen] = place;
}

static void trim_ring(const NameTable *t, Share *s)
{
    while (s->ring_used > 0 && is_dead(t, share_ring_at(s, 0))) {
        s->ring_first++;
        s->ring_used--;
    }
}

/* ---- both ---- */

int share_reserve(Share *s, bool ready)
{
    return ready ? reserve_ring(s) : reserve_heap(s);
}

void share_push(const NameTable *t, Share *s, Place place, bool ready)
{
    if (ready) {
        s->ring[(s->ring_first + s->ring_used++) & (s->ring_size - 1)] = place;
        return;
    }
    s->heap[s->n_heap] = place;
    sift_up(t, s, s->n_heap++);
}

void share_trim(const NameTable *t, Share *s)
{
    trim_heap(t, s);
    trim_ring(t, s);
}

void share_follow(const NameTable *t, Share *s, Place (*move)(const NameTable *t, Place place))
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_heap; i++)
        if (!is_dead(t, s->heap[i]))
            s->heap[n++] = move(t, s->heap[i]);
    s->n_heap = n;
    n = 0;
    for (size_t i = 0; i < s->ring_used; i++) {
        Place place = share_ring_at(s, i);

        if (!is_dead(t, place))
            s->ring[(s->ring_first + n++) & (s->ring_size - 1)] = move(t, place);
    }
    s->ring_used = n;
}

void share_done(Share *s)
{
    free(s->heap);
    free(s->ring);
    *s = (Share){.due_turn = s->due_turn};
}
