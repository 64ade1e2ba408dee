/* The files in which processes that deliver say how they are. Must never believe a file that a
 * stranger can have put there, nor let him keep a place. */
#include "spool/presence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "spool/holder.h"
#include "spool/internal.h"

/* A text stands between two lines that say which one it is: whoever reads while it is written finds
 * two numbers, and reads again. */
#define MARK_FORMAT "%020llu\n"
#define MARK_BYTES ((size_t)21)
#define ROOM_BYTES 8192 /* what a daemon with a few relays says, on a disk that is full */
#define READS_MAX 5
#define LOOK_PAUSE 2000                    /* microseconds */
#define ANSWER_PAUSE (USEC_PER_SEC)        /* between two answers */
#define ANSWER_FRESH (2 * USEC_PER_SEC)    /* who has said something since has answered */
#define ANSWER_PATIENCE (5 * USEC_PER_SEC) /* of who asks */
#define ANSWER_LOOK (20 * USEC_PER_MSEC)

struct Presence {
    const Spool *spool;
    int fd; /* open for reading: one for writing would keep the file system from becoming read-only
             */
    char name[16];
    unsigned long long serial;
    usec_t answered; /* monotonic; 0: never */
    Buffer text;
};

static void format_name(unsigned n, char name[static 16])
{
    snprintf(name, 16, ".state-%u", n + 1);
}

/* Whether somebody has the lock of who delivers. Who reads has another one, and for a moment. */
static bool is_taken(const Spool *spool, int fd)
{
    if (flock(fd, LOCK_SH | LOCK_NB) < 0)
        return errno == EWOULDBLOCK && !holder_is_strange(fd, true, spool->owner);
    (void)flock(fd, LOCK_UN);
    return false;
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

/* 0, -EBUSY: a living process has it; -EPERM: who reads it does not let go. */
static int lock(const Spool *spool, int fd)
{
    for (unsigned i = 0; i < READS_MAX; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK || is_taken(spool, fd))
            return -EBUSY;
        (void)usleep(LOOK_PAUSE * (i + 1));
    }
    return -EPERM;
}

/* Whoever may list the directory may read it. A descriptor, or a negative errno. */
static int create(const Spool *spool, const char *name)
{
    _cleanup_close_ int fd =
        openat(spool->fd, name, O_WRONLY | O_CREAT | O_EXCL | SPOOL_OPEN_FLAGS, 0600);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(spool->fd, &st) < 0 || fchmod(fd, 0600 | (st.st_mode & 0044)) < 0)
        return -errno;
    (void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, ROOM_BYTES);
    return spool_open_at(spool, name, O_RDONLY);
}

/* A descriptor, locked; -EBUSY: a living process has the place; another negative errno. A file of
 * nobody's makes way. */
static int take_place(const Spool *spool, const char *name)
{
    _cleanup_close_ int fd = spool_open_at(spool, name, O_RDONLY);
    struct stat st;
    int r;

    if (fd >= 0 && is_trusted(spool, fd, &st)) {
        r = lock(spool, fd);
        if (r == 0)
            return is_named(spool, name, fd) ? TAKE_FD(fd) : -EBUSY;
        if (r == -EBUSY)
            return r;
    }
    if (fd != -ENOENT && unlinkat(spool->fd, name, 0) < 0 && errno != ENOENT)
        return errno == EISDIR ? -EBUSY : -errno;
    close_p(&fd);
    fd = create(spool, name);
    if (fd == -EEXIST)
        return -EBUSY;
    if (fd < 0)
        return fd;
    return lock(spool, fd) < 0 || !is_named(spool, name, fd) ? -EBUSY : TAKE_FD(fd);
}

int presence_new(const Spool *spool, Presence **ret)
{
    _cleanup_(presence_free_p) Presence *presence = calloc(1, sizeof(*presence));
    int r = -EBUSY;

    (void)flock(spool->fd, LOCK_SH | LOCK_NB);
    if (!presence)
        return -ENOMEM;
    presence->spool = spool;
    presence->fd = -1;
    for (unsigned n = 0; n < PRESENCE_MAX && r == -EBUSY; n++) {
        format_name(n, presence->name);
        r = presence->fd = take_place(spool, presence->name);
    }
    if (r < 0)
        return r;
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

static int write_all(int fd, const Buffer *text)
{
    size_t size = buffer_size(text);

    for (size_t at = 0; at < size;) {
        ssize_t n = pwrite(fd, buffer_at(text, at), size - at, (off_t)at);

        if (n < 0 && errno != EINTR)
            return -errno;
        at += (size_t)MAX(n, (ssize_t)0);
    }
    return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

int presence_say(Presence *presence, const void *text, size_t n)
{
    _cleanup_close_ int fd = -1;
    Buffer *all = &presence->text;
    int r;

    if (n > PRESENCE_BYTES_MAX)
        return -EFBIG;
    presence->serial++;
    buffer_clear(all);
    r = buffer_appendf(all, MARK_FORMAT, presence->serial)
            ?: buffer_append(all, text, n) ?: buffer_appendf(all, MARK_FORMAT, presence->serial);
    if (r < 0)
        return r;
    fd = spool_open_at(presence->spool, presence->name, O_WRONLY);
    if (fd < 0)
        return fd;
    if (!is_named(presence->spool, presence->name, presence->fd) ||
        !is_named(presence->spool, presence->name, fd))
        return -ESTALE;
    return write_all(fd, all);
}

/* The text that was said last is still there, between its marks. */
void presence_answer(Presence *presence, const char *file_name, usec_t now)
{
    _cleanup_buffer_ Buffer text = {0};
    const Buffer *all = &presence->text;

    if (!text_equal(file_name, presence->name) || buffer_size(all) < 2 * MARK_BYTES ||
        (presence->answered > 0 && now < usec_add(presence->answered, ANSWER_PAUSE)))
        return;
    presence->answered = now;
    if (buffer_append(&text, buffer_at(all, MARK_BYTES), buffer_size(all) - 2 * MARK_BYTES) >= 0)
        (void)presence_say(presence, buffer_data(&text), buffer_size(&text));
}

static usec_t to_usec(struct timespec time)
{
    return (usec_t)time.tv_sec * USEC_PER_SEC + (usec_t)time.tv_nsec / 1000;
}

/* Where nothing can be written nobody can answer. */
static bool is_read_only(const Spool *spool)
{
    struct statvfs fs;

    return fstatvfs(spool->fd, &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0;
}

/* What it wrote last is its last sign of life: when somebody asked first says nothing of it, and is
 * not kept on every disk (noatime). */
usec_t presence_await_answer(const Spool *spool, unsigned n)
{
    usec_t asked = clock_monotonic();
    struct stat first, now;
    char name[16];

    format_name(n, name);
    if (is_read_only(spool) || spool_stat_at(spool->fd, name, &first) < 0 ||
        clock_age(to_usec(first.st_mtim), clock_realtime()) < ANSWER_FRESH)
        return 0;
    while (clock_monotonic() - asked < ANSWER_PATIENCE) {
        if (spool_stat_at(spool->fd, name, &now) < 0 || now.st_ino != first.st_ino ||
            to_usec(now.st_mtim) != to_usec(first.st_mtim))
            return 0;
        (void)usleep(ANSWER_LOOK);
    }
    return to_usec(first.st_mtim);
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
    *ret_lives = is_taken(spool, fd);
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
    return !holder_is_strange(spool->fd, false, spool->owner);
}
