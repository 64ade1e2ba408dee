/* Since when a message can be said to wait. */
#pragma once

#include "spool/spool.h"

/* When the message was first to go, as its file has it (X-Outbox-Not-Before); 0: at once, or it
 * cannot be read. The file is opened: ask of few. */
usec_t queue_first_due(const Spool *spool, const SpoolEntry *entry);
