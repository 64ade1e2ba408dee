/* JSON for --json: always valid, whatever names and replies hold. */
#pragma once

#include <jansson.h>

#include "base/clock.h"

/* A string, or null for NULL. What is not UTF-8 has \xNN for the bytes that are none. NULL only
 * when memory is short. */
json_t *json_text(const char *text);

/* A time as RFC 3339 has it, or null for 0. */
json_t *json_time(usec_t realtime);

/* Prints the value, indented, and drops the reference. Returns EX_OK, or an exit status after
 * having said that memory is short, for which `json` may be NULL. */
int json_print(json_t *json);
