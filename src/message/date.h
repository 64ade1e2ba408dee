/* Dates of a header (RFC 5322, 3.3), as a person gives them. Pure. Inside the layer only. */
#pragma once

#include "base/failure.h"

/* Whether the text is one: "Thu, 1 Jan 2026 00:00:00 +0000", with or without the day of the week
 * and the seconds, the zone also as a name of RFC 5322, 4.3, a comment behind it; of a day and a
 * time that there are, the day of the week being that of the day. 0, or -EBADMSG with a Failure. */
int date_check(const char *text, Failure *f);
