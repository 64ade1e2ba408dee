/* Since when messages can be said to wait, for whoever looks for the one that has waited longest.
 */
#pragma once

#include "spool/spool.h"

/* Whether messages in this state wait. */
bool queue_waits(SpoolState state);

/* Whether the message, whose file says that it arrived then (realtime), waits for longer than any
 * that was found before, since `oldest` (0: none was); that is its time then. What is not to go yet
 * (X-Outbox-Not-Before) does not wait, and what was to go later than it arrived waits since then.
 * The file is read of those alone that would be the oldest. */
bool queue_waits_longer(
    const Spool *spool, const SpoolEntry *entry, usec_t arrival, usec_t *oldest);
