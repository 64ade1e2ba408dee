/* Whoever waits and comes back much later than it meant to was busy, or stopped: what it waits for
 * may have come meanwhile, or have waited for words that had not gone out. That time is nobody's.
 * Once: where a wait that ends late follows one that did, and nothing was found by it, the time
 * counts, so that a program which is always late still hears of a server that is dead. */
#pragma once

#include <stdbool.h>

#include "base/clock.h"

/* Zeroed to begin with. */
typedef struct Lateness {
    usec_t waited, due; /* since when, and until when; `due` 0: there is no wait */
    bool excused;       /* the wait before ended too late */
} Lateness;

void lateness_wait(Lateness *lateness, usec_t now, usec_t due);

/* A wait is over, and what it was for was `found`, or not. How long deadlines are to be put off; 0:
 * not at all. */
usec_t lateness_excuse(Lateness *lateness, usec_t now, bool found);

/* 0 is no deadline, and stays none. */
void lateness_put_off(usec_t *deadline, usec_t time);
