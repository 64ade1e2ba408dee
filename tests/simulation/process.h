/* The daemon of a run: an engine on the simulated machine, as it is started, told things and
 * ended. */
#pragma once

#include <stdbool.h>

#include "base/clock.h"

typedef struct Figures {
    unsigned long long rounds, jumps, processes, outcomes;
    usec_t slowest; /* from the end of the faults to the end of the last message */
} Figures;

extern Figures figures_of_runs;

void process_start(void);
void process_reload(void);
void process_flush(void);

/* SIGTERM: what is in flight ends, or is put back after 20 s; then a new one is started. */
void process_drain(bool again);

/* Ends it as SIGKILL does; a new one is started after `pause`. */
void process_kill(usec_t pause);

/* Stops it for so long; the machine with it: then CLOCK_MONOTONIC stands still. */
void process_freeze(usec_t span, bool machine);

/* Goes on until a time of the world. False when something was found to be wrong. */
bool process_run_until(usec_t end);

/* As that, but ends when every message has. */
bool process_run_until_done(usec_t end);

/* Ends it for good, and looks for what was not given back. */
void process_end(void);

/* Longer than anything takes to end once everything works, and than a message has to wait beside a
 * relay that works, whatever the others do. */
usec_t process_bound(void);
usec_t process_patience(void);
