/* The queue directory: opening it, streaming through it, claiming messages, and the one function
 * for each change of state.
 *
 * Every legal change of state is in doc/spool.md. Files are reached by name below the directory's
 * descriptor only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/failure.h"
#include "base/worker.h"
#include "spool/name.h"

typedef struct Spool Spool;
typedef struct SpoolClaim SpoolClaim;
typedef struct SpoolScan SpoolScan;

/* Opens the directory and checks that this process can list, create, rename and delete there, and
 * that not everybody can rename what is in it. 0 or a negative errno with a Failure (ERROR_SPOOL)
 * that names the directory and what to do. */
int spool_open(const char *path, Spool **ret, Failure *f);
void spool_free(Spool *spool);

int spool_directory_fd(const Spool *spool); /* borrowed */
const char *spool_path(const Spool *spool); /* borrowed */

/* Whether the path still leads to the directory that was opened: 1, or 0 when it was removed or
 * replaced, or a negative errno. */
int spool_is_current(const Spool *spool);

/* ---- Looking. A scan's memory is one fixed buffer, however long the queue is. ---- */

typedef struct SpoolEntry {
    const char *id; /* NUL-terminated, borrowed until the next call */
    SpoolState state;
} SpoolEntry;

int spool_scan_new(const Spool *spool, SpoolScan **ret, Failure *f);
void spool_scan_free(SpoolScan *scan);

/* 1 with the next message file in any state, 0 at the end, or a negative errno. Records are not
 * reported. */
int spool_scan_next(SpoolScan *scan, SpoolEntry *ret);

/* The state of that message: 0, -ENOENT when there is none, or another negative errno. Where
 * several messages share the id it is the one that the record belongs to. */
int spool_find(const Spool *spool, const char *id, SpoolState *ret);

/* When the deferred message's next attempt is due (realtime): the modification time of its record,
 * which the daemon sets. 0 when there is no record (due at once); a negative errno otherwise is not
 * possible. */
usec_t spool_next_attempt(const Spool *spool, const char *id);

/* Has the disk read the beginning of that message's file, without waiting for it. For a message
 * that is to be claimed soon; whatever stands in the way shows then. */
void spool_read_ahead(const Spool *spool, const char *id, SpoolState state);

/* ---- Claiming ---- */

typedef enum SpoolClaimResult {
    SPOOL_CLAIMED = 0,
    SPOOL_GONE = 1,      /* another process was quicker, or the operator moved it */
    SPOOL_LOCKED = 2,    /* a live process holds its lock. No event tells when it lets go, which may
                            be at once: look again after a moment */
    SPOOL_WRITING = 3,   /* somebody has it open for writing; the close will be seen by the watch */
    SPOOL_UNSETTLED = 4, /* too young for what cannot be told otherwise (no lease can be had, a
                            second link, no permission yet): look again after the settle time */
    SPOOL_DEFECTIVE = 5, /* not a regular file, several links, unreadable: now `.failed`, reason in
                            its record and in the Failure */
} SpoolClaimResult;

/* Claims `id`, whose file is in state `from` (SPOOL_QUEUED or SPOOL_DEFERRED): opens it without
 * following links or blocking, checks it, locks it, renames it to `.sending`. `settled` says that
 * an event already told that the writer is done, so that no settle time is needed where leases
 * cannot be had. An id that is in use by another message (`.failed`, `.held`, ... of an earlier
 * file) or is too long gets a new one: see spool_claim_id().
 *
 * A SpoolClaimResult, or a negative errno with a Failure for a failure of our own (too many open
 * files, read-only file system, ...), after which the file is as it was. */
int spool_claim(Spool *spool, const char *id, SpoolState from, usec_t settle, bool settled,
    usec_t now_realtime, SpoolClaim **ret, Failure *f);

/* Takes over `id.sending` of a dead process: renames it back to `.queued`, or completes it (see
 * spool_complete()) when its record ends with `sent`. 1 queued again, 2 completed, 0 when a live
 * process holds it or it is gone, or a negative errno with a Failure. */
int spool_recover(Spool *spool, const char *id, bool keep_sent, Failure *f);

/* The id, which may change with spool_record_append() when another message has come to use it; the
 * pointer stays the same for the life of the claim. */
const char *spool_claim_id(const SpoolClaim *claim);
int spool_claim_fd(const SpoolClaim *claim);         /* open for reading, owned by the claim */
uint64_t spool_claim_size(const SpoolClaim *claim);  /* bytes */
usec_t spool_claim_arrival(const SpoolClaim *claim); /* modification time of the message file */
bool spool_claim_has_record(const SpoolClaim *claim);
const Spool *spool_claim_spool(const SpoolClaim *claim);

/* ---- Ends of a claim. Each consumes the claim, but for one result of spool_complete(): 0 or a
 * negative errno with a Failure; on failure the file stays `.sending`, unlocked, and the next scan
 * recovers it. Where the new name is taken, file and record get a new id together. ---- */

/* Delivered to every recipient: deletes the file (and its record), or keeps both as `.sent`. Where
 * the file cannot be taken out of `.sending` 1 is returned, with a Failure, and the claim stays:
 * let go of it, and the message is sent again. Call it again later. */
int spool_complete(SpoolClaim *claim, bool keep_sent, Failure *f);

/* From now on the files of completed messages are closed by the worker, of which a reference is
 * kept: for who completes many. 0 or -ENOMEM. */
int spool_use_worker(Spool *spool, Worker *worker);

/* Lets go of the files of the last completed messages, which are closed in batches: for the end of
 * a burst. */
void spool_tidy(Spool *spool);

/* `.sending` -> `.deferred`, due at `next` (realtime), which becomes the record's modification
 * time. The record must exist. */
int spool_defer(SpoolClaim *claim, usec_t next, Failure *f);

/* `.sending` -> `.failed`. The caller has written the record's `failed` line. */
int spool_fail(SpoolClaim *claim, Failure *f);

/* `.sending` -> `.queued`: nothing happened that is held against the message. */
int spool_release(SpoolClaim *claim, Failure *f);

/* Lets go of a claim that cannot be ended: the file stays `.sending`, unlocked, as a dead process
 * leaves it. Accepts NULL. */
void spool_claim_free(SpoolClaim *claim);

/* ---- Changes an operator asks for (the tool). All return 0, -ENOENT when no such message is in a
 * state that allows it, -EBUSY when it is being sent, -EEXIST when the name is taken, other
 * negative errno, each with a Failure. ---- */
int spool_hold(Spool *spool, const char *id, Failure *f);   /* deferred, queued -> held */
int spool_unhold(Spool *spool, const char *id, Failure *f); /* held -> queued */
int spool_retry(Spool *spool, const char *id, Failure *f);  /* deferred, failed -> queued */

/* One message, in any state but sending, and its record. Where several share the id it is the one
 * that the record belongs to. A record without a message is deleted alone. */
int spool_delete(Spool *spool, const char *id, Failure *f);

DEFINE_CLEANUP(Spool, spool_free);
DEFINE_CLEANUP(SpoolScan, spool_scan_free);
DEFINE_CLEANUP(SpoolClaim, spool_claim_free);
