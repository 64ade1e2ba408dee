/* How much may be sent in a time, as settings say it: "14/s", "100/h, 2000/d". Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/failure.h"

#define RATES_MAX 4
#define RATE_PER_MAX (31 * USEC_PER_DAY)

/* At most so many in any stretch of time that is so long. */
typedef struct Rate {
    uint32_t limit;
    usec_t per;
} Rate;

/* Some of them, with commas between, which hold all at once; `ret` has room for RATES_MAX. How
 * many; or -EINVAL with a Failure whose text stands behind the quoted setting. */
int rates_parse(const char *text, Rate *ret, Failure *f);
