/* A file that is replaced whole. Must never believe, nor write through, what another user has put
 * in its place. */
#include "spool/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "spool/internal.h"

#define KEPT ".kept"
#define KEPT_MAX ((size_t)256 * 1024)

int spool_kept_save(const Spool *spool, const void *data, size_t n)
{
    char name[SPOOL_NAME_MAX];
    _cleanup_close_ int fd = -1;
    int r;

    (void)snprintf(name, sizeof(name), SPOOL_TEMPORARY_PREFIX "kept-%d", (int)getpid());
    (void)unlinkat(spool->fd, name, 0);
    fd = openat(spool->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = file_write_all(fd, data, n);
    if (r >= 0 && renameat(spool->fd, name, spool->fd, KEPT) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(spool->fd, name, 0);
    return r;
}

int spool_kept_load(const Spool *spool, Buffer *out)
{
    _cleanup_close_ int fd =
        openat(spool->fd, KEPT, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_mode & (S_IWGRP | S_IWOTH) ||
        (st.st_uid != geteuid() && st.st_uid != spool->owner && st.st_uid != 0))
        return -ENOENT;
    return file_read_all(fd, KEPT_MAX, out);
}
