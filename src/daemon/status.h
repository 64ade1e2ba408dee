/* The one line that `systemctl status outboxd` shows. */
#pragma once

#include <stddef.h>

#include "delivery/engine.h"

#define STATUS_MAX 512 /* at most NOTIFY_STATUS_MAX */

/* "3 queued, 2 sending, 12 deferred (next at 01-02 14:05:00), 1 connection; 1234 sent, 3 failed",
 * the time in the local zone; with NULL, that the directory cannot be used. An alarm (NULL: none)
 * comes first. Returns `text`. */
char *status_format(const EngineStatistics *statistics, const char *directory, const char *alarm,
    char text[static STATUS_MAX]);
