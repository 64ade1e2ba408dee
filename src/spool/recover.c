/* Messages that a dead process was sending. Must never touch one that is being sent: the lock
 * tells.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "spool/internal.h"
#include "spool/notice.h"

/* What may not be opened: a regular file can be being sent by a process of another user, and stays;
 * anything else nobody can be sending. 1, 0 when it has gone, or a negative errno with a Failure.
 */
static int judge_unopened(const Spool *spool, const char *name, Failure *f)
{
    struct stat st;
    int r = spool_stat_at(spool->fd, name, &st);

    if (r < 0)
        return r == -ENOENT
                   ? 0
                   : failure_set_errno(f, r, "%s/%s: cannot look at it", spool->path, name);
    if (!S_ISREG(st.st_mode))
        return 1;
    return failure_set(f, -EACCES, ERROR_FILE,
        "%s/%s: left alone, for it may be being sent by a process of another user: user %u may not "
        "read it, and so cannot tell; it belongs to user %u, group %u, with mode %04o. Let this "
        "user read it (chmod g+r, or an ACL), or have its sender's queue tried by a user who may",
        spool->path, name, geteuid(), st.st_uid, st.st_gid, st.st_mode & 07777);
}

/* Locks `id.sending`, if nobody does. 1 locked, with what it is, or nothing that can be sent; 0 it
 * is a live process', or gone; or a negative errno with a Failure. */
static int lock_abandoned(
    const Spool *spool, const char *name, int *ret_fd, struct stat *ret, Failure *f)
{
    _cleanup_close_ int fd = spool_open_at(spool, name, O_RDONLY);
    struct stat named;

    if (fd == -ELOOP || fd == -ENXIO || fd == -ENODEV || fd == -EACCES)
        return judge_unopened(spool, name, f);
    if (fd == -ENOENT || fd == -EWOULDBLOCK)
        return 0;
    if (fd < 0)
        return spool_cannot_open(spool, name, fd, f);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? 0
                   : failure_set_errno(f, -errno, "%s/%s: cannot lock it", spool->path, name);
    /* Its process may have been done with it between the two calls. */
    if (fstat(fd, ret) < 0 || spool_stat_at(spool->fd, name, &named) < 0 ||
        ret->st_dev != named.st_dev || ret->st_ino != named.st_ino)
        return 0;
    *ret_fd = TAKE_FD(fd);
    return 1;
}

/* Takes back renames that were made of link() and unlink() and were cut off between: what becomes
 * of the message is told by its record, and not by names that anybody may have given it. */
static void take_back_renames(const SpoolClaim *claim)
{
    char name[SPOOL_NAME_MAX];
    SpoolState twin;
    struct stat st;

    /* Without its lock, a process that is alive may be about to do so. */
    while (claim->fd >= 0 && fstat(claim->fd, &st) == 0 &&
           spool_find_twin(claim->spool, claim->id, &st, SPOOL_SENDING, &twin)) {
        (void)spool_name_format(claim->id, twin, name);
        if (unlinkat(claim->spool->fd, name, 0) < 0)
            return;
    }
}

/* Brings to the disk what the dead process may have written and not yet synced: from now on it is
 * known. */
static int make_durable(const SpoolClaim *claim, int record_fd)
{
    int r = file_sync(record_fd);

    return r < 0 ? r : file_sync(claim->spool->fd);
}

/* Finds the record of the claim, and how it ends. 0 or a negative errno with a Failure. */
static int look_at_record(SpoolClaim *claim, RecordEvent *ret_last, usec_t *ret_next, Failure *f)
{
    _cleanup_(spool_record_view_done) RecordView view = {.fd = -1};
    int r = spool_record_look(claim, claim->id, SPOOL_SENDING, &view);

    *ret_last = RECORD_NOTHING;
    *ret_next = 0;
    if (r == RECORD_OWN) {
        spool_claim_set_record(claim, &view.st);
        r = spool_record_last(view.fd, ret_last, ret_next);
        r = r < 0 ? r : make_durable(claim, view.fd);
    }
    return r >= 0 ? 0
                  : failure_set_errno(f, r, "%s/%s.status: cannot read the delivery record",
                        claim->spool->path, claim->id);
}

