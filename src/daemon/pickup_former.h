/* What is left in the queue directory of pickup directories that are not configured any more, or
 * that are emptied into a database now: looked after beside the loop, once. */
#pragma once

#include <systemd/sd-event.h>

#include "base/worker.h"
#include "daemon/log.h"
#include "settings/config.h"

typedef struct PickupFormer PickupFormer;

/* Begins. 0, -ENOMEM or another negative errno of the loop's. */
int pickup_former_new(
    sd_event *loop, Worker *worker, Log *log, const Config *config, PickupFormer **ret);

/* These directories are configured from now on. Accepts NULL. */
void pickup_former_configure(PickupFormer *former, const Config *config);

void pickup_former_free(PickupFormer *former); /* accepts NULL */

DEFINE_CLEANUP(PickupFormer, pickup_former_free);
