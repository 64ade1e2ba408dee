/* Giving a message a new id. Must never leave it without its record, whenever the process dies: the
 * record has its new name, on disk, before the message has, and its old one until then. Neither
 * name does harm alone, for a record says whose it is. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "spool/internal.h"

#define ID_TRIES 8
#define COPY_BYTES ((size_t)64 * 1024)

static int copy_bytes(int from, int to)
{
    _cleanup_buffer_ Buffer piece = {0};
    off_t at = 0;

    for (;;) {
        char *room = buffer_reserve(&piece, COPY_BYTES);
        ssize_t n = room ? pread(from, room, COPY_BYTES, at) : 0;
        int r;

        if (!room)
            return -ENOMEM;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        r = file_write_all(to, room, (size_t)n);
        if (r < 0)
            return r;
        at += n;
    }
}

/* A copy of the record under another name, with the time of the next attempt. */
static int copy_record(const Spool *spool, const char *name, const char *new_name)
{
    _cleanup_close_ int from = spool_open_at(spool, name, O_RDONLY), to = -1;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
    struct stat st;
    int r;

    if (from < 0)
        return from;
    if (fstat(from, &st) < 0)
        return -errno;
    to = spool_record_create(spool, new_name);
    if (to < 0)
        return to;
    r = copy_bytes(from, to);
    times[1] = st.st_mtim;
    if (r >= 0)
        r = futimens(to, times) < 0 ? -errno : file_sync(to);
    if (r < 0)
        (void)unlinkat(spool->fd, new_name, 0);
    return r;
}

int spool_record_link(const Spool *spool, const char *id, const char *new_id)
{
    char name[SPOOL_NAME_MAX], new_name[SPOOL_NAME_MAX];
    int r = 0;

    if (!spool_name_format_record(id, name) || !spool_name_format_record(new_id, new_name))
        return -ENAMETOOLONG;
    if (linkat(spool->fd, name, spool->fd, new_name, 0) < 0)
        r = -errno;
    /* File systems without links; and root's records, where links are protected. */
    if (r == -EPERM || r == -EOPNOTSUPP || r == -EMLINK)
        r = copy_record(spool, name, new_name);
    if (r < 0)
        return r;
    r = file_sync(spool->fd);
    if (r < 0)
        (void)unlinkat(spool->fd, new_name, 0);
    return r;
}

/* Another file may have come under the message's name since that was opened. 0, or -ESTALE or
 * another negative errno, and then it has been put back. */
static int check_moved(const SpoolClaim *claim, SpoolState from, const char *new_id, SpoolState to)
{
    char name[SPOOL_NAME_MAX];
    struct stat mine, moved;
    int r = 0;

    if (claim->fd < 0)
        return 0;
    (void)spool_name_format(new_id, to, name);
    r = fstat(claim->fd, &mine) < 0 ? -errno : spool_stat_at(claim->spool->fd, name, &moved);
    if (r == -ENOENT || r == -EXDEV)
        r = -ESTALE;
    else if (r >= 0 && (mine.st_dev != moved.st_dev || mine.st_ino != moved.st_ino))
        r = -ESTALE;
    if (r < 0)
        (void)spool_rename_message(claim->spool, new_id, to, claim->id, from);
    return r;
}

/* The claim has that id now. The record loses its old name once the message is sure to have lost
 * its own: a power failure could leave the message alone under it where the file system keeps no
 * order. Where that cannot be made sure both names stay, of which the old one is nobody's. */
static void settle(SpoolClaim *claim, const char *new_id)
{
    char name[SPOOL_NAME_MAX];
    struct stat st;

    if (file_sync(claim->spool->fd) >= 0)
        (void)spool_unlink_record(claim->spool, claim->id, NULL);
    spool_claim_set_id(claim, new_id);
    if (spool_name_format_record(new_id, name) && spool_stat_at(claim->spool->fd, name, &st) == 0)
        spool_claim_set_record(claim, &st);
}

static int move(SpoolClaim *claim, SpoolState from, const char *new_id, SpoolState to)
{
    int r = claim->has_record ? spool_record_link(claim->spool, claim->id, new_id) : -ENOENT;
    bool linked = r >= 0;

    if (r < 0 && r != -ENOENT)
        return r;
    r = spool_claim_check_name(claim);
    if (r >= 0)
        r = spool_rename_message(claim->spool, claim->id, from, new_id, to);
    if (r >= 0 && linked)
        r = check_moved(claim, from, new_id, to);
    if (r < 0 && linked)
        (void)spool_unlink_record(claim->spool, new_id, NULL);
    if (r >= 0 && linked)
        settle(claim, new_id);
    else if (r >= 0)
        spool_claim_set_id(claim, new_id);
    return r;
}

int spool_claim_change_id(SpoolClaim *claim, SpoolState from, SpoolState to)
{
    char id[SPOOL_NAME_MAX];
    int r = -EEXIST;

    for (int tries = 0; tries < ID_TRIES && r == -EEXIST; tries++) {
        spool_name_make_id(claim->id, id);
        r = move(claim, from, id, to);
    }
    return r;
}
