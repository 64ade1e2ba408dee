/* The queue directory: opening it, streaming through it, claiming messages, and the one function
 * for each change of state.
 *
 * Every legal change of state is in doc/spool.md. Files are reached by name below the directory's
 * descriptor only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

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

/* The same for whoever only looks: checks that this process can list and enter. */
int spool_open_to_read(const char *path, Spool **ret, Failure *f);

/* Whether the daemon could deliver from it, as far as this process can tell: what this one may not
 * do is no fault. 0, or as spool_open(); `f` is wanted. */
int spool_check(const char *path, Failure *f);
void spool_free(Spool *spool);

int spool_directory_fd(const Spool *spool); /* borrowed */
const char *spool_path(const Spool *spool); /* borrowed */
uid_t spool_directory_owner(const Spool *spool);

/* From now on only that user's messages are there, for looking and for an operator's changes: as if
 * nobody else had queued any. Records without a message are not there either. */
void spool_show_only(Spool *spool, uid_t user);

/* Whether the path still leads to the directory that was opened: 1, or 0 when it was removed or
 * replaced, or a symbolic link anywhere in the path leads elsewhere now; or a negative errno. */
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

/* The same, and what is no message: 2 with what a writer is writing, or has left (`id` is the
 * file's name), 3 with the record of an id that spool_name_make_id() can have made, and 4 with a
 * notice that is not in the queue yet (spool/notice.h; `id` is the file's name). */
int spool_scan_next_any(SpoolScan *scan, SpoolEntry *ret);

/* The same, and 5 with the name of what is none of the queue's (`id`): neither a message in any
 * state, nor a record, nor a file that a process keeps there, with a dot in front. */
int spool_scan_next_all(SpoolScan *scan, SpoolEntry *ret);

/* Removes what a crash has left and nobody has touched for a day: such a file, if nobody has it
 * locked or open for writing; a message that is sent, if it is not one that is kept (its record
 * ends with `sent`); and such a record, if no message has its id, nor is one kept. What cannot be
 * removed stays. 1 when it cost more than a look at an inode, else 0. */
int spool_clean_temporary(const Spool *spool, const char *name, usec_t now_realtime);

/* All such of a directory that nobody delivers from, so that nobody else comes by. */
void spool_clean_temporaries(const Spool *spool, usec_t now_realtime);
int spool_clean_sent(const Spool *spool, const char *id, usec_t now_realtime);
int spool_clean_record(const Spool *spool, const char *id, usec_t now_realtime);

/* Opens the file of that message for reading, by whoever only looks at it: a regular file with one
 * name in the directory's own file system, and nothing else. `ret` is what it is. A descriptor,
 * which the caller closes, or a negative errno with a Failure. */
int spool_open_message(
    const Spool *spool, const char *id, SpoolState state, struct stat *ret, Failure *f);

/* What the file of that message is, whatever it is: 0, or a negative errno, -ENOENT when it is
 * gone, -EXDEV when another file system is mounted over it. */
int spool_look_at(const Spool *spool, const char *id, SpoolState state, struct stat *ret);

/* The state of that message: 0, -ENOENT when there is none, or another negative errno. Where
 * several messages share the id it is the one that the record belongs to. */
int spool_find(const Spool *spool, const char *id, SpoolState *ret);

/* When the deferred message's next attempt is due (realtime), as its record's modification time has
 * it; 0 when there is no record (due at once). It costs one look at an inode, and is a hint:
 * anybody who touches the record changes it, and it may come from a wrong clock. Take it for at
 * most retry.max from now; the truth is in the record (SpoolHistory.next), to be compared once the
 * message is claimed. One that comes too early is put off again by spool_defer(). */
usec_t spool_next_attempt(const Spool *spool, const char *id);

/* Has the disk read the beginning of that message's file, without waiting for it. For a message
 * that is to be claimed soon; whatever stands in the way shows then. */
void spool_read_ahead(const Spool *spool, const char *id, SpoolState state);

/* The first bytes of a file that nobody has claimed: how many, 0 where it cannot be read. They may
 * be others when it is claimed. */
ssize_t spool_peek(const Spool *spool, const char *id, SpoolState state, void *ret, size_t n);

/* Looks whether others than the directory's owner may put files into it, by its mode; how a claim
 * ends goes by what was seen last. */
bool spool_is_shared(Spool *spool);

/* Whether this process can tell that others still write to what they have put there: 0, also where
 * nobody else does; or -EPERM with a Failure that says what follows from it, and what to do. */
int spool_check_leases(Spool *spool, Failure *f);

/* The user whose message file it is. 0 or a negative errno. */
int spool_owner(const Spool *spool, const char *id, SpoolState state, uid_t *ret);

