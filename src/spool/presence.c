/* The files in which processes that deliver say how they are. Must never believe a file that a
 * stranger can have put there, nor let him keep a place. */
#include "spool/presence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "spool/internal.h"
#include "spool/record.h"

/* A text stands between two lines that say which one it is: whoever reads while it is written finds
 * two numbers, and reads again. */
#define MARK_FORMAT "%020llu\n"
#define MARK_BYTES ((size_t)21)
#define ROOM_BYTES 8192 /* what a daemon with a few relays says, on a disk that is full */
#define READS_MAX 5
#define LOOK_PAUSE 2000 /* microseconds */

struct Presence {
    int fd;
    unsigned long long serial;
    Buffer text;
};

static void format_name(unsigned n, char name[static 16])
{
    snprintf(name, 16, ".state-%u", n + 1);
}

/* Locks are asked for and looked at byte by byte of nothing: the whole file. */
static struct flock whole(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

/* Only who may write to the file can hold such a lock. */
static bool is_written(int fd)
{
    struct flock lock = whole(F_RDLCK);

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static bool is_trusted(const Spool *spool, int fd, struct stat *st)
{
    return fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_nlink == 1 &&
           (st->st_uid == spool->owner || st->st_uid == 0) && (st->st_mode & S_IWOTH) == 0;
}

/* Whether the name is still this file's. */
static bool is_named(const Spool *spool, const char *name, int fd)
{
    struct stat named, opened;

    return spool_stat_at(spool->fd, name, &named) == 0 && fstat(fd, &opened) == 0 &&
           named.st_ino == opened.st_ino;
}

/* A descriptor, locked; -EBUSY: a living process has the place; another negative errno. A file of
 * nobody's makes way. */
static int take_place(const Spool *spool, const char *name)
{
    struct flock lock = whole(F_WRLCK);
    _cleanup_close_ int fd = spool_open_at(spool, name, O_RDWR);
    struct stat st;

    if (fd >= 0 && is_trusted(spool, fd, &st)) {
        if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
            return is_named(spool, name, fd) ? TAKE_FD(fd) : -EBUSY;
        if (is_written(fd))
            return -EBUSY;
    }
    if (fd != -ENOENT && unlinkat(spool->fd, name, 0) < 0 && errno != ENOENT)
        return errno == EISDIR ? -EBUSY : -errno;
    close_p(&fd);
    fd = spool_record_create(spool, name);
    if (fd == -EEXIST)
        return -EBUSY;
    if (fd < 0)
        return fd;
    /* Made for appending, as records are; this one is written anew each time. */
    if (fcntl(fd, F_SETFL, 0) < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0)
        return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
    return TAKE_FD(fd);
}

int presence_new(const Spool *spool, Presence **ret)
{
    _cleanup_(presence_free_p) Presence *presence = calloc(1, sizeof(*presence));
    int r = -EBUSY;

    (void)flock(spool->fd, LOCK_SH | LOCK_NB);
    if (!presence)
        return -ENOMEM;
    presence->fd = -1;
    for (unsigned n = 0; n < PRESENCE_MAX && r == -EBUSY; n++) {
        char name[16];

        format_name(n, name);
        r = presence->fd = take_place(spool, name);
    }
    if (r < 0)
        return r;
    (void)fallocate(presence->fd, FALLOC_FL_KEEP_SIZE, 0, ROOM_BYTES);
    *ret = TAKE_PTR(presence);
    return 0;
}

void presence_free(Presence *presence)
{
    if (!presence)
        return;
    close_p(&presence->fd);
    buffer_done(&presence->text);
    free(presence);
}

int presence_say(Presence *presence, const void *text, size_t n)
{
    Buffer *all = &presence->text;
    size_t size;
    int r;

    if (n > PRESENCE_BYTES_MAX)
        return -EFBIG;
    presence->serial++;
    buffer_clear(all);
    r = buffer_appendf(all, MARK_FORMAT, presence->serial) ?: buffer_append(all, text, n)
                                                            ?: buffer_appendf(all, MARK_FORMAT,
                                                                   presence->serial);
    if (r < 0)
        return r;
    size = buffer_size(all);
    for (size_t at = 0; at < size;) {
        ssize_t written = pwrite(presence->fd, buffer_data(all) + at, size - at, (off_t)at);

        if (written < 0 && errno != EINTR)
            return -errno;
        at += (size_t)MAX(written, (ssize_t)0);
    }
    return ftruncate(presence->fd, (off_t)size) < 0 ? -errno : 0;
}

/* Cuts the marks off; false when they are not the same, or not there. */
static bool cut_marks(Buffer *text)
{
    size_t n = buffer_size(text);

    if (n < 2 * MARK_BYTES ||
        memcmp(buffer_data(text), buffer_at(text, n - MARK_BYTES), MARK_BYTES) != 0)
        return false;
    buffer_truncate(text, n - MARK_BYTES);
    buffer_consume(text, MARK_BYTES);
    return true;
}

/* -EAGAIN: it is being written, or has just been begun. */
static int look_once(const Spool *spool, const char *name, Buffer *out, bool *ret_lives)
{
    _cleanup_close_ int fd = spool_open_at(spool, name, O_RDONLY);
    struct stat st;
    int r;

    if (fd < 0)
        return fd;
    if (!is_trusted(spool, fd, &st))
        return -ENOENT;
    *ret_lives = is_written(fd);
    buffer_clear(out);
    r = file_read_all(fd, PRESENCE_BYTES_MAX + 2 * MARK_BYTES, out);
    return r < 0 || cut_marks(out) ? r : -EAGAIN;
}

int presence_look(const Spool *spool, unsigned n, Buffer *out, bool *ret_lives)
{
    char name[16];
    int r = -EAGAIN;

    format_name(n, name);
    for (unsigned i = 0; i < READS_MAX && r == -EAGAIN; i++)
        r = look_once(spool, name, out, ret_lives);
    return r;
}

/* Another who looks in this moment has the lock as well, and not for long. */
bool presence_is_anybody(const Spool *spool)
{
    for (unsigned i = 0; i < READS_MAX; i++) {
        if (flock(spool->fd, LOCK_EX | LOCK_NB) == 0) {
            (void)flock(spool->fd, LOCK_UN);
            return false;
        }
        if (errno != EWOULDBLOCK)
            return false;
        (void)usleep(LOOK_PAUSE * (i + 1));
    }
    return true;
}
