/* Another envelope for a message: what is said beside it takes the place of what its file says. */
#pragma once

#include <stddef.h>

#include "base/buffer.h"
#include "base/failure.h"
#include "message/envelope.h"

/* Appends the message that starts with these `n` bytes (its whole header at least) with the sender
 * and the lane of `envelope`, unless they are NULL, and its recipients, unless there are none,
 * instead of its own, and with the header fields in `added` (whole lines, or NULL). What stands in
 * front of its header and is none of it is left out, and nothing else changes. Whether it can be
 * sent is message_open_as()'s to say. 0 or -ENOMEM. */
int message_readdress(
    const char *data, size_t n, const Envelope *envelope, const char *added, Buffer *out);

/* The same for what message_open_as() made of it with that `asked`, whose envelope is `own`: what
 * is asked for is named anew, with the parameters that it has there, and the rest stays. */
int message_readdress_as(
    const char *data, size_t n, const Envelope *asked, const Envelope *own, Buffer *out);

/* What there is in the first `n` bytes of a message (its whole header at least). */
typedef struct MessageShape {
    bool has_header; /* fields of which one is well known, or an empty line at its place; people
                        pipe a text alone into sendmail as well, and a text may begin "Warning:" */
    bool has_from;   /* a From field */
} MessageShape;

MessageShape message_shape(const char *data, size_t n);
