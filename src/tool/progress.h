/* A bar on a terminal that shows how far a long transfer has come. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct Progress {
    uint64_t done, total; /* bytes; a total of 0: nothing is shown */
    int shown;            /* per cent; -1: nothing yet */
} Progress;

/* Starts over. Nothing is shown when standard error is no terminal, or there is too little to wait
 * for. */
void progress_start(Progress *progress, uint64_t total);
void progress_add(Progress *progress, uint64_t n);

/* Leaves the bar as it stands, so that something else can be printed below it. */
void progress_end(Progress *progress);
