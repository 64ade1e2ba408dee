/* Renames that never overwrite, on every file system. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/internal.h"

/* For what cannot be linked, or must not have two names: nothing is overwritten that was there
 * before the call. */
static int rename_after_look(int directory_fd, const char *from, const char *to)
{
    struct stat st;
    int r = spool_stat_at(directory_fd, to, &st);

    if (r != -ENOENT)
        return r >= 0 || r == -EXDEV ? -EEXIST : r;
    return renameat(directory_fd, from, directory_fd, to) < 0 ? -errno : 0;
}

/* Without RENAME_NOREPLACE a second link does the same: it never overwrites either. A crash leaves
 * both names, which spool_recover() mends. */
static int rename_by_link(int directory_fd, const char *from, const char *to)
{
    struct stat st;
    int r;

    if (linkat(directory_fd, from, directory_fd, to, 0) < 0) {
        r = -errno;
        if (r == -EPERM && spool_stat_at(directory_fd, from, &st) == 0 && S_ISDIR(st.st_mode))
            return rename_after_look(directory_fd, from, to);
        return r;
    }
    if (unlinkat(directory_fd, from, 0) == 0)
        return 0;
    r = -errno;
    /* Somebody moved it: then that name counts, and ours must not stay, unless it is the last. */
    if (spool_stat_at(directory_fd, to, &st) < 0)
        return r;
    if (st.st_nlink < 2)
        return 0;
    (void)unlinkat(directory_fd, to, 0);
    return r;
}

/* Renames where the file system knows RENAME_NOREPLACE; -EINVAL where it does not. */
static int rename_new(int directory_fd, const char *from, const char *to)
{
    if (renameat2(directory_fd, from, directory_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == ENOSYS ? -EINVAL : -errno;
}

int spool_rename(int directory_fd, const char *from, const char *to)
{
    int r = rename_new(directory_fd, from, to);

    return r == -EINVAL ? rename_by_link(directory_fd, from, to) : r;
}

int spool_rename_fresh(int directory_fd, const char *from, const char *to)
{
    int r = rename_new(directory_fd, from, to);

    return r == -EINVAL ? rename_after_look(directory_fd, from, to) : r;
}
