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

bool spool_is_own(const Spool *spool, const struct stat *st)
{
    return st->st_uid == spool->owner || st->st_uid == geteuid() || st->st_uid == 0;
}

static bool is_of_this_queue(const Spool *spool, const struct stat *st)
{
    return S_ISREG(st->st_mode) && spool_is_own(spool, st);
}

/* Of several names one may be a stranger's. */
static bool is_trusted(const Spool *spool, const struct stat *st)
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
    if (!is_trusted(spool, &st))
        return failure_set(f, -EPERM, ERROR_SPOOL,
            "%s/%s: not a delivery record of this queue: it must be a regular file with one link "
            "that belongs to user %u; move it away",
            spool->path, name, spool->owner);
    return TAKE_FD(fd);
}

/* ---- whose it is ---- */

void spool_record_view_done(RecordView *view)
{
    close_p(&view->fd);
}

/* As spool_record_view(), of a file that has been opened. */
static int view_file(const Spool *spool, RecordView *ret)
{
    int r;

    if (fstat(ret->fd, &ret->st) < 0)
        return -errno;
    if (!is_of_this_queue(spool, &ret->st)) {
        close_p(&ret->fd);
        return RECORD_FOREIGN;
    }
    r = file_identity_of_record(ret->fd, &ret->file);
    if (r < 0)
        return r;
    ret->bound = r > 0;
    return RECORD_OWN;
}

int spool_record_view(const Spool *spool, const char *id, RecordView *ret)
{
    char name[SPOOL_NAME_MAX];
    int r;

    *ret = (RecordView){.fd = -1};
    if (!spool_name_format_record(id, name))
        return RECORD_NONE;
    r = spool_stat_at(spool->fd, name, &ret->st);
    if (r == -EXDEV || (r >= 0 && !is_of_this_queue(spool, &ret->st)))
        return RECORD_FOREIGN;
    if (r >= 0)
        r = ret->fd = spool_open_at(spool, name, O_RDONLY);
    if (r < 0)
        return r == -ENOENT ? RECORD_NONE : r;
    return view_file(spool, ret);
}

/* Whether a record that does not say whose it is can be that file's: it is not older than the file.
 * Where the file system does not tell, it can. */
static bool may_own(const FileIdentity *file, const FileIdentity *record)
{
    return file->birth == 0 || record->birth == 0 || file->birth <= record->birth;
}

/* Looks for an owner among the messages of this id but the one in state `except`: the file that the
 * record names, or any whose it can be. 1 with its state, 0, or a negative errno. */
static int find_owner(const Spool *spool, const char *id, SpoolState except, const RecordView *view,
    const FileIdentity *record, SpoolState *ret)
{
    /* Twice: a message may change its state between the looks. */
    for (int i = 0; i < 2 * SPOOL_STATE_MAX; i++) {
        FileIdentity other;
        char name[SPOOL_NAME_MAX];
        int r;

        *ret = (SpoolState)(i % SPOOL_STATE_MAX);
        /* What waits in the queue has no record but one that names it. */
        if (*ret == except || (!view->bound && *ret == SPOOL_QUEUED) ||
            !spool_name_format(id, *ret, name))
            continue;
        r = file_identity_of(spool, spool->fd, name, &other);
        if (r < 0 && r != -ENOENT && r != -EXDEV)
            return r;
        if (r >= 0 &&
            (view->bound ? file_identity_is_same(&other, &view->file) : may_own(&other, record)))
            return 1;
    }
    return 0;
}

int spool_record_judge(const Spool *spool, const char *id, SpoolState state,
    const FileIdentity *own, const RecordView *view)
{
    FileIdentity record = {0};
    SpoolState other;
    int r;

    if (view->bound && file_identity_is_same(own, &view->file))
        return RECORD_OWN;
    r = view->bound ? 0 : file_identity_of(spool, view->fd, "", &record);
    if (r >= 0)
        r = find_owner(spool, id, state, view, &record, &other);
    if (r != 0)
        return r < 0 ? r : RECORD_FOREIGN;
    if (view->bound || !may_own(own, &record))
        return RECORD_ORPHAN;
    return view->st.st_nlink == 1 ? RECORD_OWN : RECORD_DOUBTFUL;
}

int spool_record_find_message(const Spool *spool, const char *id, SpoolState *ret)
{
    _cleanup_(spool_record_view_done) RecordView view = {.fd = -1};
    int r = spool_record_view(spool, id, &view);

    if (r != RECORD_OWN || !view.bound)
        return MIN(r, 0);
    return find_owner(spool, id, SPOOL_STATE_MAX, &view, NULL, ret);
}

int spool_claim_identify(SpoolClaim *claim, SpoolState state)
{
    char name[SPOOL_NAME_MAX] = "";
    int r;

    if (claim->identified)
        return 0;
    if (claim->fd < 0 && !spool_name_format(claim->id, state, name))
        return -ENAMETOOLONG;
    r = file_identity_of(
        claim->spool, claim->fd < 0 ? claim->spool->fd : claim->fd, name, &claim->identity);
    claim->identified = r >= 0;
    return r;
}

int spool_claim_bind(SpoolClaim *claim, Buffer *lines)
{
    int r = spool_claim_identify(claim, SPOOL_SENDING);

    return r < 0 ? r : file_identity_append_line(lines, clock_realtime(), &claim->identity);
}

int spool_record_look(SpoolClaim *claim, const char *id, SpoolState state, RecordView *ret)
{
    int r = spool_record_view(claim->spool, id, ret);

    if (r != RECORD_OWN)
        return r;
    r = spool_claim_identify(claim, state);
    return r < 0 ? r : spool_record_judge(claim->spool, id, state, &claim->identity, ret);
}

/* ---- how it ends ---- */

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

int spool_record_last(int fd, RecordEvent *ret, usec_t *ret_next)
{
    struct stat st;

    *ret = RECORD_NOTHING;
    *ret_next = 0;
    if (fstat(fd, &st) < 0)
        return -errno;
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