/* Who queued the message whose file is open there: its owner, or, where the daemon wrote it for
 * somebody at the submission socket, that user. */
uid_t spool_submitter(const Spool *spool, int fd, const struct stat *st);

/* ---- Claiming ---- */

typedef enum SpoolClaimResult {
    SPOOL_CLAIMED = 0,
    SPOOL_GONE = 1,      /* another process was quicker, or the operator moved it */
    SPOOL_LOCKED = 2,    /* a live process holds its lock. No event tells when it lets go, which may
                            be at once: look again after a moment */
    SPOOL_WRITING = 3,   /* somebody has it open for writing; the close will be seen by the watch */
    SPOOL_UNSETTLED = 4, /* too young for what cannot be told otherwise (no lease can be had, a
                            second link, no permission yet): look again after the settle time */
    SPOOL_DEFECTIVE = 5, /* not a regular file, or several links: now `.failed`, reason in its
                            record and in the Failure */
    SPOOL_UNREADABLE = 6, /* a regular file that this user may not open. It may be another user's to
                             send, so that it is left alone; the Failure says whose it is and what
                             to do. A change of its mode is an event: look again then */
} SpoolClaimResult;

/* What became of a thing that was not claimed. */
typedef struct SpoolDefect {
    char id[SPOOL_NAME_MAX]; /* of what is no message: what it is called now */
    uid_t owner;             /* and whose it is */
    bool was_renamed;        /* after an error: it has been `.sending`, and is back */
} SpoolDefect;

/* Claims `id`, whose file is in state `from` (SPOOL_QUEUED or SPOOL_DEFERRED): opens it without
 * following links or blocking, checks it, locks it, renames it to `.sending`. `settled` says that
 * an event already told that the writer is done, so that no settle time is needed where leases
 * cannot be had. An id that is in use by another message (`.failed`, `.held`, ... of an earlier
 * file) or is too long gets a new one: see spool_claim_id().
 *
 * The record is not read: see spool_history_load().
 *
 * `ret_defect` (or NULL) is set for SPOOL_DEFECTIVE and for errors.
 *
 * A SpoolClaimResult, or a negative errno with a Failure, after which the file is as it was:
 * error_is_common() tells a failure of our own (too many open files, read-only file system)
 * from one of this message (-EPERM: its record has got a second link, so that it may be another
 * message's). */
int spool_claim(Spool *spool, const char *id, SpoolState from, usec_t settle, bool settled,
    usec_t now_realtime, SpoolClaim **ret, SpoolDefect *ret_defect, Failure *f);

typedef enum SpoolRecovery {
    SPOOL_ALIVE = 0, /* a live process holds it, or it is gone */
    SPOOL_REQUEUED = 1,
    SPOOL_COMPLETED = 2,  /* as by spool_complete(): its record ends with `sent` */
    SPOOL_REDEFERRED = 3, /* its record's last line is `retry`: it waits for that time */
    SPOOL_REFAILED = 4,   /* as by spool_fail(): its record ends with `failed`, and a notice of it
                             is in the queue */
} SpoolRecovery;

/* Takes over `id.sending` of a dead process; `ret_id` (SPOOL_NAME_MAX bytes, or NULL, or `id`
 * itself) is what it is called now. A SpoolRecovery, or a negative errno with a Failure, and
 * nothing is renamed: -EACCES for a regular file that this user may not open, which a process of
 * another user may be sending.
 */
int spool_recover(Spool *spool, const char *id, bool keep_sent, char *ret_id, Failure *f);

/* Whether `id.sending` is one of a dead process, by its lock, which is tried for a moment: for who
 * tells of it. False also where that cannot be known. */
bool spool_is_abandoned(const Spool *spool, const char *id);

/* The id, which may change with spool_record_append() when another message has come to use it; the
 * pointer stays the same for the life of the claim. */
const char *spool_claim_id(const SpoolClaim *claim);
int spool_claim_fd(const SpoolClaim *claim);          /* open for reading, owned by the claim */
uint64_t spool_claim_size(const SpoolClaim *claim);   /* bytes */
uid_t spool_claim_owner(const SpoolClaim *claim);     /* whose file it is */
usec_t spool_claim_arrival(const SpoolClaim *claim);  /* modification time of the message file */
SpoolState spool_claim_from(const SpoolClaim *claim); /* what it was claimed from */
bool spool_claim_has_record(const SpoolClaim *claim);

/* Bytes of its record, 0 when there is none: what spool_history_load() will have to read. */
uint64_t spool_claim_record_bytes(const SpoolClaim *claim);
const Spool *spool_claim_spool(const SpoolClaim *claim);

