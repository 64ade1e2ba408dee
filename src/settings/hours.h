/* Hours of the week, as a setting says them: "22:00-06:00", "Mon-Fri 08:00-18:00, Sat, Sun". They
 * are those of this machine's zone, whose changes to daylight saving time count. Pure but for that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/failure.h"

#define HOURS_DAY 1440 /* minutes */
#define HOURS_WEEK (7 * HOURS_DAY)

/* A bit a minute of the week, from Sunday on. */
typedef struct Hours {
    uint8_t minutes[HOURS_WEEK / 8];
    bool any;
} Hours;

/* -EINVAL with a Failure whose text stands behind the quoted setting. */
int hours_parse(const char *text, Hours *ret, Failure *f);

/* Whether that moment (realtime) is among them. */
bool hours_have(const Hours *hours, usec_t realtime);

/* When that is not so any more, or is so again; USEC_NEVER: it does not change. */
usec_t hours_next(const Hours *hours, usec_t realtime);
