/* When a message may go at the earliest: X-Outbox-Not-Before in the envelope block, and what a
 * person says for it. Pure. */
#pragma once

#include <stddef.h>

#include "base/clock.h"
#include "base/failure.h"

/* No message is kept for longer: who names a later time has mistaken the year. */
#define NOT_BEFORE_YEARS 3u
#define NOT_BEFORE_MAX (NOT_BEFORE_YEARS * 366 * USEC_PER_DAY)

#define NOT_BEFORE_FIELD "X-Outbox-Not-Before"

/* The value of the field: a date as RFC 5322 or RFC 3339 writes it. 0, or -EBADMSG with a Failure,
 * also for one that no clock of today says (clock_is_plausible()); -ENOMEM. */
int not_before_parse_field(const char *value, size_t n, usec_t *ret, Failure *f);

/* The same as a person says it, and as a time from now on, "2h", or one of this machine's zone,
 * "2026-12-01 09:00", "2026-12-01". It lies ahead, and not too far. */
int not_before_parse(const char *text, usec_t now, usec_t *ret, Failure *f);

/* Whether that time is one to wait for: not too far ahead, where this machine's clock can be
 * right. 0, or -EBADMSG with a Failure. */
int not_before_check(usec_t not_before, usec_t now, Failure *f);
