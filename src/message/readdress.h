/* Another envelope for a message: what is said beside it takes the place of what its file says. */
#pragma once

#include <stddef.h>

#include "base/buffer.h"
#include "base/failure.h"
#include "message/envelope.h"

/* Appends the message that starts with these `n` bytes (its whole header at least) with the sender
 * of `envelope`, unless that is NULL, and its recipients, unless there are none, instead of its
 * own, and with the header fields in `added` (whole lines, or NULL). Nothing else of it changes. 0,
 * -EBADMSG with a Failure when its own envelope is malformed, or -ENOMEM. */
int message_readdress(const char *data, size_t n, const Envelope *envelope, const char *added,
    Buffer *out, Failure *f);