/* Makes sure of room to write down what becomes of so many recipients, in one transaction: for a
 * message that some may have had when others have not. It costs nothing where such a message
 * has just ended and others are under way. Writing uses it only where there is no other. 0, or a
 * negative errno with a Failure: it is not to be sent now. */
int spool_claim_reserve(SpoolClaim *claim, size_t recipients, Failure *f);

/* ---- Ends of a claim. Each consumes the claim, but for one result of spool_complete(): 0 or a
 * negative errno with a Failure; on failure the file stays `.sending`, unlocked, and the next scan
 * recovers it. Where the new name is taken, file and record get a new id together: `ret_id`
 * (SPOOL_NAME_MAX bytes, or NULL) is the one the message has afterwards, on failure too.
 *
 * The change of name is one rename, which a watcher sees as IN_MOVED_TO. Where the file system's
 * renames know no flags (older ZFS, some of FUSE) it is a link and an unlink, which a watcher sees
 * as IN_CREATE without a close: rely on neither for what you did yourself. ---- */

/* Delivered to every recipient: deletes the file (and its record), or keeps both as `.sent`. Where
 * the file cannot be taken out of `.sending` a positive errno is returned, with a Failure, and the
 * claim stays: let go of it, and the message is sent again. Call it again later. */
int spool_complete(SpoolClaim *claim, bool keep_sent, char *ret_id, Failure *f);

/* From now on the files of completed messages are closed by the worker, of which a reference is
 * kept: for who completes many. 0 or -ENOMEM. */
int spool_use_worker(Spool *spool, Worker *worker);

/* Lets go of the files of the last completed messages, which are closed in batches: for the end of
 * a burst. */
void spool_tidy(Spool *spool);

/* `.sending` -> `.deferred`, due at `next` (realtime), which becomes the record's modification
 * time. The record must exist, and its last line be a `retry` with that time: written just now, or
 * by the attempt before, when the message was claimed too early and nothing has happened. */
int spool_defer(SpoolClaim *claim, usec_t next, char *ret_id, Failure *f);

/* `.sending` -> `.failed`. The caller has written the record's `failed` line. */
int spool_fail(SpoolClaim *claim, char *ret_id, Failure *f);

/* The same for what can never be sent (empty, malformed, without recipients), reason included, and
 * without waiting for the disk: after a power failure the file is `.failed`, or is found again with
 * the same defect. Where the reason cannot be written the message is released, and the error
 * returned. */
int spool_fail_defect(
    SpoolClaim *claim, usec_t now, int error, const char *text, char *ret_id, Failure *f);

/* Nothing happened that is held against the message: back into the state that it was claimed from,
 * with the times that it had. */
int spool_release(SpoolClaim *claim, char *ret_id, Failure *f);

/* Lets go of a claim that cannot be ended: the file stays `.sending`, unlocked, as a dead process
 * leaves it. Accepts NULL. */
void spool_claim_free(SpoolClaim *claim);

/* ---- Changes an operator asks for (the tool). All return 0, -ENOENT when no such message is in a
 * state that allows it, -EBUSY when it is being sent, -EEXIST when the name is taken, other
 * negative errno, each with a Failure. One that a dead process was sending is taken over first, as
 * by spool_recover(). ---- */

/* Where it turns out that everybody has had that one, it stays as `.sent`, as spool.keep_sent has
 * it; else it is gone. Both are -ENOENT to hold and retry. */
void spool_keep_sent(Spool *spool);

int spool_hold(Spool *spool, const char *id, Failure *f);   /* deferred, queued -> held */
int spool_unhold(Spool *spool, const char *id, Failure *f); /* held -> queued */
int spool_retry(Spool *spool, const char *id, Failure *f);  /* deferred, failed -> queued */

/* Has the record beside a message count for it when it was made for a file of the same size and
 * time that is not there any more: one of which this is a copy, as where a queue was moved or
 * restored. -ESTALE when it is another's. A message without a record, or with its own, is 0. */
int spool_adopt(Spool *spool, const char *id, Failure *f);

/* One message, in any state but sending, and its record. Where several share the id it is the one
 * that the record belongs to, and a record of another stays. A record without a message is deleted
 * alone. */
int spool_delete(Spool *spool, const char *id, Failure *f);

/* The same of the one in that state alone, where several share the id. Each has the part of the
 * record that is its own. */
int spool_delete_in(Spool *spool, const char *id, SpoolState state, Failure *f);

/* hold, retry: the one in state `from` becomes `to`, and no other of its id. */
int spool_move(Spool *spool, const char *id, SpoolState from, SpoolState to, Failure *f);

DEFINE_CLEANUP(Spool, spool_free);
DEFINE_CLEANUP(SpoolScan, spool_scan_free);
DEFINE_CLEANUP(SpoolClaim, spool_claim_free);
