/* Names of lanes: what a message says of itself (X-Outbox-Lane) and settings say something of, such
 * as "bulk". */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

#define LANE_NAME_MAX 32 /* bytes */

/* Whether the text is one: letters and digits of ASCII, and "-", "_" and "." behind the first. 0,
 * or -EINVAL with a Failure (ERROR_MESSAGE) whose text says what is wrong, with the text in it. */
int lane_check(const char *text, size_t n, Failure *f);

/* The same name in small letters, for names are compared without regard to case. `n` bytes of a
 * name that was checked. Caller frees; NULL when memory is short. */
char *lane_fold(const char *text, size_t n);
