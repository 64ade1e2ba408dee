/* Opening and looking at the files of the queue directory. Must never follow a link, wait for
 * whoever is at the other end of a pipe, or ask a file system that somebody mounted over a file: it
 * may never answer. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/errors.h"
#include "spool/internal.h"
#include "spool/submitter.h"

int spool_open_at(const Spool *spool, const char *name, int flags)
{
    struct open_how how = {.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS};
    long fd;

    flags |= SPOOL_OPEN_FLAGS;
    how.flags = (unsigned)flags;
    fd = syscall(SYS_openat2, spool->fd, name, &how, sizeof(how));
    /* Kernels before 5.6 have no such call, and filters made for them do not let it pass. */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = openat(spool->fd, name, flags);
    return fd < 0 ? -errno : (int)fd;
}

static struct timespec to_timespec(const struct statx_timestamp *t)
{
    return (struct timespec){.tv_sec = (time_t)t->tv_sec, .tv_nsec = t->tv_nsec};
}

int spool_stat_at(int directory_fd, const char *name, struct stat *ret)
{
    struct statx st;

    if (statx(directory_fd, name, SPOOL_LOOK_FLAGS, STATX_BASIC_STATS, &st) < 0)
        return -errno;
    if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
        return -EXDEV;
    *ret = (struct stat){
        .st_dev = makedev(st.stx_dev_major, st.stx_dev_minor),
        .st_ino = st.stx_ino,
        .st_mode = st.stx_mode,
        .st_nlink = st.stx_nlink,
        .st_uid = st.stx_uid,
        .st_gid = st.stx_gid,
        .st_size = (off_t)st.stx_size,
        .st_blocks = (blkcnt_t)st.stx_blocks,
        .st_atim = to_timespec(&st.stx_atime),
        .st_mtim = to_timespec(&st.stx_mtime),
        .st_ctim = to_timespec(&st.stx_ctime),
    };
    return 0;
}

int spool_look_at(const Spool *spool, const char *id, SpoolState state, struct stat *ret)
{
    char name[SPOOL_NAME_MAX];

    int r = spool_name_format(id, state, name) ? spool_stat_at(spool->fd, name, ret) : -ENOENT;

    if (r == -EXDEV && spool->shows_one)
        return -ENOENT;
    return r >= 0 && !spool_shows(spool, name, ret) ? -ENOENT : r;
}

int spool_cannot_open(const Spool *spool, const char *name, int r, Failure *f)
{
    if (r == -EXDEV)
        return failure_set(f, r, ERROR_FILE,
            "%s/%s: another file system is mounted there; it is not read", spool->path, name);
    if (r == -ELOOP)
        return failure_set(
            f, r, ERROR_FILE, "%s/%s: is a symbolic link; it is not followed", spool->path, name);
    return failure_set_errno(f, r, "cannot open %s/%s", spool->path, name);
}

int spool_open_message(
    const Spool *spool, const char *id, SpoolState state, struct stat *ret, Failure *f)
{
    char name[SPOOL_NAME_MAX];
    _cleanup_close_ int fd = -1;

    if (!spool_name_format(id, state, name))
        return failure_set(f, -ENOENT, ERROR_FILE, "%s: not the id of a message", id);
    fd = spool_open_at(spool, name, O_RDONLY);
    if (fd < 0)
        return spool_cannot_open(spool, name, fd, f);
    if (fstat(fd, ret) < 0)
        return failure_set_errno(f, -errno, "%s/%s", spool->path, name);
    if (!spool_shows(spool, name, ret))
        return spool_cannot_open(spool, name, -ENOENT, f);
    if (!S_ISREG(ret->st_mode))
        return failure_set(f, -EINVAL, ERROR_FILE, "%s/%s: is not a regular file; it is not read",
            spool->path, name);
    /* Another name may be that of a file which whoever made this one must not read. */
    if (ret->st_nlink > 1)
        return failure_set(f, -EINVAL, ERROR_FILE,
            "%s/%s: has several names (hard links); it is not read", spool->path, name);
    return TAKE_FD(fd);
}
