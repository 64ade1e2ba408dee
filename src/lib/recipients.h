/* Who a message is for. For src/lib alone. */
#pragma once

#include "lib/message_own.h"

/* Which kind of recipient an address is listed as (OUTBOX_RECIPIENT_TO ...); -1: it is not. */
int message_kind_of(OutboxMessage *message, const char *address);
