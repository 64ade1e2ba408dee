/* A message as a file: its envelope block, header and body. For src/lib alone. */
#pragma once

#include "lib/message_own.h"

/* Makes the file (anew where `again`). 0, or a negative errno with message->failure. */
int message_compose(OutboxMessage *message, bool again);

/* The file, after message_compose(); borrowed. */
Input *message_file(OutboxMessage *message);

/* The envelope that the properties ask for, for a raw message: no recipients and no sender where
 * they say nothing. 0 or a negative errno with message->failure. */
int message_asked(OutboxMessage *message, Envelope *ret);

/* For outbox_message_get(): NULL where it cannot be made. */
const char *message_header_text(OutboxMessage *message);
const char *message_body_text(OutboxMessage *message);
