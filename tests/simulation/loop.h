/* The calls of sd-event that the engine makes, with the time of the simulated machine and its
 * descriptors. One loop at a time. */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/clock.h"

sd_event *loop_new(void);

/* One round, as sd_event_run() with a time-out of 0: true when something was dispatched. */
bool loop_run_once(sd_event *loop);

/* When the loop would wake by itself, on the world's clock; USEC_NEVER: not at all. */
usec_t loop_next(const sd_event *loop);

/* Sources and loops that are left: none, when all is over. */
unsigned loop_count_sources(void);
