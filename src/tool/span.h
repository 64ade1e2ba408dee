/* Times as a person reads them. */
#pragma once

#include "base/clock.h"

#define SPAN_MAX 16
#define AGO_MAX 80

/* "90s", "3m", "2h", "5d": one unit is enough to see what is stuck. Returns `text`. */
char *span_format(usec_t span, char text[static SPAN_MAX]);

/* For a terminal "3 min ago" or "in 2 h", with the time of the day behind it; else as RFC 3339 has
 * it. Returns `text`. */
char *span_format_time(usec_t realtime, usec_t now, char text[static AGO_MAX]);