/* Its process had given the message up, and made sure of the notice: not to be tried again, lest
 * there be a second one. Consumes the claim. */
static int fail_abandoned(SpoolClaim *claim, char *ret_id, Failure *f)
{
    const Spool *spool = claim->spool;
    char id[SPOOL_NAME_MAX], notice[SPOOL_NAME_MAX];
    int r;

    memcpy(id, claim->id, sizeof(id));
    r = spool_fail(claim, ret_id, f);
    if (r >= 0)
        (void)spool_notice_queue(spool, id, notice); /* what stays is found by the next pass */
    return r < 0 ? r : SPOOL_REFAILED;
}

/* Ends the claim by its record's last line; consumes it. A SpoolRecovery or a negative errno. */
static int end_abandoned(
    SpoolClaim *claim, RecordEvent last, usec_t next, bool keep_sent, char *ret_id, Failure *f)
{
    int r;

    if (last == RECORD_SENT) {
        r = spool_complete(claim, keep_sent, ret_id, f);
        if (r > 0) { /* the claim ends here; its record says that it was sent */
            spool_claim_free(claim);
            return -r;
        }
        return r < 0 ? r : SPOOL_COMPLETED;
    }
    if (spool_notice_is_there(claim->spool, claim->id)) {
        if (last == RECORD_FAILED)
            return fail_abandoned(claim, ret_id, f);
        if (last != RECORD_RETRY) /* else it is of the delay, and the next pass queues it */
            spool_notice_drop(claim->spool, claim->id);
    }
    claim->from = last == RECORD_RETRY ? SPOOL_DEFERRED : SPOOL_QUEUED;
    /* It may have died before it could set the time; the time is a hint. */
    if (last == RECORD_RETRY && next > 0)
        (void)spool_set_due(claim->spool, claim->id, next);
    r = spool_release(claim, ret_id, f);
    return r < 0 ? r : last == RECORD_RETRY ? SPOOL_REDEFERRED : SPOOL_REQUEUED;
}

bool spool_is_abandoned(const Spool *spool, const char *id)
{
    _cleanup_close_ int fd = -1;
    char name[SPOOL_NAME_MAX];
    struct stat st;

    return spool_name_format(id, SPOOL_SENDING, name) &&
           lock_abandoned(spool, name, &fd, &st, NULL) > 0;
}

int spool_recover(Spool *spool, const char *id, bool keep_sent, char *ret_id, Failure *f)
{
    SpoolClaim *claim _cleanup_(spool_claim_free_p) = NULL;
    char name[SPOOL_NAME_MAX];
    RecordEvent last;
    struct stat st;
    usec_t next;
    int r;

    if (!spool_name_format(id, SPOOL_SENDING, name))
        return SPOOL_ALIVE;
    claim = spool_claim_new(spool, id, SPOOL_QUEUED);
    if (!claim)
        return failure_set_errno(f, -ENOMEM, "%s/%s", spool->path, name);
    if (ret_id)
        memmove(ret_id, id, strlen(id) + 1);
    r = lock_abandoned(spool, name, &claim->fd, &st, f);
    if (r <= 0)
        return r;
    if (claim->fd >= 0)
        spool_claim_begin(claim, &st);
    take_back_renames(claim);
    r = look_at_record(claim, &last, &next, f);
    if (r < 0)
        return r;
    r = end_abandoned(TAKE_PTR(claim), last, next, keep_sent, ret_id, f);
    /* Somebody was quicker, or mounted something on it. */
    return r == -ENOENT || r == -EBUSY ? SPOOL_ALIVE : r;
}
