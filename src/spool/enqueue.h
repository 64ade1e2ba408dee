/* Putting messages into a queue directory durably: a new file under a dotted name, fsync, rename to
 * `.queued`, fsync of the directory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/failure.h"

typedef struct SpoolWriter SpoolWriter;

/* Starts a message. The directory needs write and search permission only: it is not listed. 0 or a
 * negative errno with a Failure that names the directory and what to do. */
int spool_writer_new(const char *directory, SpoolWriter **ret, Failure *f);
int spool_writer_write(SpoolWriter *writer, const void *data, size_t n, Failure *f);

/* First of all: the message is that of `user`, for whom it is written, and the file is to say so
 * (spool/submitter.h). What follows is taken for no mark of the kind. 0 or a negative errno. */
int spool_writer_submit(SpoolWriter *writer, uid_t user, Failure *f);

/* Makes it durable and gives it its name; `ret_path` (caller frees) is the path of the `.queued`
 * file. The writer is consumed either way; on failure no file is left. */
int spool_writer_commit(SpoolWriter *writer, char **ret_path, Failure *f);

/* Brings its content to the disk under a name that nobody delivers from, and gives it that name,
 * which may not be taken; the directory is not synced. The writer is consumed either way; on
 * failure no file is left. */
int spool_writer_stage(SpoolWriter *writer, const char *name, Failure *f);

/* Drops the message. Accepts NULL. */
void spool_writer_free(SpoolWriter *writer);

/* ---- Several messages, which wait for the disk together. Each holds one descriptor. ---- */

/* Starts another message for the directory of `other`. */
int spool_writer_new_beside(SpoolWriter *other, SpoolWriter **ret, Failure *f);

/* Nothing more will be written; the writer's memory is given back. 0 or a negative errno. */
int spool_writer_finish(SpoolWriter *writer, Failure *f);

/* As spool_writer_commit(), for `n` finished writers of one directory, all of which are consumed:
 * when it returns, ret_paths[i] is a queued message's path, which the caller frees, or NULL, and
 * ret_failures[i] says why. 0, or the negative errno of one that failed. */
int spool_writer_commit_all(
    SpoolWriter **writers, size_t n, char **ret_paths, Failure *ret_failures);

DEFINE_CLEANUP(SpoolWriter, spool_writer_free);
