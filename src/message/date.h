/* Dates of a header (RFC 5322, 3.3), as a person or a program gives them. Pure. Inside the layer
 * only. */
#pragma once

#include "base/clock.h"
#include "base/failure.h"

/* How the date is written in a header. One of RFC 5322 is `text` itself: "Thu, 1 Jan 2026 00:00:00
 * +0000", with or without the day of the week and the seconds, the zone also as a name of 4.3, a
 * comment behind it. One of RFC 3339, "2026-01-01T00:00:00.5+01:00", a blank in the place of the T
 * also, is written as such in `room`, without the fraction. It has to be of a day and a time that
 * there are, the day of the week that of the day. 0, or -EBADMSG with a Failure. */
int date_write(const char *text, char room[static RFC5322_DATE_MAX], const char **ret, Failure *f);

/* The moment that such a date names (realtime, whole seconds); 0: one before 1970. Likewise. */
int date_read(const char *text, usec_t *ret, Failure *f);
