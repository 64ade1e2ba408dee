/* Writing to a record's file. Must never write into a file that is not known to be the claim's own
 * record, nor let what was known of a message be lost with one that cannot be used any more. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "spool/internal.h"

#define ID_TRIES 8

int spool_record_create(const Spool *spool, const char *name)
{
    _cleanup_close_ int fd = openat(spool->fd, name,
        O_RDWR | O_APPEND | O_CREAT | O_EXCL | SPOOL_OPEN_FLAGS, SPOOL_RECORD_MODE);

    if (fd < 0)
        return -errno;
    /* Root leaves records that the daemon, who owns the directory, can go on with. */
    if (geteuid() == 0 && spool->owner != 0 && fchown(fd, spool->owner, spool->group) < 0) {
        int r = -errno;

        (void)unlinkat(spool->fd, name, 0);
        return r;
    }
    return TAKE_FD(fd);
}

static int cannot_create(const SpoolClaim *claim, int error, Failure *f)
{
    return failure_set_errno(f, error,
        "%s/%s.status: cannot create the delivery record; see that the directory can be written "
        "and has room",
        claim->spool->path, claim->id);
}

static int create_or_use_spare(SpoolClaim *claim, const char *name)
{
    int r = spool_record_create(claim->spool, name);

    return error_is_no_room(r) && claim->spare ? spool_claim_use_spare(claim, name) : r;
}

/* Creates the first record of the claim, under its id or, where another message or a stranger's
 * file uses that id's names, under a new one. A descriptor or a negative errno with a Failure. */
static int create_record(SpoolClaim *claim, Failure *f)
{
    char name[SPOOL_NAME_MAX];
    int r = spool_id_is_kept(claim->spool, claim->id);

    if (r > 0)
        r = -EEXIST;
    for (int tries = 0; tries < ID_TRIES; tries++) {
        if (r == -EEXIST) /* not one of its own: nothing comes along */
            r = spool_claim_change_id(claim, SPOOL_SENDING, SPOOL_SENDING);
        if (r >= 0)
            r = spool_name_format_record(claim->id, name) ? create_or_use_spare(claim, name)
                                                          : -ENAMETOOLONG;
        if (r != -EEXIST)
            break;
    }
    return r < 0 ? cannot_create(claim, r, f) : r;
}

static int write_all(int fd, struct iovec *parts, size_t n)
{
    while (n > 0) {
        ssize_t written = writev(fd, parts, (int)n);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        for (; n > 0 && (size_t)written >= parts->iov_len; parts++, n--)
            written -= (ssize_t)parts->iov_len;
        if (n > 0) {
            parts->iov_base = (char *)parts->iov_base + written;
            parts->iov_len -= (size_t)written;
        }
    }
    return 0;
}

/* All in one write, so that no other line gets between; a torn line in front is ended first. */
int spool_record_write(int fd, const Buffer *lines, struct stat *ret)
{
    struct iovec parts[2] = {{.iov_base = (char[]){'\n'}, .iov_len = 0},
        {.iov_base = (char *)buffer_data(lines), .iov_len = buffer_size(lines)}};
    off_t added;
    char last = '\n';
    int r;

    if (fstat(fd, ret) < 0)
        return -errno;
    if (ret->st_size > 0 && pread(fd, &last, 1, ret->st_size - 1) < 0)
        return -errno;
    parts[0].iov_len = last == '\n' ? 0 : 1;
    added = (off_t)(parts[0].iov_len + parts[1].iov_len);
    r = write_all(fd, parts, ELEMENTSOF(parts));
    if (r >= 0)
        ret->st_size += added;
    /* What did fit would be there twice when it is written again. */
    else if (ftruncate(fd, ret->st_size) < 0)
        return r; /* a torn line, then, which whoever appends next will end */
    return r;
}

void spool_claim_set_record(SpoolClaim *claim, const struct stat *st)
{
    claim->has_record = true;
    claim->record_device = st->st_dev;
    claim->record_inode = st->st_ino;
    claim->record_bytes = (uint64_t)st->st_size;
}

/* Whether what is there now is the very file that was the claim's record, which nobody else could
 * write to, only with further names. A descriptor for reading, or -1. */
static int open_linked(SpoolClaim *claim)
{
    _cleanup_(spool_record_view_done) RecordView view = {.fd = -1};

    if (spool_record_view(claim->spool, claim->id, &view) != RECORD_OWN || !view.bound ||
        view.st.st_dev != claim->record_device || view.st.st_ino != claim->record_inode ||
        (uint64_t)view.st.st_size != claim->record_bytes ||
        spool_claim_identify(claim, SPOOL_SENDING) < 0 ||
        !file_identity_is_same(&view.file, &claim->identity))
        return -1;
    return TAKE_FD(view.fd);
}

