/* The parts of `queue`, which sendmail uses too. */
#pragma once

#include "spool/enqueue.h"
#include "tool/input.h"

/* Where messages go, and what is known of who may queue what there. */
typedef struct QueueTarget {
    char *directory;
    uid_t owner;          /* of the directory; FILE_OWNER_UNKNOWN where that does not matter */
    SenderRules *senders; /* NULL: none are known */
} QueueTarget;

/* As tool_directory(). */
int queue_target_open(const Tool *tool, const char *directory, QueueTarget *ret);
void queue_target_done(QueueTarget *target);

/* Looks at the start of a message as the daemon will, and whether this user may name its sender, so
 * that both are heard at once. 0, or a negative errno with a Failure. */
int queue_check(const QueueTarget *target, const Buffer *start, InputRest *rest, Failure *f);

/* Queues the whole messages in `files` (NULL-terminated), which wait for the disk together, each
 * with the envelope that the input gives. One that cannot be queued does not stop the others.
 * Returns EX_OK, or the exit status of the last that was not queued, each having been said. */
int queue_batch(const ToolInput *input, const QueueTarget *target, char **files);

/* Copies the message, opened by input_open(), to a queue file. 0 or a negative errno with a
 * Failure. */
int queue_write(SpoolWriter *writer, const Buffer *start, InputRest *rest, Failure *f);

/* Queues the message, opened by input_open(). The path of its file, which the caller frees. 0 or a
 * negative errno with a Failure. */
int queue_message(
    const QueueTarget *target, const Buffer *start, InputRest *rest, char **ret_path, Failure *f);

#define _cleanup_queue_target_ _cleanup_(queue_target_done)
