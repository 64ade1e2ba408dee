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
#define ROOM_BYTES ((size_t)8192) /* the file is a multiple of it */
#define FILE_BYTES_MAX (2 * PRESENCE_BYTES_MAX + 2 * ROOM_BYTES)
#define READS_MAX 5
#define LOOK_PAUSE 2000                          /* microseconds */
#define ANSWER_PAUSE (USEC_PER_SEC)              /* between two answers */
#define ANSWER_FRESH (2 * USEC_PER_SEC)          /* who has said something since has answered */
#define ANSWER_PATIENCE (3 * USEC_PER_SEC)       /* of who asks */
#define ANSWER_PATIENCE_AGAIN (USEC_PER_SEC / 2) /* where another has waited in vain before */
#define ANSWER_LOOK (20 * USEC_PER_MSEC)

struct Presence {
    const Spool *spool;
    int fd; /* open for reading: one for writing would keep the file system from becoming read-only
             */
    char name[16];
    bool passes;
    unsigned long long serial;
    usec_t answered; /* monotonic; 0: never */
    Buffer text;     /* as it stands in the file: marks, and blanks */
    size_t said;     /* bytes of it that were said */
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

static int take_any_place(const Spool *spool, bool passes, Presence **ret)
{
    _cleanup_(presence_free_p) Presence *presence = calloc(1, sizeof(*presence));
    int r = -EBUSY;

    (void)flock(spool->fd, LOCK_SH | LOCK_NB);
    if (!presence)
        return -ENOMEM;
    presence->spool = spool;
    presence->fd = -1;
    presence->passes = passes;
    for (unsigned n = 0; n < PRESENCE_MAX && r == -EBUSY; n++) {
        format_name(passes ? PRESENCE_MAX - 1 - n : n, presence->name);
        r = presence->fd = take_place(spool, presence->name);
    }
    if (r < 0)
        return r;
    *ret = TAKE_PTR(presence);
    return 0;
}

int presence_new(const Spool *spool, Presence **ret)
{
    return take_any_place(spool, false, ret);
}

int presence_new_passing(const Spool *spool, Presence **ret)
{
    return take_any_place(spool, true, ret);
}

void presence_free(Presence *presence)
{
    if (!presence)
        return;
    /* Under its lock nobody else takes the place. */
    if (presence->passes && presence->fd >= 0 &&
        is_named(presence->spool, presence->name, presence->fd))
        (void)unlinkat(presence->spool->fd, presence->name, 0);
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
    return 0;
}

/* The file has room for twice what is said, for there is more to say when things go wrong. On a
 * disk that is full it stays as large as it is, and it never gets smaller: what is reserved behind
 * the end of a file is lost as soon as that is set. 0: what is said does not fit. */
static size_t choose_size(int fd, size_t said)
{
    size_t wanted = (2 * said + ROOM_BYTES - 1) / ROOM_BYTES * ROOM_BYTES;
    struct stat st;
    size_t has = fstat(fd, &st) == 0 ? (size_t)st.st_size : 0;

    if (has < wanted && posix_fallocate(fd, 0, (off_t)wanted) == 0)
        return wanted;
    return has >= said ? has : 0;
}

/* The text between its marks, with blanks before the second. */
static int format(unsigned long long serial, const void *text, size_t n, size_t size, Buffer *out)
{
    size_t blanks = size - n - 2 * MARK_BYTES;
    char *end;
    int r = buffer_appendf(out, MARK_FORMAT, serial) ?: buffer_append(out, text, n);

    end = r < 0 ? NULL : buffer_reserve(out, blanks);
    if (!end)
        return -ENOMEM;
    memset(end, ' ', blanks);
    buffer_commit(out, blanks);
    return buffer_appendf(out, MARK_FORMAT, serial);
}

int presence_say(Presence *presence, const void *text, size_t n)
{
    _cleanup_close_ int fd = -1;
    Buffer *all = &presence->text;
    size_t size;
    int r;

    if (n > PRESENCE_BYTES_MAX)
        return -EFBIG;
    fd = spool_open_at(presence->spool, presence->name, O_WRONLY);
    if (fd < 0)
        return fd;
    if (!is_named(presence->spool, presence->name, presence->fd) ||
        !is_named(presence->spool, presence->name, fd))
        return -ESTALE;
    size = choose_size(fd, n + 2 * MARK_BYTES);
    if (size == 0) {
        (void)futimens(fd, NULL); /* what was said before stays, and that we go on is told */
        return -ENOSPC;
    }
    presence->serial++;
    presence->said = n;
    buffer_clear(all);
    r = format(presence->serial, text, n, size, all);
    return r < 0 ? r : write_all(fd, all);
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
    if (buffer_append(&text, buffer_at(all, MARK_BYTES), presence->said) >= 0)
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

/* Whether somebody has read the file since it was written, long enough ago for an answer: what is
 * read for the first time behind a writing gets a new time on most disks (relatime). */
static bool was_asked_before(const struct stat *st)
{
    usec_t read = to_usec(st->st_atim);

    return read > to_usec(st->st_mtim) && clock_age(read, clock_realtime()) > ANSWER_PATIENCE;
}

/* What it wrote last is its last sign of life: when somebody asked first says nothing of it, and is
 * not kept on every disk (noatime). */
usec_t presence_await_answer(const Spool *spool, unsigned n, usec_t asked)
{
    struct stat first, now;
    usec_t patience;
    char name[16];

    format_name(n, name);
    if (is_read_only(spool) || spool_stat_at(spool->fd, name, &first) < 0 ||
        clock_age(to_usec(first.st_mtim), clock_realtime()) < ANSWER_FRESH)
        return 0;
    patience = was_asked_before(&first) ? ANSWER_PATIENCE_AGAIN : ANSWER_PATIENCE;
    while (clock_monotonic() < usec_add(asked, patience)) {
        if (spool_stat_at(spool->fd, name, &now) < 0 || now.st_ino != first.st_ino ||
            to_usec(now.st_mtim) != to_usec(first.st_mtim))
            return 0;
        (void)usleep(ANSWER_LOOK);
    }
    return to_usec(first.st_mtim);
}

/* Cuts the marks off, and the blanks before the second; false when they are not the same, or not
 * there. */
static bool cut_marks(Buffer *text)
{
    size_t n = buffer_size(text);

    if (n < 2 * MARK_BYTES ||
        memcmp(buffer_data(text), buffer_at(text, n - MARK_BYTES), MARK_BYTES) != 0)
        return false;
    for (n -= MARK_BYTES; n > MARK_BYTES && *(const char *)buffer_at(text, n - 1) == ' ';)
        n--;
    buffer_truncate(text, n);
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
    r = file_read_all(fd, FILE_BYTES_MAX, out);
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

bool presence_has_no_place(const Spool *spool)
{
    for (unsigned n = 0; n < PRESENCE_MAX; n++) {
        struct stat st;
        char name[16];

        format_name(n, name);
        if (spool_stat_at(spool->fd, name, &st) < 0 || !S_ISDIR(st.st_mode))
            return false;
    }
    return true;
}

long presence_find_process(const Spool *spool)
{
    return holder_find(spool->fd, false, spool->owner);
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
