/* JSON for --json: always valid, whatever names and replies hold. */
#pragma once

#include <jansson.h>

#include "base/clock.h"

/* A string, or null for NULL. What is not UTF-8 has \xNN for the bytes that are none. NULL only
 * when memory is short. */
json_t *json_text(const char *text);

/* A time as RFC 3339 has it, or null for 0. */
json_t *json_time(usec_t realtime);

/* Writes the value, with these flags of json_dumps(), to standard output, on a terminal or not,
 * with \uXXXX for each character that is not plain (base/text.h). 0 or -ENOMEM; errors of writing
 * stay with the stream. */
int json_write(const json_t *json, size_t flags);

/* Prints the value, indented, and drops the reference. Returns EX_OK, or an exit status after
 * having said that memory is short, for which `json` may be NULL. */
int json_print(json_t *json);
