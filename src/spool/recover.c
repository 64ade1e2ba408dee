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
#include "spool/internal.h"
#include "spool/record.h"

/* Locks `id.sending`, if nobody does. 1 locked, or cannot be opened, so that it was not this
 * queue's daemon who was sending it and the next claim fails it; 0 it is a live process', or gone;
 * or a negative errno with a Failure. */
static int lock_abandoned(const Spool *spool, const char *name, int *ret_fd, Failure *f)
{
    _cleanup_close_ int fd = openat(spool->fd, name, O_RDONLY | SPOOL_OPEN_FLAGS);
    struct stat locked, named;

    if (fd < 0 && (errno == ELOOP || errno == ENXIO || errno == ENODEV || errno == EACCES))
        return 1;
    if (fd < 0)
        return errno == ENOENT || errno == EWOULDBLOCK
                   ? 0
                   : failure_set_errno(f, -errno,
                         "%s/%s: cannot open it to see whether a process "
                         "is still sending it",
                         spool->path, name);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? 0
                   : failure_set_errno(f, -errno, "%s/%s: cannot lock it", spool->path, name);
    /* Its process may have been done with it between the two calls. */
    if (fstat(fd, &locked) < 0 || fstatat(spool->fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
        locked.st_dev != named.st_dev || locked.st_ino != named.st_ino)
        return 0;
    *ret_fd = TAKE_FD(fd);
    return 1;
}

/* Finishes a rename that was made of link() and unlink() and was cut off between: the file has two
 * states' names, of which the other one counts. */
static bool is_linked_twice(const SpoolClaim *claim, const char *sending)
{
    struct stat other, now;

    if (claim->fd < 0 || fstat(claim->fd, &now) < 0 || now.st_nlink < 2)
        return false;
    for (int state = 0; state < SPOOL_STATE_MAX; state++) {
        char name[SPOOL_NAME_MAX];

        if (state != SPOOL_SENDING && spool_name_format(claim->id, (SpoolState)state, name) &&
            fstatat(claim->spool->fd, name, &other, AT_SYMLINK_NOFOLLOW) == 0 &&
            other.st_dev == now.st_dev && other.st_ino == now.st_ino)
            return unlinkat(claim->spool->fd, sending, 0) == 0;
    }
    return false;
}

int spool_recover(Spool *spool, const char *id, bool keep_sent, Failure *f)
{
    SpoolClaim *claim _cleanup_(spool_claim_free_p) = NULL;
    SpoolHistory history = {0};
    char name[SPOOL_NAME_MAX];
    bool sent;
    int r;

    if (!spool_name_format(id, SPOOL_SENDING, name))
        return 0;
    claim = spool_claim_new(spool, id);
    if (!claim)
        return failure_set_errno(f, -ENOMEM, "%s/%s", spool->path, name);
    strcpy(claim->id, id);
    r = lock_abandoned(spool, name, &claim->fd, f);
    if (r <= 0)
        return r;
    if (is_linked_twice(claim, name))
        return 1;
    claim->has_record = spool_record_look(spool, id) == RECORD_OWN;
    /* A record that cannot be read is complained about when the message is claimed. */
    sent = spool_history_load(claim, &history, NULL) >= 0 && history.sent;
    spool_history_done(&history);
    if (sent) {
        r = spool_complete(claim, keep_sent, f);
        if (r == 1)
            return -EIO; /* the claim ends here; its record says that it was sent */
        (void)TAKE_PTR(claim);
    } else {
        r = spool_release(TAKE_PTR(claim), f);
    }
    if (r == -ENOENT || r == -EBUSY) /* somebody was quicker, or mounted something on it */
        return 0;
    return r < 0 ? r : sent ? 2 : 1;
}
