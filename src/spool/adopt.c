/* Having a record count for the copy of its message, for a queue that was moved or restored: an
 * operator asks for it, since two equal messages of one name are two messages. Must never bind a
 * record to a file that is no copy of its message, nor one whose own message is there. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "spool/internal.h"

/* Archives keep whole seconds. */
static bool is_copy(const FileIdentity *file, const FileIdentity *original)
{
    return file->bytes == original->bytes &&
           file->mtime / 1000000000u == original->mtime / 1000000000u;
}

/* Opens and locks the message, which nobody may be sending meanwhile. 0 or a negative errno with a
 * Failure. */
static int lock_message(SpoolClaim *claim, SpoolState state, Failure *f)
{
    char name[SPOOL_NAME_MAX];
    struct stat st;

    if (!spool_name_format(claim->id, state, name))
        return -ENOENT;
    claim->fd = spool_open_at(claim->spool, name, O_RDONLY);
    if (claim->fd == -ENOENT)
        return -ENOENT;
    if (claim->fd < 0)
        return spool_cannot_open(claim->spool, name, claim->fd, f);
    if (flock(claim->fd, LOCK_EX | LOCK_NB) < 0)
        return failure_set(f, -EBUSY, ERROR_WOULD_BLOCK,
            "%s/%s: it is being sent; try again when it is done", claim->spool->path, name);
    if (fstat(claim->fd, &st) < 0 || !S_ISREG(st.st_mode))
        return failure_set(f, -EINVAL, ERROR_FILE, "%s/%s: not a message: not a regular file",
            claim->spool->path, name);
    return spool_claim_identify(claim, state);
}

/* Whether the record is to be the message's from now on: 1, 0 when it is already, or a negative
 * errno with a Failure. */
static int judge(const SpoolClaim *claim, SpoolState state, const RecordView *view, Failure *f)
{
    int r = spool_record_judge(claim->spool, claim->id, state, &claim->identity, view);

    if (r == RECORD_OWN)
        return 0;
    if (r < 0)
        return failure_set_errno(
            f, r, "%s/%s.status: cannot look at it", claim->spool->path, claim->id);
    if (r == RECORD_ORPHAN && view->bound && view->st.st_nlink == 1 &&
        is_copy(&claim->identity, &view->file))
        return 1;
    return failure_set(f, -ESTALE, ERROR_SPOOL,
        "%s/%s.status: not the record of a message of which %s.%s is a copy (%s); what the record "
        "says does not count, and the message is sent to all its recipients",
        claim->spool->path, claim->id, claim->id, spool_state_name(state),
        !view->bound            ? "it does not say whose it is"
        : r == RECORD_FOREIGN   ? "the message it belongs to is there"
        : view->st.st_nlink > 1 ? "it has several names"
                                : "the size or the time of the file differs");
}

static int rewrite(SpoolClaim *claim, const RecordView *view, Failure *f)
{
    _cleanup_(record_scan_done) RecordScan scan = {0};
    int r = record_scan_file(&scan, view->fd);

    scan.keeps_all = true; /* what became of each is asked for when it has failed, too */
    if (r >= 0)
        r = spool_record_rewrite(claim, view->fd, &scan);
    return r >= 0 ? 0
                  : failure_set_errno(f, r, "%s/%s.status: cannot write the delivery record anew",
                        claim->spool->path, claim->id);
}

/* Looks for the copy of the record's message. Anybody may have put files beside it under the same
 * id, also one of its size and time: that of the user who queued it comes first. Where there is
 * none, or the record's own message is there, the state of the message of this id. 0 or a negative
 * errno. */
static int find_copy(const Spool *spool, const char *id, const RecordView *view, SpoolState *ret)
{
    int named = spool_record_find_message(spool, id, ret);
    int r = named < 0 ? named : spool_find(spool, id, ret);
    bool found = false;

    for (int i = 0; r >= 0 && named == 0 && view->bound && i < SPOOL_STATE_MAX; i++) {
        FileIdentity file;
        char name[SPOOL_NAME_MAX];

        if (!spool_name_format(id, (SpoolState)i, name) ||
            file_identity_of(spool, spool->fd, name, &file) < 0 || !is_copy(&file, &view->file) ||
            (found && file.owner != view->file.owner))
            continue;
        *ret = (SpoolState)i;
        found = true;
    }
    return r;
}

static int adopt(SpoolClaim *claim, Failure *f)
{
    _cleanup_(spool_record_view_done) RecordView view = {.fd = -1};
    SpoolState state;
    int r = spool_record_view(claim->spool, claim->id, &view);

    if (r == RECORD_OWN) {
        r = find_copy(claim->spool, claim->id, &view, &state);
        if (r >= 0)
            r = lock_message(claim, state, f);
        if (r >= 0)
            r = judge(claim, state, &view, f);
        return r > 0 ? rewrite(claim, &view, f) : r;
    }
    return r >= 0 ? 0
                  : failure_set_errno(f, r, "%s/%s.status: cannot look at the delivery record",
                        claim->spool->path, claim->id);
}

int spool_adopt(Spool *spool, const char *id, Failure *f)
{
    SpoolClaim *claim _cleanup_(spool_claim_free_p) = NULL;
    SpoolState state;
    int r = spool_find(spool, id, &state);

    if (r >= 0) {
        claim = spool_claim_new(spool, id, state);
        r = claim ? adopt(claim, f) : failure_set_errno(f, -ENOMEM, "%s", spool->path);
    }
    return r == -ENOENT ? failure_set(f, r, ERROR_SPOOL, "%s/%s: no such message", spool->path, id)
                        : r;
}
