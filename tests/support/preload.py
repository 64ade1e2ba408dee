"""Small libraries that are preloaded: the system answers as other file systems do, or as a disk that
fails."""

import shutil
import subprocess

import lab

HEAD = """
#define _GNU_SOURCE
#include <dlfcn.h>
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

# There are no watches to be had while FLAG is there; a byte is added to it for each that was wanted.
UNWATCHED = """
int inotify_add_watch(int fd, const char *path, unsigned mask)
{
    int flag = open(FLAG, O_WRONLY | O_APPEND);

    if (flag < 0)
        return (int)syscall(SYS_inotify_add_watch, fd, path, mask);
    write(flag, "x", 1);
    close(flag);
    errno = ENOSPC;
    return -1;
}
"""

# What a path leads to cannot be told while FLAG is there; a byte is added to it for each look.
UNSEEN = """
#include <sys/stat.h>

int stat(const char *path, struct stat *ret)
{
    int flag = open(FLAG, O_WRONLY | O_APPEND);

    if (flag < 0)
        return fstatat(AT_FDCWD, path, ret, 0);
    write(flag, "x", 1);
    close(flag);
    errno = EIO;
    return -1;
}
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
    return ((int (*)(int, const char *, int, int))dlsym(RTLD_NEXT, "openat"))(fd, name, flags, mode);
}

long syscall(long number, ...)
{
    long a[6];
    va_list list;

    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_openat2 && strncmp((const char *)a[1], "unopened-", 9) == 0) {
        errno = EIO;
        return -1;
    }
    return ((long (*)(long, ...))dlsym(RTLD_NEXT, "syscall"))(
        number, a[0], a[1], a[2], a[3], a[4], a[5]);
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

# Two days later by the clock, and five minutes for each byte of FLAG.
EVER_LATER = """
#include <sys/stat.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);
    struct stat st;

    if (clock == CLOCK_REALTIME)
        ret->tv_sec += 2 * 86400 + (stat(FLAG, &st) == 0 ? 300 * st.st_size : 0);
    return r;
}
"""

# By the clock as many seconds later as FLAG says, or earlier; while it is not there, none.
STEPPED = """
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);
    int flag = clock == CLOCK_REALTIME ? open(FLAG, O_RDONLY | O_CLOEXEC) : -1;
    char text[32] = "";

    if (flag < 0)
        return r;
    (void)!read(flag, text, sizeof(text) - 1);
    close(flag);
    ret->tv_sec += atoll(text);
    return r;
}
"""

UNREAD = "#define ON_READ errno = EIO; return -1\n" + READ

# Reading one ends the process.
DEADLY = "#define ON_READ raise(SIGKILL)\n" + READ

# Reading more of it than its beginning does: when it is sent.
DEADLY_WHEN_SENT = "#define ON_READ if (offset > 0) raise(SIGKILL)\n" + READ

# The allocation with the number in FAIL_AT fails, or all from then on where FAIL_ALL is set. They are
# counted from where main() is called; how many there were is written to COUNT_TO.
ALLOCATIONS = """
#include <dlfcn.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
static long counted, fail_at = -1;
static int all, started;

static int fails(void)
{
    if (!started)
        return 0;
    counted++;
    return fail_at > 0 && (counted == fail_at || (all && counted > fail_at));
}

void *malloc(size_t n)
{
    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(old, n);
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("COUNT_TO");
    char text[32];
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;

    started = 0;
    if (fd >= 0)
        (void)!write(fd, text, snprintf(text, sizeof(text), "%ld", counted));
}

/* OpenSSL 3.5 waits for itself for ever when an allocation fails while it begins: to tell of that error, it begins. */
static void begin_openssl(void)
{
    void *library = dlopen("libcrypto.so.3", RTLD_NOW);
    int (*begin)(unsigned long, const void *) = library ? dlsym(library, "OPENSSL_init_crypto") : NULL;

    if (begin)
        begin(0x00040000L, NULL); /* OPENSSL_INIT_BASE_ONLY */
}

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
    void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
    int (*next)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
        void (*)(void), void *) = dlsym(RTLD_NEXT, "__libc_start_main");

    begin_openssl();
    fail_at = getenv("FAIL_AT") ? atol(getenv("FAIL_AT")) : -1;
    all = getenv("FAIL_ALL") != NULL;
    started = 1;
    return next(main, argc, argv, init, fini, rtld_fini, stack_end);
}
"""

# What is written into the queue directory meets with this error.
NO_ROOM = """
ssize_t write(int fd, const void *data, size_t n)
{
    char link[64], path[4096];
    ssize_t size;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof(path) - 1);
    path[size < 0 ? 0 : size] = '\\0';
    if (strstr(path, "/.tmp-")) {
        errno = ERROR;
        return -1;
    }
    return syscall(SYS_write, fd, data, n);
}
"""


# Who waits for five minutes has waited for a tenth of a second.
IMPATIENT = """
#include <poll.h>

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    return (int)syscall(SYS_poll, fds, n, timeout == 300000 ? 100 : timeout);
}
"""

# Who waits for LONG seconds has waited for a tenth of one; who waits for five does so for ever.
LONG_IS_SHORT = """
#include <stdint.h>
#include <time.h>

int sd_event_source_set_time(void *source, uint64_t at)
{
    int (*next)(void *, uint64_t) = dlsym(RTLD_NEXT, "sd_event_source_set_time");
    struct timespec now;
    int64_t delay;

    clock_gettime(CLOCK_MONOTONIC, &now);
    delay = (int64_t)at - now.tv_sec * 1000000ll - now.tv_nsec / 1000;
    if (delay > LONG * 500000ll && delay <= LONG * 1000000ll)
        at -= (uint64_t)delay - 100000;
    else if (delay > 4000000 && delay <= 5000000)
        at += 86400ull * 1000000;
    return next(source, at);
}
"""


def preload(directory, source):
    """A wrapper for Outboxd, with which what `source` defines takes the place of the C library's."""
    compiler = shutil.which("cc")
    if not compiler:
        raise lab.Unavailable("there is no C compiler")
    code, library = directory / "preload.c", directory / "preload.so"
    code.write_text(HEAD + source, encoding="ascii")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-w", "-o", library, code], check=True)
    return ("env", f"LD_PRELOAD={library}", "ASAN_OPTIONS=verify_asan_link_order=0")
