/* How fast a connection may send: so many bytes a second, in small portions with pauses between
 * them. Time is given from outside, so that nothing waits here. Pure.
 *
 * In any stretch of time no more is sent than its share and one portion, a tenth of a second's. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

typedef struct Rate {
    uint64_t bytes; /* a second; 0: no limit */
    usec_t free_at; /* monotonic: what was sent has had its time by then */
} Rate;

/* How many of `wanted` bytes may be sent now; 0: not before rate_free_at(). */
size_t rate_allows(const Rate *rate, size_t wanted, usec_t now);

void rate_note_sent(Rate *rate, size_t n, usec_t now);

/* When the next may be sent; not after `now` where that is now. */
usec_t rate_free_at(const Rate *rate);
