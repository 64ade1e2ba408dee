/* Writing a record: lines of JSON, appended and made durable. Must never change what is in a record
 * already, nor write into a file that is not known to be one. */
#include "spool/record.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "spool/internal.h"

#define RECORD_MODE 0640

/* ---- lines ---- */

/* Length of the well-formed UTF-8 character at `s` (at most `n` bytes), or 0. */
static size_t character(const char *s, size_t n)
{
    for (size_t length = 1; length <= 4 && length <= n; length++)
        if (text_is_utf8(s, length))
            return length;
    return 0;
}

/* The text as a JSON string: always valid, whatever the bytes were. */
static int append_string(Buffer *b, const char *text)
{
    size_t n = strlen(text), length;
    int r = buffer_append(b, "\"", 1);

    for (; n > 0 && r >= 0; text += length, n -= length) {
        length = character(text, n);
        if (length == 0) {
            length = 1;
            r = buffer_append_string(b, "\xef\xbf\xbd"); /* U+FFFD */
        } else if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            r = buffer_appendf(b, "\\u%04x", (unsigned)(unsigned char)*text);
        } else {
            if (*text == '"' || *text == '\\')
                r = buffer_append(b, "\\", 1);
            if (r >= 0)
                r = buffer_append(b, text, length);
        }
    }
    return r < 0 ? r : buffer_append(b, "\"", 1);
}

/* `,"NAME":"VALUE"`; nothing for NULL. */
static int append_member(Buffer *b, const char *name, const char *value)
{
    int r;

    if (!value)
        return 0;
    r = buffer_appendf(b, ",\"%s\":", name);
    return r < 0 ? r : append_string(b, value);
}

static int append_start(Buffer *b, usec_t now, const char *event)
{
    char time[RFC3339_MAX];

    return buffer_appendf(
        b, "{\"time\":\"%s\",\"event\":\"%s\"", clock_format_rfc3339(now, time), event);
}

/* Ends the line, or takes back what was written of it when memory was short for some part. */
static int finish(Buffer *b, size_t size_before, int r)
{
    if (r >= 0)
        r = buffer_append(b, "}\n", 2);
    if (r < 0)
        b->end -= buffer_size(b) - size_before;
    return r;
}

int spool_record_outcome(Buffer *lines, usec_t now, const char *recipient, unsigned attempt,
    const DeliveryOutcome *outcome, const SpoolVia *via)
{
    DeliveryKind kind = outcome->kind == DELIVERY_CUT_OFF ? DELIVERY_DEFERRED : outcome->kind;
    size_t before = buffer_size(lines);
    int r = append_start(lines, now, delivery_kind_name(kind));

    if (r >= 0)
        r = append_member(lines, "recipient", recipient);
    if (r >= 0)
        r = buffer_appendf(lines, ",\"attempt\":%u,\"code\":%d", attempt, outcome->code);
    if (r >= 0)
        r = append_member(lines, "enhanced", outcome->enhanced);
    if (r >= 0)
        r = append_member(lines, "stage", delivery_stage_name(outcome->stage));
    if (r >= 0)
        r = append_member(lines, "text", outcome->text);
    if (r >= 0)
        r = append_member(lines, "relay", via->relay);
    if (r >= 0)
        r = append_member(lines, "address", via->address);
    if (r >= 0)
        r = append_member(lines, "tls", via->tls);
    return finish(lines, before, r);
}

int spool_record_retry(Buffer *lines, usec_t now, unsigned attempt, usec_t next)
{
    size_t before = buffer_size(lines);
    char time[RFC3339_MAX];
    int r = append_start(lines, now, "retry");

    if (r >= 0)
        r = buffer_appendf(lines, ",\"attempt\":%u", attempt);
    if (r >= 0)
        r = append_member(lines, "next", clock_format_rfc3339(next, time));
    return finish(lines, before, r);
}

int spool_record_sent(Buffer *lines, usec_t now)
{
    size_t before = buffer_size(lines);

    return finish(lines, before, append_start(lines, now, "sent"));
}

int spool_record_failed(Buffer *lines, usec_t now, int error, const char *text)
{
    size_t before = buffer_size(lines);
    int r = append_start(lines, now, "failed");

    if (r >= 0)
        r = buffer_appendf(lines, ",\"error\":%d", error);
    if (r >= 0)
        r = append_member(lines, "text", text);
    return finish(lines, before, r);
}

/* ---- the file ---- */

