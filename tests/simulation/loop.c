/* An event loop without a kernel. Must never dispatch in an order that sd-event would not. */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>

#include "kernel.h"
#include "world.h"

#define ACCURACY (250 * USEC_PER_MSEC) /* sd-event's own, for 0 */

typedef enum Kind {
    KIND_DEFER,
    KIND_TIME,
    KIND_IO,
} Kind;

struct sd_event_source {
    sd_event *loop;
    sd_event_source *next, **previous;
    Kind kind;
    unsigned references;
    int enabled;
    uint64_t pending; /* the round in which it became so; 0: it is not */
    uint64_t number;
    void *user;
    sd_event_handler_t on_defer;
    sd_event_time_handler_t on_time;
    sd_event_io_handler_t on_io;
    clockid_t clock;
    usec_t time, accuracy;
    int fd;
    bool owns_fd;
    uint32_t events, found;
};

struct sd_event {
    unsigned references;
    sd_event_source *sources;
    uint64_t rounds, numbers;
    usec_t stamp[3]; /* monotonic, boot time, realtime, of this round */
};

static unsigned n_sources;

/* How late timers are, and in which order comes what is ready. */
static unsigned mode(void)
{
    return choose(DECIDE_TIMERS, (Which){0}, 6);
}

sd_event *loop_new(void)
{
    sd_event *loop = calloc(1, sizeof(*loop));

    if (!loop)
        abort();
    loop->references = 1;
    return loop;
}

sd_event *sd_event_ref(sd_event *loop)
{
    loop->references++;
    return loop;
}

sd_event *sd_event_unref(sd_event *loop)
{
    if (!loop || --loop->references > 0)
        return NULL;
    if (loop->sources)
        world_wrong(FAULT_LEAKED, "a loop is freed with sources");
    free(loop);
    return NULL;
}

unsigned loop_count_sources(void)
{
    return n_sources;
}

static usec_t *stamp_of(sd_event *loop, clockid_t clock)
{
    return &loop->stamp[clock == CLOCK_MONOTONIC ? 0 : clock == CLOCK_REALTIME ? 2 : 1];
}

int sd_event_now(sd_event *loop, clockid_t clock, uint64_t *ret)
{
    *ret = loop->rounds == 0 ? world_clock(clock) : *stamp_of(loop, clock);
    return loop->rounds == 0;
}

/* ---- sources ---- */

static sd_event_source *add(sd_event *loop, Kind kind, void *user, sd_event_source **ret)
{
    sd_event_source *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->loop = loop;
    s->kind = kind;
    s->references = 1;
    s->enabled = SD_EVENT_ONESHOT;
    s->number = loop->numbers++;
    s->user = user;
    s->fd = -1;
    s->next = loop->sources;
    s->previous = &loop->sources;
    if (s->next)
        s->next->previous = &s->next;
    loop->sources = s;
    n_sources++;
    *ret = s;
    return s;
}

int sd_event_add_defer(
    sd_event *loop, sd_event_source **ret, sd_event_handler_t callback, void *user)
{
    add(loop, KIND_DEFER, user, ret)->on_defer = callback;
    return 0;
}

int sd_event_add_time(sd_event *loop, sd_event_source **ret, clockid_t clock, uint64_t usec,
    uint64_t accuracy, sd_event_time_handler_t callback, void *user)
{
    sd_event_source *s = add(loop, KIND_TIME, user, ret);

    s->clock = clock;
    s->time = usec;
    s->accuracy = accuracy > 0 ? accuracy : ACCURACY;
    s->on_time = callback;
    return 0;
}

int sd_event_add_io(sd_event *loop, sd_event_source **ret, int fd, uint32_t events,
    sd_event_io_handler_t callback, void *user)
{
    sd_event_source *s = add(loop, KIND_IO, user, ret);

    s->enabled = SD_EVENT_ON;
    s->fd = fd;
    s->events = events;
    s->on_io = callback;
    return 0;
}

int sd_event_source_set_enabled(sd_event_source *s, int enabled)
{
    if (s && s->enabled != enabled) {
        s->enabled = enabled;
        s->pending = 0;
    }
    return 0;
}

