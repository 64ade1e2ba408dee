/* Putting a message into a queue directory durably: a new file under a dotted name, fsync, rename
 * to `.queued`, fsync of the directory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

typedef struct SpoolWriter SpoolWriter;

/* Starts a message. The directory needs write and search permission only: it is not listed. 0 or a
 * negative errno with a Failure that names the directory and what to do. */
int spool_writer_new(const char *directory, SpoolWriter **ret, Failure *f);
int spool_writer_write(SpoolWriter *writer, const void *data, size_t n, Failure *f);

/* Makes it durable and gives it its name; `ret_path` (caller frees) is the path of the `.queued`
 * file. The writer is consumed either way; on failure no file is left. With `sync_directory` false
 * the caller makes the directory durable later, once for many messages, with
 * spool_sync_directory(): only then is a message certain to survive. */
int spool_writer_commit(SpoolWriter *writer, bool sync_directory, char **ret_path, Failure *f);
int spool_sync_directory(const char *directory, Failure *f);

/* Drops the message. Accepts NULL. */
void spool_writer_free(SpoolWriter *writer);

DEFINE_CLEANUP(SpoolWriter, spool_writer_free);
