/* Names of messages that change hands. Must never remove a message that is not somebody else's by
 * then. */
#include "spool/moved.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "spool/internal.h"

#define LOCK_NAME ".moving"

int spool_moving_lock(const Spool *spool, Failure *f)
{
    _cleanup_close_ int fd =
        openat(spool->fd, LOCK_NAME, O_RDWR | O_CREAT | SPOOL_OPEN_FLAGS, 0600);

    if (fd < 0)
        return failure_set_errno(f, -errno, "%s/" LOCK_NAME ": cannot open it", spool->path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? failure_set(f, -EBUSY, ERROR_WOULD_BLOCK,
                         "another process is moving messages from or to %s: wait until it is done",
                         spool->path)
                   : failure_set_errno(f, -errno, "%s/" LOCK_NAME ": cannot lock it", spool->path);
    return TAKE_FD(fd);
}

static void name_of(const char *prefix, const char *mark, char ret[static SPOOL_NAME_MAX])
{
    (void)snprintf(ret, SPOOL_NAME_MAX, "%s%s", prefix, mark);
}

static int cannot(const Spool *spool, int r, const char *name, const char *what, Failure *f)
{
    return failure_set_errno(f, r, "%s/%s: cannot %s it", spool->path, name, what);
}

/* Whether that name is the open file's. 0, -ENOENT, or another negative errno. */
static int check_name(const Spool *spool, const char *name, int fd)
{
    struct stat st, named;
    int r = spool_stat_at(spool->fd, name, &named);

    if (r < 0)
        return r;
    if (fstat(fd, &st) < 0)
        return -errno;
    return st.st_dev == named.st_dev && st.st_ino == named.st_ino ? 0 : -ENOENT;
}

/* ---- going ---- */

int spool_give(
    const Spool *spool, const char *id, SpoolState state, int fd, const char *mark, Failure *f)
{
    char from[SPOOL_NAME_MAX], to[SPOOL_NAME_MAX];
    int r = spool_name_format(id, state, from) ? check_name(spool, from, fd) : -ENOENT;

    name_of(SPOOL_GIVEN_PREFIX, mark, to);
    if (r >= 0)
        r = spool_rename(spool->fd, from, to);
    if (r >= 0 && check_name(spool, to, fd) < 0) { /* another had come under its name */
        (void)spool_rename(spool->fd, to, from);
        r = -ENOENT;
    }
    if (r >= 0)
        r = file_sync(spool->fd);
    return r == -ENOENT ? failure_set(f, r, ERROR_FILE, "%s/%s is gone", spool->path, from)
           : r < 0      ? cannot(spool, r, from, "rename", f)
                        : 0;
}

/* The record that names that file, which `name` is one of the names of. 1, 0, or a negative errno.
 */
static int has_record(const Spool *spool, const char *name, const char *id)
{
    _cleanup_(spool_record_view_done) RecordView view = {.fd = -1};
    FileIdentity file;
    int r = spool_record_view(spool, id, &view);

    if (r != RECORD_OWN)
        return MIN(r, 0);
    r = file_identity_of(spool, spool->fd, name, &file);
    return r < 0 ? r : view.bound && file_identity_is_same(&view.file, &file);
}

static int remove_with_record(const Spool *spool, const char *name, const char *id, Failure *f)
{
    int r = has_record(spool, name, id);

    if (r > 0)
        r = spool_unlink_record(spool, id, f);
    if (r < 0 && r != -ENOENT)
        return f && f->text ? r : cannot(spool, r, name, "remove the record of", f);
    if (unlinkat(spool->fd, name, 0) < 0 && errno != ENOENT)
        return cannot(spool, -errno, name, "remove", f);
    return 0;
}

int spool_given_stat(const Spool *spool, const char *mark, struct stat *ret, Failure *f)
{
    char name[SPOOL_NAME_MAX];
    int r;

    name_of(SPOOL_GIVEN_PREFIX, mark, name);
    r = spool_stat_at(spool->fd, name, ret);
    return r < 0 ? cannot(spool, r, name, "look at", f) : 0;
}

int spool_given_remove(const Spool *spool, const char *mark, const char *id, Failure *f)
{
    char name[SPOOL_NAME_MAX];

    name_of(SPOOL_GIVEN_PREFIX, mark, name);
    return remove_with_record(spool, name, id, f);
}

/* ---- coming ---- */

int spool_coming_drop(const Spool *spool, const char *mark, const char *id, Failure *f)
{
    char name[SPOOL_NAME_MAX];
    SpoolState state;
    int r = spool_find(spool, id, &state);

    name_of(SPOOL_COMING_PREFIX, mark, name);
    if (r == 0)
        return failure_set(f, -EEXIST, ERROR_FILE,
            "%s/%s.%s has the name that the message is to have: rename it first", spool->path, id,
            spool_state_name(state));
    if (r != -ENOENT)
        return cannot(spool, r, id, "look for", f);
    return remove_with_record(spool, name, id, f);
}

int spool_coming_date(const Spool *spool, const char *mark, usec_t queued, Failure *f)
{
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)(queued / USEC_PER_SEC),
                                     .tv_nsec = (long)(queued % USEC_PER_SEC) * 1000}};
    char name[SPOOL_NAME_MAX];
    int r;

    name_of(SPOOL_COMING_PREFIX, mark, name);
    if (utimensat(spool->fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return cannot(spool, -errno, name, "set the time of", f);
    r = file_sync(spool->fd); /* its name is on disk before it is deleted elsewhere */
    return r < 0 ? cannot(spool, r, name, "sync", f) : 0;
}

static int fill_record(
    const Spool *spool, int fd, const char *message, const Buffer *lines, usec_t next)
{
    _cleanup_buffer_ Buffer all = {0};
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
        {.tv_sec = (time_t)(next / USEC_PER_SEC), .tv_nsec = (long)(next % USEC_PER_SEC) * 1000}};
    FileIdentity file;
    int r = file_identity_of(spool, spool->fd, message, &file);

    if (r >= 0)
        r = file_identity_append_line(&all, clock_realtime(), &file);
    if (r >= 0)
        r = buffer_append(&all, buffer_data(lines), buffer_size(lines));
    if (r >= 0)
        r = file_write_all(fd, buffer_data(&all), buffer_size(&all));
    if (r >= 0 && next > 0 && futimens(fd, times) < 0)
        r = -errno;
    return r < 0 ? r : file_sync(fd);
}

