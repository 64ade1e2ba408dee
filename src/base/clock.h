/* Time as one type: microseconds. Nothing below the drivers reads a clock; `now` is always a
 * parameter there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t usec_t;

#define USEC_PER_MSEC ((usec_t)1000)
#define USEC_PER_SEC ((usec_t)1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_NEVER UINT64_MAX

/* Microseconds since the epoch (wall clock). */
usec_t clock_realtime(void);

/* Microseconds on the clock that deadlines and sd-event timers use (CLOCK_MONOTONIC). */
usec_t clock_monotonic(void);

/* a + b, or USEC_NEVER where that would overflow or either is USEC_NEVER. */
usec_t usec_add(usec_t a, usec_t b);

/* Whether a realtime can be right: outbox is no older than 2026. One before is of a clock that had
 * not been set, as of a machine without a battery, which begins in 1970; or of a file whose time
 * was carried over from elsewhere. */
bool clock_is_plausible(usec_t realtime);

/* How long ago that was (both realtime). 0 for a time that is not plausible or lies ahead: nothing
 * may be deleted or given up for its age then. */
usec_t clock_age(usec_t then, usec_t now);

#define RFC3339_MAX 32
#define RFC5322_DATE_MAX 48

/* "2026-01-02T03:04:05.678901Z" (RFC 3339, UTC). Returns `text`. */
char *clock_format_rfc3339(usec_t realtime, char text[static RFC3339_MAX]);

/* The inverse. 0, or -EINVAL for anything else than the form above (fraction optional, "Z"
 * required). */
int clock_parse_rfc3339(const char *text, usec_t *ret_realtime);

/* "Fri, 02 Jan 2026 04:04:05 +0100" in the local zone (RFC 5322, 3.3), English in every locale.
 * Returns `text`. */
char *clock_format_rfc5322(usec_t realtime, char text[static RFC5322_DATE_MAX]);
