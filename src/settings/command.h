/* Running a shell command for its output, with a time limit. */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"

/* Runs `/bin/sh -c command` without standard input and appends what it prints to `out`, at most
 * `max` bytes. 0; -ETIMEDOUT when it took longer than `limit` (it is killed with all it started);
 * -EPROTO when it failed or printed too much; another negative errno. The Failure has the command's
 * own words from standard error, but never its output. */
int command_run(const char *command, usec_t limit, size_t max, Buffer *out, Failure *f);