int spool_coming_record(const Spool *spool, const char *mark, const char *id, const Buffer *lines,
    usec_t next, Failure *f)
{
    char message[SPOOL_NAME_MAX], record[SPOOL_NAME_MAX];
    _cleanup_close_ int fd = -1;
    int r;

    name_of(SPOOL_COMING_PREFIX, mark, message);
    if (!spool_name_format_record(id, record))
        return failure_set(f, -ENAMETOOLONG, ERROR_FILE, "%s is too long for an id", id);
    fd = spool_record_create(spool, record);
    if (fd == -EEXIST && unlinkat(spool->fd, record, 0) == 0) /* begun by one that died then */
        fd = spool_record_create(spool, record);
    if (fd < 0)
        return cannot(spool, fd, record, "create", f);
    r = fill_record(spool, fd, message, lines, next);
    if (r >= 0)
        r = file_sync(spool->fd);
    if (r < 0)
        (void)unlinkat(spool->fd, record, 0);
    return r < 0 ? cannot(spool, r, record, "write", f) : 0;
}

int spool_coming_arrive(
    const Spool *spool, const char *mark, const char *id, SpoolState state, Failure *f)
{
    char from[SPOOL_NAME_MAX], to[SPOOL_NAME_MAX];
    int r;

    name_of(SPOOL_COMING_PREFIX, mark, from);
    if (!spool_name_format(id, state, to))
        return failure_set(f, -ENAMETOOLONG, ERROR_FILE, "%s is too long for an id", id);
    r = spool_rename(spool->fd, from, to);
    if (r >= 0)
        r = file_sync(spool->fd);
    return r < 0
               ? failure_set_errno(f, r,
                     "%s/%s: cannot be called %s; it is in no other queue any more: make room for "
                     "that name, and move again",
                     spool->path, from, to)
               : 0;
}

/* ---- what there is ---- */

int spool_moved_each(
    const Spool *spool, const char *prefix, int (*visit)(void *user, const char *rest), void *user)
{
    const struct dirent *entry;
    DIR *stream;
    int r = file_open_entries(spool->fd, &stream);

    if (r < 0)
        return r;
    while (r == 0 && (errno = 0, entry = readdir(stream)))
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
            r = visit(user, entry->d_name + strlen(prefix));
    if (r == 0)
        r = -errno;
    (void)closedir(stream);
    return r;
}
