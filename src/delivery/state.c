/* The engine's clocks, and its waking. Must never run the pump: that comes from the loop. */
#include "delivery/state.h"

#include <time.h>

/* The loop runs what is deferred before anything else: an engine that goes on and on, as with a
 * thousand messages to look at, would let nothing be read, not even what it is told of its own
 * changes. */
#define PUMPED_MAX 4

static usec_t clock_of_loop(const Engine *engine, clockid_t clock)
{
    uint64_t now = 0;

    (void)sd_event_now(engine->loop, clock, &now);
    return now;
}

usec_t engine_now(const Engine *engine)
{
    return clock_of_loop(engine, CLOCK_BOOTTIME);
}

usec_t engine_now_monotonic(const Engine *engine)
{
    return clock_of_loop(engine, CLOCK_MONOTONIC);
}

usec_t engine_now_real(const Engine *engine)
{
    return clock_of_loop(engine, CLOCK_REALTIME);
}

void engine_wake(Engine *engine)
{
    engine->idle_reported = engine->idle_reported && engine->stopping;
    (void)sd_event_source_set_enabled(
        engine->pumped < PUMPED_MAX ? engine->pump_source : engine->yield, SD_EVENT_ONESHOT);
}
