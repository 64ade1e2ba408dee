/* A file system whose renames know no flags (older ZFS, some of FUSE): renameat2() as the spool
 * calls it. Include it once in a program. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int rename_error; /* what it fails with; 0 while it works */

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    if (flags != 0 && rename_error != 0) {
        errno = rename_error;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

/* A fixture. */
static inline void know_no_flags(void)
{
    rename_error = EINVAL;
}
