/* When a deferred message is tried again, and when it is given up. Pure. */
#pragma once

#include <stdbool.h>

#include "base/clock.h"
#include "settings/config.h"

/* The pause after attempt number `attempt` (from 1): first * factor^(attempt - 1), at most `max`,
 * less up to a tenth that `random` (any number) decides, so that messages deferred together do not
 * come back together. */
usec_t retry_pause(const RetryConfig *retry, unsigned attempt, uint32_t random);

/* Whether nothing is to be tried after attempt number `attempt`, ended at `now`, of a message whose
 * first counted attempt was at `first` (all realtime; 0: this one). Age ends no message before its
 * second attempt: what waited for a relay, or was held, has not been tried. */
bool retry_is_over(const RetryConfig *retry, unsigned attempt, usec_t first, usec_t now);
