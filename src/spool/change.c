/* The ends of a claim: one function a change of state, as in doc/spool.md. Must never overwrite a
 * file, nor delete one but a delivered message. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "spool/internal.h"

/* A larger file's blocks are given back at once. */
#define CLOSE_LATER_MAX (256 * 1024)

int spool_rename_message(
    const Spool *spool, const char *id, SpoolState from, const char *new_id, SpoolState to)
{
    char old[SPOOL_NAME_MAX], new[SPOOL_NAME_MAX];

    if (!spool_name_format(id, from, old))
        return -ENOENT; /* what cannot be a name is no file's */
    if (!spool_name_format(new_id, to, new))
        return -ENAMETOOLONG;
    return strcmp(id, new_id) == 0 ? spool_rename(spool->fd, old, new)
                                   : spool_rename_fresh(spool->fd, old, new);
}

/* `.sending` -> `to`, under a new id when the name is taken. */
static int change_state(SpoolClaim *claim, SpoolState to, Failure *f)
{
    int r = spool_claim_check_name(claim);

    if (r >= 0)
        r = spool_rename_message(claim->spool, claim->id, SPOOL_SENDING, claim->id, to);
    if (r == -EEXIST)
        r = spool_claim_change_id(claim, SPOOL_SENDING, to);
    if (r == -ENOENT)
        return failure_set(f, r, ERROR_SPOOL,
            "%s/%s.sending: somebody moved or removed the message while it was being sent, so it "
            "could not become .%s; leave files alone while they are .sending",
            claim->spool->path, claim->id, spool_state_name(to));
    return r < 0 ? failure_set_errno(f, r,
                       "%s/%s.sending: cannot rename the message to .%s; see that the directory "
                       "can be written, and that its file system works",
                       claim->spool->path, claim->id, spool_state_name(to))
                 : 0;
}

int spool_unlink_message(const Spool *spool, const char *id, SpoolState state, Failure *f)
{
    char name[SPOOL_NAME_MAX];
    int r;

    if (!spool_name_format(id, state, name))
        return -ENOENT;
    if (unlinkat(spool->fd, name, 0) == 0)
        return 0;
    r = -errno;
    if (r == -EISDIR && unlinkat(spool->fd, name, AT_REMOVEDIR) == 0)
        return 0;
    if (r == -EISDIR)
        r = -errno;
    if (r == -ENOENT)
        return r;
    return failure_set_errno(f, r, "%s/%s: cannot delete it; %s", spool->path, name,
        r == -ENOTEMPTY ? "it is no message but a directory: remove it with what is in it"
                        : "see that this user may write to the directory");
}

int spool_unlink_record(const Spool *spool, const char *id, Failure *f)
{
    char name[SPOOL_NAME_MAX];

    if (!spool_name_format_record(id, name) || unlinkat(spool->fd, name, 0) == 0)
        return 0;
    if (errno == ENOENT)
        return 0;
    return failure_set_errno(f, -errno,
        "%s/%s: cannot delete the delivery record; see that this user may write to the "
        "directory",
        spool->path, name);
}

/* What the message is called now. */
static void tell_id(const SpoolClaim *claim, char *ret_id)
{
    if (ret_id)
        strcpy(ret_id, claim->id);
}

/* Deletes the file of a delivered message. As spool_complete(). */
static int delete_file(SpoolClaim *claim, Failure *f)
{
    int r = spool_claim_check_name(claim);

    if (r != -ENOENT) /* what else it may be is told by what is tried */
        r = spool_unlink_message(claim->spool, claim->id, SPOOL_SENDING, f);
    if (r == 0 && claim->size <= CLOSE_LATER_MAX && claim->spool->closer)
        closer_take(claim->spool->closer, TAKE_FD(claim->fd));
    if (r == -ENOENT)
        (void)failure_set(f, r, ERROR_SPOOL,
            "%s/%s.sending: somebody moved or removed the message while it was being sent; it has "
            "been delivered: delete it wherever it is now, or it is sent again",
            claim->spool->path, claim->id);
    return r;
}

int spool_complete(SpoolClaim *claim, bool keep_sent, char *ret_id, Failure *f)
{
    int r;

    tell_id(claim, ret_id);
    r = keep_sent ? change_state(claim, SPOOL_SENT, f) : delete_file(claim, f);
    tell_id(claim, ret_id);
    if (r < 0 && r != -ENOENT)
        return -r;
    /* What somebody moved goes on with its record. One that is left behind alone is nobody's. */
    if (r >= 0 && !keep_sent && claim->has_record)
        r = spool_unlink_record(claim->spool, claim->id, f);
    spool_claim_free(claim);
    return r;
}

int spool_set_due(const Spool *spool, const char *id, usec_t next)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
        {.tv_sec = (time_t)(next / USEC_PER_SEC), .tv_nsec = (long)(next % USEC_PER_SEC) * 1000}};
    char name[SPOOL_NAME_MAX];

    if (!spool_name_format_record(id, name))
        return -EINVAL;
    return utimensat(spool->fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* The claim's last change of name; consumes it. */
static int end(SpoolClaim *claim, SpoolState to, char *ret_id, Failure *f)
{
    int r = change_state(claim, to, f);

    tell_id(claim, ret_id);
    spool_claim_free(claim);
    return r;
}

int spool_defer(SpoolClaim *claim, usec_t next, char *ret_id, Failure *f)
{
    int r = spool_set_due(claim->spool, claim->id, next);

    if (r >= 0)
        return end(claim, SPOOL_DEFERRED, ret_id, f);
    (void)failure_set_errno(f, r,
        "%s/%s.status: cannot set the time of the next attempt on the delivery record",
        claim->spool->path, claim->id);
    tell_id(claim, ret_id);
    spool_claim_free(claim);
    return r;
}

int spool_fail(SpoolClaim *claim, char *ret_id, Failure *f)
{
    return end(claim, SPOOL_FAILED, ret_id, f);
}

int spool_release(SpoolClaim *claim, char *ret_id, Failure *f)
{
    return end(claim, claim->from, ret_id, f);
}

int spool_fail_defect(
    SpoolClaim *claim, usec_t now, int error, const char *text, char *ret_id, Failure *f)
{
    _cleanup_buffer_ Buffer line = {0};
    int r = spool_record_failed(&line, now, error, text, NULL);

    if (r < 0)
        (void)failure_set_errno(f, r, "%s/%s.sending", claim->spool->path, claim->id);
    else
        r = spool_record_append_lazily(claim, &line, f);
    if (r >= 0)
        return spool_fail(claim, ret_id, f);
    (void)spool_release(claim, ret_id, NULL);
    return r;
}