bool spool_record_is_trusted(const Spool *spool, const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_nlink == 1 &&
           (st->st_uid == spool->owner || st->st_uid == geteuid() || st->st_uid == 0);
}

int spool_record_open(const Spool *spool, const char *id, int flags, Failure *f)
{
    _cleanup_close_ int fd = -1;
    char name[SPOOL_NAME_MAX];
    struct stat st;
    int r;

    if (!spool_name_format_record(id, name))
        return failure_set(f, -EINVAL, ERROR_SPOOL, "%s: not the id of a message", id);
    fd = openat(spool->fd, name, flags | SPOOL_OPEN_FLAGS);
    if (fd < 0) {
        r = -errno;
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

int spool_record_look(const Spool *spool, const char *id)
{
    char name[SPOOL_NAME_MAX];
    struct stat st;

    if (!spool_name_format_record(id, name))
        return RECORD_NONE;
    if (fstatat(spool->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? RECORD_NONE : -errno;
    return spool_record_is_trusted(spool, &st) && !spool_id_is_kept(spool, id) ? RECORD_OWN
                                                                               : RECORD_FOREIGN;
}

/* Creates the record under the claim's id, or under a new one when another message or a stranger's
 * file uses the id's names. A descriptor or a negative errno with a Failure. */
static int create_record(SpoolClaim *claim, Failure *f)
{
    Spool *spool = claim->spool;
    char name[SPOOL_NAME_MAX];
    int r = spool_id_is_kept(spool, claim->id) ? -EEXIST : 0, fd;

    for (int tries = 0; tries < 8; tries++) {
        if (r == -EEXIST) /* not one of its own: nothing comes along */
            r = spool_claim_change_id(claim, SPOOL_SENDING, SPOOL_SENDING);
        if (r < 0)
            break;
        if (!spool_name_format_record(claim->id, name))
            return failure_set(f, -ENAMETOOLONG, ERROR_SPOOL, "%s: the id is too long", claim->id);
        fd = openat(
            spool->fd, name, O_RDWR | O_APPEND | O_CREAT | O_EXCL | SPOOL_OPEN_FLAGS, RECORD_MODE);
        if (fd >= 0) {
            /* Root leaves records that the daemon, who owns the directory, can go on with. */
            if (geteuid() == 0 && spool->owner != 0 && fchown(fd, spool->owner, spool->group) < 0)
                r = -errno;
            if (r >= 0)
                return fd;
            (void)close(fd);
            break;
        }
        r = -errno;
        if (r != -EEXIST)
            break;
    }
    return failure_set_errno(f, r,
        "%s/%s.status: cannot create the delivery record; see that the "
        "directory can be written and has room",
        spool->path, claim->id);
}

/* All in one write, so that no other line gets between; a torn line in front is ended first. */
static int write_lines(int fd, const Buffer *lines)
{
    struct iovec parts[2] = {{.iov_base = (char[]){'\n'}, .iov_len = 0},
        {.iov_base = (char *)buffer_data(lines), .iov_len = buffer_size(lines)}};
    struct stat st;
    char last = '\n';
    ssize_t written;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) < 0)
        return -errno;
    parts[0].iov_len = last == '\n' ? 0 : 1;
    do
        written = writev(fd, parts, 2);
    while (written < 0 && errno == EINTR);
    if (written < 0)
        return -errno;
    /* What is missing did not fit. The torn line is ended by who appends next. */
    return (size_t)written < parts[0].iov_len + parts[1].iov_len ? -ENOSPC : 0;
}

int spool_record_append(SpoolClaim *claim, const Buffer *lines, Failure *f)
{
    bool create = !claim->has_record;
    _cleanup_close_ int fd = -1;
    int r;

    if (!create) {
        fd = spool_record_open(claim->spool, claim->id, O_RDWR | O_APPEND, f);
        create = fd == -ENOENT; /* an operator removed it meanwhile */
    }
    if (create)
        fd = create_record(claim, f);
    if (fd < 0)
        return fd;
    claim->has_record = true;
    r = write_lines(fd, lines);
    if (r >= 0)
        r = fdatasync(fd) < 0 ? -errno : 0;
    if (r >= 0 && create)
        r = file_sync(claim->spool->fd);
    return r < 0 ? failure_set_errno(f, r,
                       "%s/%s.status: cannot write the delivery record; see that the file system "
                       "has room and works",
                       claim->spool->path, claim->id)
                 : 0;
}
