/* Looking at a record's file: whose it is, and how it ends. Must never change it, nor read one that
 * is not known to be the queue's own. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "spool/internal.h"

/* The last line of a usual record is found in the first such piece from its end. */
#define TAIL_BYTES ((size_t)4096)
#define TAIL_MAX ((size_t)4 << 20)

static bool is_of_this_queue(const Spool *spool, const struct stat *st)
{
    return S_ISREG(st->st_mode) &&
           (st->st_uid == spool->owner || st->st_uid == geteuid() || st->st_uid == 0);
}

bool spool_record_is_trusted(const Spool *spool, const struct stat *st)
{
    return is_of_this_queue(spool, st) && st->st_nlink == 1;
}

int spool_record_open(const Spool *spool, const char *id, int flags, Failure *f)
{
    _cleanup_close_ int fd = -1;
    char name[SPOOL_NAME_MAX];
    struct stat st;
    int r;

    if (!spool_name_format_record(id, name))
        return failure_set(f, -EINVAL, ERROR_SPOOL, "%s: not the id of a message", id);
    fd = spool_open_at(spool, name, flags);
    if (fd < 0) {
        r = fd;
        if (r == -ENOENT)
            return r;
        return failure_set_errno(f, r,
            "%s/%s: cannot open the delivery record; it must be a regular file that user %u can "
            "read and write",
            spool->path, name, geteuid());
    }
    if (fstat(fd, &st) < 0)
        return failure_set_errno(f, -errno, "%s/%s", spool->path, name);
    if (!spool_record_is_trusted(spool, &st))
        return failure_set(f, -EPERM, ERROR_SPOOL,
            "%s/%s: not a delivery record of this queue: it must be a regular file with one link "
            "that belongs to user %u; move it away",
            spool->path, name, spool->owner);
    return TAKE_FD(fd);
}

uint64_t spool_record_birth(int fd, const char *name)
{
    struct statx st;

    if (statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_BTIME, &st) < 0 ||
        !(st.stx_mask & STATX_BTIME))
        return 0;
    return (uint64_t)st.stx_btime.tv_sec * 1000000000u + st.stx_btime.tv_nsec;
}

int spool_record_look(const Spool *spool, const char *id, struct stat *ret)
{
    char name[SPOOL_NAME_MAX];

    if (!spool_name_format_record(id, name))
        return RECORD_NONE;
    if (fstatat(spool->fd, name, ret, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? RECORD_NONE : -errno;
    if (!is_of_this_queue(spool, ret) || spool_id_is_kept(spool, id))
        return RECORD_FOREIGN;
    return ret->st_nlink == 1 ? RECORD_OWN : RECORD_DOUBTFUL;
}

/* The last of the lines in `data` whose event is known; the first one may be the rest of a line. */
static int last_of(const char *data, size_t n, bool whole, RecordEvent *ret, usec_t *ret_next)
{
    while (n > 0) {
        const char *newline = memrchr(data, '\n', n - 1);
        const char *line = newline ? newline + 1 : data;
        size_t length = (size_t)(data + n - line);
        json_t *json;
        int r;

        if (!newline && !whole)
            return 0;
        r = record_line_parse(
            line, length > RECORD_LINE_MAX ? 0 : length - (line[length - 1] == '\n'), ret, &json);
        *ret_next = *ret == RECORD_RETRY ? record_line_time(json, "next") : 0;
        json_decref(json);
        if (r < 0 || *ret > RECORD_UNKNOWN)
            return r;
        n -= length;
    }
    return 0;
}

/* Reads `n` bytes at `offset`, or up to the end. The number, or a negative errno. */
static ssize_t read_at(int fd, char *to, size_t n, off_t offset)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got = pread(fd, to + done, n - done, offset + (off_t)done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* As spool_record_last(), for a record that ends with more of what is no line of ours than is kept
 * in memory. */
static int last_of_all(int fd, RecordEvent *ret, usec_t *ret_next)
{
    _cleanup_(record_scan_done) RecordScan scan = {0};
    int r = record_scan_file(&scan, fd);

    *ret = scan.last;
    *ret_next = scan.history.next;
    return r;
}

int spool_record_last(const Spool *spool, const char *id, RecordEvent *ret, usec_t *ret_next)
{
    _cleanup_close_ int fd = spool_record_open(spool, id, O_RDONLY, NULL);
    struct stat st;

    *ret = RECORD_NOTHING;
    *ret_next = 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return fd < 0 ? fd : -errno;
    for (size_t window = TAIL_BYTES; window <= TAIL_MAX; window *= 8) {
        size_t n = (uint64_t)st.st_size < window ? (size_t)st.st_size : window;
        _cleanup_buffer_ Buffer tail = {0};
        char *to = buffer_reserve(&tail, n);
        ssize_t got = to ? read_at(fd, to, n, st.st_size - (off_t)n) : -ENOMEM;
        bool whole = n == (size_t)st.st_size;
        int r = got < 0 ? (int)got : last_of(to, (size_t)got, whole, ret, ret_next);

        if (r < 0 || whole || *ret > RECORD_UNKNOWN)
            return r;
    }
    return last_of_all(fd, ret, ret_next);
}
