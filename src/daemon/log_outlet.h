/* One way out of the process for log entries, each a record of bytes: a line, or a datagram.
 * Nothing here waits for a reader that has stopped reading:
 *
 * - What its reader does not take at once is kept in memory, up to LOG_OUTLET_KEPT_BYTES, and goes
 *   out first when the reader is back. Records leave in the order in which they came, each whole.
 * - With that memory full, an outlet that is `patient` waits as long as its reader is alive: each
 *   record that was taken earns LOG_OUTLET_PATIENCE_EACH, up to LOG_OUTLET_PATIENCE_MAX. One that
 *   stops costs that once; one that is slow holds up a record by what one earns at most. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "daemon/entry.h"

#define LOG_OUTLET_KEPT_BYTES ((size_t)1024 * 1024)
#define LOG_OUTLET_RECORD_BYTES (ENTRY_MEMORY_BYTES + (size_t)8 * 1024)
#define LOG_OUTLET_PATIENCE_MAX (200 * USEC_PER_MSEC)
#define LOG_OUTLET_PATIENCE_EACH (2 * USEC_PER_MSEC)
#define LOG_OUTLET_FINISH_MAX (2 * USEC_PER_SEC)

typedef struct LogOutlet LogOutlet;

typedef struct LogOutletOps {
    /* The entry as the bytes that are sent; their number, at most `size`. */
    size_t (*encode)(const Entry *entry, char *ret, size_t size);
    /* Sends without waiting: the bytes that were taken, -EAGAIN when the reader takes none at
     * present, or another negative errno when there is none. */
    ssize_t (*send)(LogOutlet *outlet, const char *data, size_t n);
} LogOutletOps;

struct LogOutlet {
    const LogOutletOps *ops;
    const char *path; /* of a socket; borrowed, NULL for others */
    int fd;           /* -1: not open at present */
    bool borrowed;    /* the descriptor is not closed */
    bool patient;
    size_t piece; /* bytes that a descriptor which may block is given at a time */
    usec_t patience;
    bool full;         /* nothing more is kept until some of it has left */
    unsigned unlooked; /* entries that are kept before the reader is looked at again */
    Buffer kept;       /* records, each behind its length as a size_t */
    size_t sent;       /* bytes of the first that are out already */
};

/* Takes over `fd`, unless `borrowed` is set afterwards. 0 or -ENOMEM. */
int log_outlet_new(const LogOutletOps *ops, int fd, bool patient, LogOutlet **ret);
void log_outlet_free(LogOutlet *outlet); /* accepts NULL; what is kept is lost */

/* 0: sent or kept; -EAGAIN: the reader does not take it, and there is no room to keep it; or
 * another negative errno: there is no reader, and nothing was kept. */
int log_outlet_write(LogOutlet *outlet, const Entry *entry);

/* Sends what is kept, as far as the reader takes it now. 0 when nothing is left, else as above. */
int log_outlet_drain(LogOutlet *outlet);

/* Bytes that are kept and were not sent. */
size_t log_outlet_left(const LogOutlet *outlet);

/* Sends what is kept, waiting as long as the patience lasts, and LOG_OUTLET_FINISH_MAX at most; and
 * of a socket with a path, until it is read, LOG_OUTLET_PATIENCE_MAX at most: for the end of the
 * process. */
int log_outlet_finish(LogOutlet *outlet);

/* Of one with a path: what listens there now is to get the next record. */
void log_outlet_reconnect(LogOutlet *outlet);

/* The two there are. `path` is that of journald's socket and borrowed. Standard error is looked at
 * now: what is put in its place later is not noticed. 0 or -ENOMEM. */
int log_journal_new(const char *path, bool patient, LogOutlet **ret);
int log_stderr_new(bool patient, LogOutlet **ret);

DEFINE_CLEANUP(LogOutlet, log_outlet_free);
