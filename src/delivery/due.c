/* The heap of waiting names: eight bytes an entry beside the name itself. Must never hold more than
 * its bound. */
#include "delivery/due.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/buffer.h"

#define ID_MAX 256

typedef struct Entry {
    uint32_t due;  /* seconds of the epoch */
    uint32_t name; /* where in `names`: tag, length, bytes */
} Entry;

struct DueIndex {
    Entry *heap;
    size_t count, allocated;
    Buffer names;
    size_t garbage; /* bytes of `names` that no entry refers to any more */
    size_t limit;
    uint32_t horizon; /* UINT32_MAX: complete */
};

int due_index_new(size_t limit_bytes, DueIndex **ret)
{
    DueIndex *index = calloc(1, sizeof(DueIndex));

    if (!index)
        return -ENOMEM;
    index->limit = limit_bytes;
    index->horizon = UINT32_MAX;
    *ret = index;
    return 0;
}

void due_index_free(DueIndex *index)
{
    if (!index)
        return;
    free(index->heap);
    buffer_done(&index->names);
    free(index);
}

static uint32_t to_seconds(usec_t due)
{
    usec_t seconds = due / USEC_PER_SEC + (due % USEC_PER_SEC != 0);

    return (uint32_t)MIN(seconds, (usec_t)UINT32_MAX - 1);
}

static const uint8_t *name_of(const DueIndex *index, const Entry *entry)
{
    return (const uint8_t *)index->names.memory + entry->name;
}

static size_t name_bytes(const uint8_t *name)
{
    return 2 + (size_t)name[1];
}

static void sift_up(DueIndex *index, size_t i)
{
    Entry moved = index->heap[i];

    for (size_t parent; i > 0 && index->heap[parent = (i - 1) / 2].due > moved.due; i = parent)
        index->heap[i] = index->heap[parent];
    index->heap[i] = moved;
}

static void sift_down(DueIndex *index, size_t i)
{
    Entry moved = index->heap[i];

    for (size_t child; (child = 2 * i + 1) < index->count; i = child) {
        if (child + 1 < index->count && index->heap[child + 1].due < index->heap[child].due)
            child++;
        if (index->heap[child].due >= moved.due)
            break;
        index->heap[i] = index->heap[child];
    }
    index->heap[i] = moved;
}

/* Copies the names that are still referred to into a fresh buffer. */
static int compact(DueIndex *index)
{
    Buffer fresh = {0};

    if (!buffer_reserve(&fresh, buffer_size(&index->names) - index->garbage + 1))
        return -ENOMEM;
    for (size_t i = 0; i < index->count; i++) {
        const uint8_t *name = name_of(index, &index->heap[i]);

        index->heap[i].name = (uint32_t)fresh.end;
        (void)buffer_append(&fresh, name, name_bytes(name)); /* reserved above */
    }
    buffer_done(&index->names);
    index->names = fresh;
    index->garbage = 0;
    return 0;
}

static int compare_due(const void *a, const void *b)
{
    uint32_t x = ((const Entry *)a)->due, y = ((const Entry *)b)->due;

    return (x > y) - (x < y);
}

/* Keeps the earlier half (a sorted array is a heap) and sets the horizon where the rest began. */
static int forget_later_half(DueIndex *index)
{
    size_t keep = index->count / 2;

    qsort(index->heap, index->count, sizeof(Entry), compare_due);
    index->horizon = MIN(index->horizon, index->heap[keep].due);
    for (size_t i = keep; i < index->count; i++)
        index->garbage += name_bytes(name_of(index, &index->heap[i]));
    index->count = keep;
    return compact(index);
}

static int grow(DueIndex *index)
{
    size_t allocated = MAX((size_t)64, index->allocated + index->allocated / 2);
    Entry *heap = realloc(index->heap, allocated * sizeof(Entry));

    if (!heap)
        return -ENOMEM;
    index->heap = heap;
    index->allocated = allocated;
    return 0;
}

int due_index_add(DueIndex *index, const char *id, uint8_t tag, usec_t due)
{
    size_t length = strlen(id), used;
    uint32_t seconds = to_seconds(due);
    uint8_t *name;
    int r;

    assert(length < ID_MAX);
    if (seconds >= index->horizon)
        return 0;
    used = buffer_size(&index->names) - index->garbage + index->count * sizeof(Entry);
    if (used + length + 2 + sizeof(Entry) > index->limit && index->count > 1) {
        r = forget_later_half(index);
        if (r < 0)
            return r;
        if (seconds >= index->horizon)
            return 0;
    }
    if (index->count == index->allocated && (r = grow(index)) < 0)
        return r;
    name = (uint8_t *)buffer_reserve(&index->names, length + 2);
    if (!name)
        return -ENOMEM;
    name[0] = tag;
    name[1] = (uint8_t)length;
    memcpy(name + 2, id, length);
    index->heap[index->count] = (Entry){.due = seconds, .name = (uint32_t)index->names.end};
    buffer_commit(&index->names, length + 2);
    sift_up(index, index->count++);
    return 0;
}

int due_index_take(DueIndex *index, usec_t now, char *ret_id, uint8_t *ret_tag)
{
    const uint8_t *name;

    if (index->count == 0 || (usec_t)index->heap[0].due * USEC_PER_SEC > now)
        return 0;
    name = name_of(index, &index->heap[0]);
    memcpy(ret_id, name + 2, name[1]);
    ret_id[name[1]] = '\0';
    *ret_tag = name[0];
    index->garbage += name_bytes(name);
    index->heap[0] = index->heap[--index->count];
    if (index->count > 0)
        sift_down(index, 0);
    if (index->count == 0) {
        buffer_clear(&index->names);
        index->garbage = 0;
    } else if (index->garbage > 65536 && index->garbage > buffer_size(&index->names) / 2) {
        (void)compact(index); /* tried again with the next entry when memory is short */
    }
    return 1;
}

void due_index_make_due(DueIndex *index, uint8_t from, uint8_t to)
{
    for (size_t i = 0; i < index->count; i++) {
        uint8_t *tag = (uint8_t *)index->names.memory + index->heap[i].name;

        if (*tag != from)
            continue;
        *tag = to;
        index->heap[i].due = 0;
    }
    if (index->count > 0) /* else there may be no array */
        qsort(index->heap, index->count, sizeof(Entry), compare_due); /* sorted, it is a heap */
}

usec_t due_index_next(const DueIndex *index)
{
    uint32_t first = index->count > 0 ? index->heap[0].due : UINT32_MAX;

    first = MIN(first, index->horizon);
    return first == UINT32_MAX ? USEC_NEVER : (usec_t)first * USEC_PER_SEC;
}

usec_t due_index_horizon(const DueIndex *index)
{
    return index->horizon == UINT32_MAX ? USEC_NEVER : (usec_t)index->horizon * USEC_PER_SEC;
}

size_t due_index_count(const DueIndex *index)
{
    return index->count;
}
