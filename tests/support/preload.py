"""Small libraries that are preloaded: the system answers as other file systems do, or as a disk that
fails."""

import shutil
import subprocess

import lab

HEAD = """
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
"""

# Renames know no flags: older ZFS, some of FUSE.
PLAIN_RENAME = """
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    if (flags != 0) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}
"""

# Files whose names begin with "unopened-" are on a bad sector.
UNOPENED = """
int openat(int fd, const char *name, int flags, ...)
{
    va_list list;
    int mode = 0;

    va_start(list, flags);
    if (flags & (O_CREAT | __O_TMPFILE))
        mode = va_arg(list, int);
    va_end(list);
    if (strncmp(name, "unopened-", 9) == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_openat, fd, name, flags, mode);
}
"""

# `met(fd)` is asked when the content of a file whose name begins with "unread-" is read.
READ = """
static int is_met(int fd)
{
    char link[64], path[4096];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n < 0 ? 0 : n] = '\\0';
    return strstr(path, "/unread-") && !strstr(path, ".status");
}

ssize_t pread(int fd, void *to, size_t n, off_t offset)
{
    if (is_met(fd)) {
        ON_READ;
    }
    return syscall(SYS_pread64, fd, to, n, offset);
}

ssize_t preadv2(int fd, const struct iovec *to, int n, off_t offset, int flags)
{
    if (is_met(fd)) {
        ON_READ;
    }
    return syscall(SYS_preadv2, fd, to, n, offset, 0, flags);
}
"""

# Two days later by the clock; times of files are the kernel's.
LATER = """
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);

    if (clock == CLOCK_REALTIME)
        ret->tv_sec += 2 * 86400;
    return r;
}
"""

UNREAD = "#define ON_READ errno = EIO; return -1\n" + READ

# Reading one ends the process.
DEADLY = "#define ON_READ raise(SIGKILL)\n" + READ


def preload(directory, source):
    """A wrapper for Outboxd, with which what `source` defines takes the place of the C library's."""
    compiler = shutil.which("cc")
    if not compiler:
        raise lab.Unavailable("there is no C compiler")
    code, library = directory / "preload.c", directory / "preload.so"
    code.write_text(HEAD + source, encoding="ascii")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-w", "-o", library, code], check=True)
    return ("env", f"LD_PRELOAD={library}", "ASAN_OPTIONS=verify_asan_link_order=0")
