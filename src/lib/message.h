/* A message's properties, and its life beside a client's. For src/lib alone. */
#pragma once

#include "lib/message_own.h"

/* What a configuration says of messages, where nothing else is set. 0, or an error number with
 * message->failure. */
int message_take_style(OutboxMessage *message, const MessageConfig *style);

/* Whether the name is a property's. */
bool message_has(const char *name);

/* Closes streams that are to be closed, which have been read. */
void message_end_streams(OutboxMessage *message);

/* A client is done with it; one that was freed meanwhile goes now. */
void message_release(OutboxMessage *message);
