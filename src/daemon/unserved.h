/* Mail in the queue directory of a daemon that delivers from a database: whoever could not read the
 * configuration has queued it there, or it was there before the database was. It is told of, for
 * nobody would look for it. */
#pragma once

#include <systemd/sd-event.h>

#include "base/failure.h"
#include "base/worker.h"
#include "settings/config.h"

typedef struct Unserved Unserved;

/* There is some, which is `news` where it is more than was told of before; NULL: there is none any
 * more. */
typedef void (*UnservedTell)(void *user, const char *directory, const Failure *failure, bool news);

/* Looks beside the loop, at once and every minute. NULL where the queue is the directory. 0,
 * -ENOMEM or another negative errno of the loop's. */
int unserved_new(sd_event *loop, Worker *worker, const Config *config, UnservedTell tell,
    void *user, Unserved **ret);

void unserved_free(Unserved *unserved); /* accepts NULL */

DEFINE_CLEANUP(Unserved, unserved_free);
