/* Time and what happens in it. Must never look at a real clock. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH (1800000000 * USEC_PER_SEC)

typedef struct Entry {
    usec_t when;
    uint64_t number; /* what was asked for first happens first */
    Happening happening;
    void *user;
    uint64_t argument;
} Entry;

World world;
static Entry *heap;
static size_t n_entries, allocated;
static uint64_t numbers;

const char *fault_name(Fault fault)
{
    static const char *const names[] = {
        "nothing", "lost", "doubled", "unread", "starved", "hung", "spun", "leaked", "wrong"};

    return names[fault];
}

void world_begin(Schedule *schedule, bool shows)
{
    world = (World){
        .schedule = schedule,
        .now = USEC_PER_HOUR,
        .real_offset = EPOCH,
        .shows = shows,
    };
    schedule_begin(schedule);
    n_entries = 0;
    numbers = 0;
}

void world_end(void)
{
    free(heap);
    heap = NULL;
    n_entries = allocated = 0;
}

/* ---- a heap, the first at its top ---- */

static bool is_before(const Entry *a, const Entry *b)
{
    return a->when < b->when || (a->when == b->when && a->number < b->number);
}

static void sink(size_t at, Entry entry)
{
    for (size_t child; (child = 2 * at + 1) < n_entries; at = child) {
        child += child + 1 < n_entries && is_before(&heap[child + 1], &heap[child]);
        if (!is_before(&heap[child], &entry))
            break;
        heap[at] = heap[child];
    }
    heap[at] = entry;
}

static void rise(size_t at, Entry entry)
{
    for (size_t parent; at > 0 && is_before(&entry, &heap[parent = (at - 1) / 2]); at = parent)
        heap[at] = heap[parent];
    heap[at] = entry;
}

void world_at(usec_t when, Happening happening, void *user, uint64_t argument)
{
    if (n_entries == allocated) {
        allocated = MAX((size_t)256, 2 * allocated);
        heap = realloc(heap, allocated * sizeof(Entry));
        if (!heap)
            abort();
    }
    n_entries++;
    rise(n_entries - 1, (Entry){MAX(when, world.now), numbers++, happening, user, argument});
}

/* It stays in the heap, with nothing to call. */
void world_forget(const void *user)
{
    for (size_t i = 0; i < n_entries; i++)
        if (heap[i].user == user)
            heap[i].happening = NULL;
}

static Entry take_first(void)
{
    Entry first = heap[0];

    n_entries--;
    if (n_entries > 0)
        sink(0, heap[n_entries]);
    return first;
}

usec_t world_next(void)
{
    while (n_entries > 0 && !heap[0].happening)
        (void)take_first();
    return n_entries > 0 ? heap[0].when : USEC_NEVER;
}

void world_catch_up(void)
{
    while (world_next() <= world.now) {
        Entry first = take_first();

        first.happening(first.user, first.argument);
    }
}

/* ---- the process ---- */

usec_t world_clock(clockid_t clock)
{
    switch (clock) {
    case CLOCK_MONOTONIC: return world.now - world.suspended;
    case CLOCK_REALTIME: return world.now + world.real_offset;
    default: return world.now;
    }
}

bool world_is_dead(void)
{
    world.effects++;
    if (!world.dead && world.effects == world.dies_at) {
        TELL("crash, with effect %llu", (unsigned long long)world.effects);
        world.dead = true;
    }
    return world.dead;
}

void world_wrong(Fault fault, const char *format, ...)
{
    va_list arguments;

    if (world.fault != FAULT_NONE)
        return;
    world.fault = fault;
    va_start(arguments, format);
    vsnprintf(world.what, sizeof(world.what), format, arguments);
    va_end(arguments);
    TELL("WRONG (%s): %s", fault_name(fault), world.what);
}

void world_tell(const char *format, ...)
{
    va_list arguments;

    printf("%14.6f  ", (double)world.now / (double)USEC_PER_SEC);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}
