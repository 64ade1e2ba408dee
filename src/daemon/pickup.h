/* The pickup directories of a daemon: watched, and emptied beside the loop (spool/pickup.h). */
#pragma once

#include <systemd/sd-event.h>

#include "base/worker.h"
#include "daemon/log.h"
#include "settings/config.h"

typedef struct PickupHandlers {
    /* What is wrong with a directory, or its files, for who looks at the daemon's state; NULL:
     * nothing is any more. */
    void (*problem)(void *user, const char *directory, const Failure *failure);
} PickupHandlers;

typedef struct Pickup Pickup;

/* Takes what is there, and what will come. 0 or -ENOMEM or another negative errno of the loop's. */
int pickup_new(sd_event *loop, Worker *worker, Log *log, Config *config,
    const PickupHandlers *handlers, void *user, Pickup **ret);

/* With another configuration. Accepts NULL. */
void pickup_configure(Pickup *pickup, const Config *config);

/* Takes no more. A pass that runs ends by itself, or is ended by the next start. Accepts NULL. */
void pickup_free(Pickup *pickup);

DEFINE_CLEANUP(Pickup, pickup_free);
