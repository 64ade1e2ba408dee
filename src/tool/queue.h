/* The parts of `queue`. */
#pragma once

#include "spool/enqueue.h"
#include "tool/input.h"

/* Queues the whole messages in `files` (NULL-terminated), which wait for the disk together, each
 * with the envelope that the input gives. One that cannot be queued does not stop the others.
 * Returns EX_OK, or the exit status of the last that was not queued, each having been said. */
int queue_batch(const ToolInput *input, const char *directory, char **files);

/* Copies the message, opened by input_open(), to a queue file. 0 or a negative errno with a
 * Failure. */
int queue_write(SpoolWriter *writer, const Buffer *start, int rest, Failure *f);

/* Queues the message, opened by input_open(). The path of its file, which the caller frees. 0 or a
 * negative errno with a Failure. */
int queue_message(
    const char *directory, const Buffer *start, int rest, char **ret_path, Failure *f);
