/* The parts of `queue`, which sendmail uses too. */
#pragma once

#include "queue/put.h"
#include "tool/input.h"

/* Looks at the start of a message, behind which there may be more, as the daemon will, and whether
 * this user may name its sender, so that both are heard at once. 0, or a negative errno with a
 * Failure. */
int queue_check(const QueueTarget *target, const Buffer *start, bool more, Failure *f);

/* Queues the whole messages in `files` (NULL-terminated), which wait for the disk together, each
 * with the envelope that the input gives. One that cannot be queued does not stop the others.
 * Returns EX_OK, or the exit status of the last that was not queued, each having been said. */
int queue_batch(const ToolInput *input, const QueueTarget *target, char **files);
