/* Whole-file I/O and durability. Must never leave a descriptor open. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/macros.h"

int file_write_all(int fd, const void *data, size_t n)
{
    const char *from = data;

    while (n > 0) {
        ssize_t written = write(fd, from, n);

        if (written < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        from += written;
        n -= (size_t)written;
    }
    return 0;
}

int file_read_all(int fd, size_t max, Buffer *out)
{
    size_t before = buffer_size(out);

    for (;;) {
        char *to = buffer_reserve(out, 16384);
        ssize_t n;

        if (!to)
            return -ENOMEM;
        n = read(fd, to, 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        buffer_commit(out, (size_t)n);
        if (buffer_size(out) - before > max)
            return -EFBIG;
    }
}

/* The numbers of /dev/null (Documentation/admin-guide/devices.txt of Linux). */
static bool is_null_device(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

static bool is_nameless(int fd)
{
    struct statfs system;

    return fstatfs(fd, &system) == 0 && system.f_type == PIPEFS_MAGIC;
}

int file_open(int directory_fd, const char *path, FilePipes pipes)
{
    _cleanup_close_ int fd =
        openat(directory_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (S_ISFIFO(st.st_mode) &&
        (pipes == FILE_ANY_PIPE || (pipes == FILE_SHELL_PIPE && is_nameless(fd)))) {
        /* Where nobody has written to it yet, it would seem to have ended. */
        while (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1) < 0)
            if (errno != EINTR)
                return -errno;
        if (fcntl(fd, F_SETFL, O_RDONLY) < 0)
            return -errno;
    } else if (!S_ISREG(st.st_mode) && !is_null_device(&st))
        return -ENXIO;
    return TAKE_FD(fd);
}

const char *file_trouble(int error)
{
    if (error == -ENXIO)
        return "it is a pipe, a device or a socket, and not a file";
    return strerrordesc_np(-error) ?: "unknown error";
}

int file_load(int directory_fd, const char *path, size_t max, Buffer *out)
{
    _cleanup_close_ int fd = file_open(directory_fd, path, FILE_ANY_PIPE);

    return fd < 0 ? -errno : file_read_all(fd, max, out);
}

int file_open_entries(int directory_fd, DIR **ret)
{
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *ret = fd < 0 ? NULL : fdopendir(fd);
    if (!*ret) {
        int r = -errno;

        close_p(&fd);
        return r;
    }
    return 0;
}

int file_sync(int fd)
{
    return fsync(fd) < 0 && errno != EINVAL && errno != EROFS ? -errno : 0;
}

void file_occupy_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/", O_PATH);
}

void file_random_name(char *ret_text, size_t n)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";

    for (size_t done = 0; done < n;) {
        unsigned char bytes[64];
        ssize_t got = getrandom(bytes, MIN(sizeof(bytes), n - done), 0);

        for (ssize_t i = 0; i < got; i++)
            ret_text[done++] = digits[bytes[i] & 31];
    }
    ret_text[n] = '\0';
}

int file_scratch_on_disk(void)
{
    const char *const directories[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
    int fd = -1;

    for (size_t i = 0; i < ELEMENTSOF(directories) && fd < 0; i++)
        if (directories[i])
            fd = open(directories[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

int file_scratch(void)
{
    int fd = file_scratch_on_disk();

    if (fd < 0)
        fd = memfd_create("outbox", MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

size_t file_descriptors_max(void)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return (size_t)MIN(limit.rlim_cur, (rlim_t)INT_MAX);
}
