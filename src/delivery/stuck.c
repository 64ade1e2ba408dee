/* Attempts whose end cannot be written at present. Must never let go of one before it is settled,
 * but at the end of the process. */
#include "delivery/active.h"

#define WRITTEN_MAX 16 /* ends in one go: each costs a write to the disk */

size_t engine_count_stuck(const Engine *engine)
{
    size_t n = 0;

    for (Attempt *attempt = engine->stuck; attempt; attempt = *attempt_next(attempt))
        n++;
    return n;
}

/* Until so many ends have been written. Those that are not tried come first the next time. */
static void retry_stuck(Engine *engine, size_t most)
{
    Attempt *attempt = TAKE_PTR(engine->stuck), **end = &attempt;

    while (attempt && most > 0) {
        Attempt *next = *attempt_next(attempt);
        size_t in_flight = engine->statistics.in_flight;

        engine_end_attempt(engine, attempt);
        most -= engine->statistics.in_flight < in_flight;
        attempt = next;
    }
    if (!attempt)
        return;
    while (*end)
        end = attempt_next(*end);
    *end = engine->stuck;
    engine->stuck = attempt;
    engine->stuck_until = 0;
    engine_wake(engine);
}

void engine_retry_stuck(Engine *engine)
{
    retry_stuck(engine, WRITTEN_MAX);
}

void engine_retry_all_stuck(Engine *engine)
{
    retry_stuck(engine, SIZE_MAX);
}

static void abandon_all(Engine *engine, Attempt *attempt)
{
    for (Attempt *next; attempt; attempt = next) {
        next = *attempt_next(attempt);
        attempt_abandon_at_end(attempt, &engine->context);
        engine->statistics.in_flight--;
    }
}

void engine_abandon_unsettled(Engine *engine)
{
    abandon_all(engine, TAKE_PTR(engine->stuck));
    abandon_all(engine, TAKE_PTR(engine->settling));
}