/* Puts a copy in the record's place, which has no other name and can be written to. 0 or a negative
 * errno, with a Failure when it is a common fault. */
static int replace_by_copy(SpoolClaim *claim, Failure *f)
{
    _cleanup_(record_scan_done) RecordScan scan = {0};
    _cleanup_close_ int fd = open_linked(claim);
    int r = fd < 0 ? -EPERM : record_scan_file(&scan, fd);

    if (r >= 0)
        r = spool_record_rewrite(claim, fd, &scan);
    return r < 0 && error_is_common(r)
               ? failure_set_errno(f, r,
                     "%s/%s.status: cannot copy the delivery record, which was "
                     "linked or locked up",
                     claim->spool->path, claim->id)
               : r;
}

/* Opens the record that the claim has. A descriptor; -ENOENT when there is none any more; -ESTALE
 * when it is to be started anew elsewhere; or another negative errno, with a Failure. */
static int reopen(SpoolClaim *claim, Failure *f)
{
    int r = spool_record_open(claim->spool, claim->id, O_RDWR | O_APPEND, f), copied;

    if (r == -EPERM || r == -EACCES) {
        copied = replace_by_copy(claim, f);
        if (copied < 0 && error_is_common(copied))
            return copied;
        if (copied >= 0)
            r = spool_record_open(claim->spool, claim->id, O_RDWR | O_APPEND, f);
    }
    if (r >= 0 || r == -ENOENT || error_is_common(r))
        return r;
    return claim->loaded ? -ESTALE : r;
}

void spool_claim_remember(SpoolClaim *claim, const Buffer *lines)
{
    const char *at = buffer_data(lines), *end = at + buffer_size(lines);
    int r = 0;

    while (at < end && r >= 0) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((newline ? newline + 1 : end) - at);

        if (!newline || !record_line_is_deferred(at, n - 1))
            r = buffer_append(&claim->appended, at, n);
        at += n;
    }
    if (r < 0) /* then it cannot be written anew either */
        claim->loaded = false;
}

/* The lines come to the disk, and the name of a record that is new. Lines that may not have come
 * there are taken back: they would be there twice when they are written again. */
static int bring_to_disk(SpoolClaim *claim, int fd, const Buffer *lines, struct stat *st)
{
    off_t before = st->st_size - (off_t)buffer_size(lines);
    int r = fdatasync(fd) < 0 ? -errno : 0;

    if (r >= 0 && claim->unsynced_name)
        r = file_sync(claim->spool->fd);
    if (r >= 0)
        claim->unsynced_name = false;
    else if (ftruncate(fd, before) == 0)
        st->st_size = before;
    return r;
}

/* The lines and, where they are the record's first, whose it is. */
static int gather(SpoolClaim *claim, const Buffer *lines, Buffer *ret)
{
    int r = claim->record_bytes > 0 ? 0 : spool_claim_bind(claim, ret);

    return r < 0 ? r : buffer_append(ret, buffer_data(lines), buffer_size(lines));
}

/* Writes to the record, which was opened, and knows it from then on: also when the lines did not
 * fit, for it is the claim's. */
static int write_to(SpoolClaim *claim, int fd, const Buffer *lines, bool durable)
{
    struct stat st = {0};
    int r = spool_record_write(fd, lines, &st);

    if (error_is_no_room(r) && spool_claim_spend_spare(claim))
        r = spool_record_write(fd, lines, &st);
    if (r >= 0 && durable)
        r = bring_to_disk(claim, fd, lines, &st);
    claim->bound = claim->bound || (claim->record_bytes == 0 && st.st_size > 0);
    spool_claim_set_record(claim, &st);
    return r;
}

static int append(SpoolClaim *claim, const Buffer *lines, bool durable, Failure *f)
{
    bool created = !claim->has_record;
    _cleanup_buffer_ Buffer all = {0};
    int r = gather(claim, lines, &all);
    _cleanup_close_ int fd = r < 0 ? -1 : created ? create_record(claim, f) : reopen(claim, f);

    if (r >= 0 && !created && (fd == -ENOENT || fd == -ESTALE))
        return spool_record_start_anew(claim, fd == -ESTALE, lines, f);
    if (r >= 0 && fd < 0)
        return fd;
    claim->unsynced_name = claim->unsynced_name || created;
    if (r >= 0)
        r = write_to(claim, fd, &all, durable);
    if (r < 0)
        return failure_set_errno(f, r,
            "%s/%s.status: cannot write the delivery record; see that the file system has room "
            "and works",
            claim->spool->path, claim->id);
    spool_claim_remember(claim, lines);
    return 0;
}

int spool_record_append(SpoolClaim *claim, const Buffer *lines, Failure *f)
{
    return append(claim, lines, true, f);
}

int spool_record_append_lazily(SpoolClaim *claim, const Buffer *lines, Failure *f)
{
    return append(claim, lines, false, f);
}
