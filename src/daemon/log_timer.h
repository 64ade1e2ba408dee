/* Entries that wait for their reader, a journal or a terminal that takes none, are tried again:
 * soon, as long as it takes something, and ever later, as long as it does not. */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/log.h"

typedef struct LogTimer LogTimer;

/* Serves that log from now on; the log is borrowed. 0, -ENOMEM or another negative errno of the
 * loop's. */
int log_timer_new(sd_event *loop, Log *log, LogTimer **ret);

void log_timer_free(LogTimer *timer); /* accepts NULL */
