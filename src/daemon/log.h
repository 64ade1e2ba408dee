/* Where log entries go: the journal, or lines on standard error. One Log belongs to one thread. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "daemon/entry.h"

typedef struct Log Log;

typedef enum LogTarget {
    LOG_TARGET_AUTO, /* the journal when standard error leads there already (systemd.exec(5),
                        $JOURNAL_STREAM), else standard error */
    LOG_TARGET_JOURNAL,
    LOG_TARGET_STDERR,
} LogTarget;

/* Takes one entry, without waiting. 0 or a negative errno when it could not be written. */
typedef int (*LogSink)(void *user, const Entry *entry);

/* "auto", "journal" or "stderr". 0 or -EINVAL. */
int log_target_parse(const char *name, LogTarget *ret);

/* 0, or a negative errno with a Failure: -ENOENT when the journal was asked for and there is none.
 */
int log_new(LogTarget target, Log **ret, Failure *f);

/* A log that hands its entries to `sink`, and those that it fails to take to `fallback`. 0 or
 * -ENOMEM. */
int log_new_sink(LogSink sink, LogSink fallback, void *user, Log **ret);

/* Waits a moment for a reader that is alive. Accepts NULL. */
void log_free(Log *log);

/* The log's one entry, to be filled. */
Entry *log_entry(Log *log);

/* Writes the entry; never waits for a reader that has stopped reading. What no target takes is
 * counted, and the number is told in its place as soon as one does again. */
void log_write(Log *log);

/* `behind` is called by log_write() when something is left to be written later: call log_retry()
 * then, again and again, until it says that nothing is. 0: nothing is left; 1: something was
 * written, the reader is back; -EAGAIN. */
void log_on_behind(Log *log, void (*behind)(void *user), void *user);
int log_retry(Log *log);

/* The entry as the one line that goes to standard error, with its line end; further lines of a
 * message are indented below it. Returns the length, at most `size` - 1; longer ones are cut. */
size_t log_stderr_format(const Entry *entry, const char *time, char *ret_line, size_t size);

DEFINE_CLEANUP(Log, log_free);