int sd_event_source_get_enabled(sd_event_source *s, int *ret)
{
    if (ret)
        *ret = s->enabled;
    return s->enabled != SD_EVENT_OFF;
}

int sd_event_source_set_time(sd_event_source *s, uint64_t usec)
{
    s->time = usec;
    s->pending = 0;
    return 0;
}

int sd_event_source_set_io_events(sd_event_source *s, uint32_t events)
{
    s->events = events;
    s->pending = 0;
    return 0;
}

int sd_event_source_set_io_fd_own(sd_event_source *s, int own)
{
    s->owns_fd = own;
    return 0;
}

static void source_unref(sd_event_source *s)
{
    if (--s->references > 0)
        return;
    *s->previous = s->next;
    if (s->next)
        s->next->previous = s->previous;
    if (s->owns_fd)
        kernel_close(s->fd);
    n_sources--;
    free(s);
}

sd_event_source *sd_event_source_disable_unref(sd_event_source *s)
{
    if (!s)
        return NULL;
    s->enabled = SD_EVENT_OFF;
    s->pending = 0;
    source_unref(s);
    return NULL;
}

/* ---- rounds ---- */

static bool is_ready(sd_event_source *s)
{
    switch (s->kind) {
    case KIND_DEFER: return true;
    case KIND_TIME: return s->time <= *stamp_of(s->loop, s->clock);
    default: s->found = kernel_ready(s->fd, s->events); return s->found != 0;
    }
}

/* Whether a comes before b: what has been ready for longer, and what is ready at once in an order
 * that nobody may rely on. */
static bool comes_before(const sd_event_source *a, const sd_event_source *b)
{
    if (!b || a->pending != b->pending)
        return !b || a->pending < b->pending;
    switch (mode() / 2) {
    case 0: return a->number < b->number;
    case 1: return a->number > b->number;
    default:
        return schedule_random(world.schedule, a->number ^ a->pending << 16) <
               schedule_random(world.schedule, b->number ^ b->pending << 16);
    }
}

static sd_event_source *first_pending(sd_event *loop)
{
    sd_event_source *first = NULL;

    for (sd_event_source *s = loop->sources; s; s = s->next) {
        if (s->enabled == SD_EVENT_OFF)
            continue;
        if (s->pending == 0 && is_ready(s))
            s->pending = loop->rounds;
        if (s->pending > 0 && comes_before(s, first))
            first = s;
    }
    return first;
}

static void dispatch(sd_event_source *s)
{
    int r;

    s->references++;
    s->pending = 0;
    if (s->enabled == SD_EVENT_ONESHOT)
        s->enabled = SD_EVENT_OFF;
    switch (s->kind) {
    case KIND_DEFER: r = s->on_defer(s, s->user); break;
    case KIND_TIME: r = s->on_time(s, s->time, s->user); break;
    default: r = s->on_io(s, s->fd, s->found, s->user); break;
    }
    if (r < 0)
        world_wrong(FAULT_WRONG, "a handler failed: %d", r);
    source_unref(s);
}

bool loop_run_once(sd_event *loop)
{
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME};
    sd_event_source *s;

    loop->rounds++;
    for (size_t i = 0; i < ELEMENTSOF(clocks); i++)
        loop->stamp[i] = world_clock(clocks[i]);
    s = first_pending(loop);
    if (!s)
        return false;
    dispatch(s);
    return true;
}

/* The world's time of a timer. */
static usec_t wakes_at(const sd_event_source *s, bool late)
{
    usec_t when = usec_add(s->time, late ? s->accuracy : 0);

    if (when == USEC_NEVER)
        return when;
    if (s->clock == CLOCK_MONOTONIC)
        return when + world.suspended;
    if (s->clock == CLOCK_REALTIME)
        return when - world.real_offset;
    return when;
}

usec_t loop_next(const sd_event *loop)
{
    bool late = mode() % 2;
    usec_t next = USEC_NEVER;

    for (const sd_event_source *s = loop->sources; s; s = s->next)
        if (s->kind == KIND_TIME && s->enabled != SD_EVENT_OFF)
            next = MIN(next, wakes_at(s, late));
    return next;
}
