/* What was sent of late, and how much more may be: never more than a limit in any stretch of time
 * that is so long. Pure; times are of one clock, whatever its start. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/share.h"
#include "settings/rate.h"

#define RATE_SLOTS 61 /* a sixtieth of the time each, and one that is under way */

/* What was sent, by when. */
typedef struct RateWindow {
    Rate rate;
    uint32_t limit; /* of it, for this process */
    bool early;     /* which is more soon: the others have not heard of it yet */
    bool first; /* of the processes, and known to them: what is more than a part is its to send */
    uint64_t slot; /* the latest */
    uint32_t counts[RATE_SLOTS];
    uint32_t others[RATE_SLOTS]; /* what other processes sent, as far as they have said */
} RateWindow;

void rate_init(RateWindow *window, const Rate *rate);

/* What may be sent from now on is that part of the rate. */
void rate_share(RateWindow *window, const Share *share);

void rate_note(RateWindow *window, uint64_t n, usec_t now);

/* How many more may be sent now. */
uint64_t rate_room(RateWindow *window, usec_t now);

/* When so many may be: `now` where that is so, and never later than after the rate's time,
 * but in what follows. More than the limit may be sent where nothing else was. Of several processes
 * the first alone may send more at once than its part: all of them together could send as much as
 * that each, before they have heard of each other. The others are to ask again after a minute,
 * however short the rate's time is. */
usec_t rate_when(RateWindow *window, uint64_t n, usec_t now);

/* "AGE:COUNT" in seconds, with commas between them; nothing where nothing was sent. 0 or -ENOMEM.
 */
int rate_format(RateWindow *window, usec_t now, Buffer *out);

/* The inverse: what was sent, `age` longer ago than it says. What cannot be read is left out. */
void rate_parse(RateWindow *window, const char *text, usec_t age, usec_t now);

/* The same of what other processes sent: together with them no more is sent than the whole of the
 * rate. */
void rate_parse_others(RateWindow *window, const char *text, usec_t age, usec_t now);
void rate_forget_others(RateWindow *window);

/* Whether this process has sent its part; and how much that was, or more. */
bool rate_is_used(const RateWindow *window);
uint64_t rate_used(const RateWindow *window);
