/* Caution after a process has died. Must never hold mail up for longer than a few steps of time,
 * nor cost anything where nothing has died. */
#include "queue/caution.h"

#include <errno.h>

#include "base/errors.h"

/* How long one that killed its reader waits, by how often it did: innocent ones, which were read
 * when somebody killed the process, wait for the first of them once. */
#define DEADLY_FIRST (5 * USEC_PER_SEC)
#define DEADLY_FACTOR 4
#define DEADLY_MAX USEC_PER_HOUR

/* So long others come first in each life; not longer, so that one that is read by a process that is
 * killed over and over for other reasons has its turn. */
#define OTHERS_FIRST (250 * USEC_PER_MSEC)

#define WINDOW_MAX 1024

static void start(Caution *c, unsigned held, usec_t now)
{
    c->on = true;
    c->since = now;
    c->stepped = clock_monotonic();
    c->window = held + 1;
    c->passed = 0;
}

void caution_init(Caution *c)
{
    *c = (Caution){.window = UINT_MAX};
    reading_marks_init(&c->marks, NULL);
}

void caution_look(Caution *c, const Spool *spool, usec_t now)
{
    reading_marks_init(&c->marks, spool);
    c->marked = reading_marks_any(&c->marks);
    if (c->marked)
        start(c, 0, now);
}

void caution_done(Caution *c)
{
    reading_marks_done(&c->marks);
}

void caution_begin(Caution *c, unsigned held, usec_t now)
{
    if (c->on)
        return;
    c->marked = reading_marks_any(&c->marks); /* of one that shared the directory */
    start(c, held, now);
}

/* ---- how many at a time ---- */

static void widen(Caution *c)
{
    c->window = c->window >= WINDOW_MAX ? UINT_MAX : c->window * 2;
    c->passed = 0;
}

unsigned caution_room(const Caution *c, unsigned held)
{
    if (!c->on)
        return UINT_MAX;
    return held < c->window ? c->window - held : 0;
}

void caution_tick(Caution *c, usec_t monotonic)
{
    if (!c->on || monotonic < usec_add(c->stepped, CAUTION_STEP))
        return;
    c->stepped = monotonic;
    widen(c);
}

void caution_passed(Caution *c)
{
    if (c->on && c->window != UINT_MAX && ++c->passed >= c->window)
        widen(c);
}

void caution_rest(Caution *c)
{
    if (!c->on)
        return;
    c->marked = reading_marks_any(&c->marks);
    c->on = c->marked;
}

/* ---- one message ---- */

static usec_t pause_of(unsigned times)
{
    usec_t pause = DEADLY_FIRST;

    while (--times > 0 && pause < DEADLY_MAX)
        pause *= DEADLY_FACTOR;
    return MIN(pause, DEADLY_MAX);
}

/* When one that has been marked so often may be read: in each life the others come first. A mark of
 * the future is a wrong clock's. */
static usec_t due_of(const Caution *c, unsigned times, usec_t last, usec_t now)
{
    return MAX(usec_add(MIN(last, now), pause_of(times)), usec_add(c->since, OTHERS_FIRST));
}

bool caution_read(Caution *c, const char *id, usec_t now, usec_t *ret_due, Failure *f)
{
    usec_t last;
    unsigned times;

    if (!c->on)
        return true;
    times = c->marked ? reading_marks_look(&c->marks, id, &last) : 0;
    *ret_due = times > 0 ? due_of(c, times, last, now) : 0;
    if (*ret_due <= now) {
        reading_marks_set(&c->marks, id);
        return true;
    }
    (void)failure_set(f, -EDEADLK, ERROR_FILE,
        "a process died while it was reading this message (times: %u), so that others go first; it "
        "is read again in %llu s. If it goes on, this is a fault of outbox that the message brings "
        "about: keep a copy of it, and report it; put it aside with outbox hold",
        times, (unsigned long long)((*ret_due - now) / USEC_PER_SEC) + 1);
    return false;
}

void caution_was_read(const Caution *c, const char *id)
{
    if (c->on)
        reading_marks_clear(&c->marks, id);
}
