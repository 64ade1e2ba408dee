/* The fields that every message has to have (RFC 5322, 3.6.1 and 3.6.4). */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"

/* Appends a msg-id, "<ID.hash@host>", which is the same whenever `id` and `now` are. 0 or -ENOMEM.
 */
int stamp_message_id(Buffer *out, const char *id, usec_t now);
