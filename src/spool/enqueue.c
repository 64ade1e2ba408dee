/* Putting a message into a queue directory. Must never show a message that is not complete and on
 * disk, list the directory, or make a message readable for more than its reader needs. */
#include "spool/enqueue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "spool/internal.h"

#define TEMPORARY_PREFIX ".tmp-"
#define RANDOM_CHARACTERS 13 /* 65 bits: in a drop box the name protects as well */
#define BUFFER_BYTES ((size_t)64 * 1024)
#define NAME_TRIES 8

struct SpoolWriter {
    char *path; /* of the directory */
    int directory_fd;
    bool listable; /* the directory is open for reading and can be synced */
    bool foreign;  /* the directory is another user's: that user must be able to read the file */
    gid_t group;   /* of the directory */
    int fd;
    char name[32]; /* of the unfinished file; "" when there is none */
    Buffer pending;
};

static int open_directory(const char *path, bool *ret_listable, Failure *f)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

    *ret_listable = fd >= 0;
    if (fd < 0 && errno == EACCES)
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    r = -errno;
    if (r == -ENOENT || r == -ENOTDIR)
        return failure_set(f, r, ERROR_SPOOL,
            "%s: there is no queue directory of that name; install the daemon, or name the "
            "directory "
            "it watches",
            path);
    return failure_set(
        f, r, ERROR_SPOOL, "%s: cannot open the queue directory: %s", path, strerrordesc_np(-r));
}

static int explain(const char *path, const struct stat *st, int r, Failure *f)
{
    if (r == -EACCES)
        return failure_set(f, r, ERROR_SPOOL,
            "%s: this user (%u) may not put files into the queue directory, which belongs to user "
            "%u, group %u, with mode %04o; become a member of that group, or ask its owner",
            path, geteuid(), st->st_uid, st->st_gid, st->st_mode & 07777);
    return failure_set(f, r, ERROR_SPOOL,
        "%s: cannot create a file in the queue directory: %s; nothing was queued", path,
        strerrordesc_np(-r));
}

static int create_file(SpoolWriter *w)
{
    char random[RANDOM_CHARACTERS + 1];

    for (int tries = 0; tries < NAME_TRIES; tries++) {
        file_random_name(random, RANDOM_CHARACTERS);
        snprintf(w->name, sizeof(w->name), TEMPORARY_PREFIX "%s", random);
        w->fd = openat(w->directory_fd, w->name,
            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
        if (w->fd >= 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    w->name[0] = '\0';
    return -errno;
}

int spool_writer_new(const char *directory, SpoolWriter **ret, Failure *f)
{
    SpoolWriter *w _cleanup_(spool_writer_free_p) = calloc(1, sizeof(*w));
    struct stat st;
    int r;

    if (!w)
        return failure_set_errno(f, -ENOMEM, "%s", directory);
    w->fd = w->directory_fd = -1;
    w->path = strdup(directory);
    if (!w->path)
        return failure_set_errno(f, -ENOMEM, "%s", directory);
    w->directory_fd = open_directory(directory, &w->listable, f);
    if (w->directory_fd < 0)
        return w->directory_fd;
    if (fstat(w->directory_fd, &st) < 0)
        return failure_set_errno(f, -errno, "%s", directory);
    w->foreign = st.st_uid != geteuid();
    w->group = st.st_gid;
    r = create_file(w);
    if (r < 0)
        return explain(directory, &st, r, f);
    *ret = TAKE_PTR(w);
    return 0;
}

static int cannot_write(const SpoolWriter *w, int r, Failure *f)
{
    return failure_set(f, r, ERROR_SPOOL,
        "%s: cannot write the message into the queue directory: %s; nothing was queued", w->path,
        strerrordesc_np(-r));
}

static int flush(SpoolWriter *w, Failure *f)
{
    int r = file_write_all(w->fd, buffer_data(&w->pending), buffer_size(&w->pending));

    buffer_clear(&w->pending);
    return r < 0 ? cannot_write(w, r, f) : 0;
}

int spool_writer_write(SpoolWriter *writer, const void *data, size_t n, Failure *f)
{
    int r = 0;

    if (buffer_size(&writer->pending) + n > BUFFER_BYTES)
        r = flush(writer, f);
    if (r < 0)
        return r;
    if (n > BUFFER_BYTES) {
        r = file_write_all(writer->fd, data, n);
        return r < 0 ? cannot_write(writer, r, f) : 0;
    }
    r = buffer_append(&writer->pending, data, n);
    return r < 0 ? failure_set_errno(f, r, "%s", writer->path) : 0;
}

/* Lets the directory's owner, who is the daemon, read the file: through the default ACL, whose
 * named entry the group bits of the mode limit, or through the directory's group. */
static int open_to_reader(const SpoolWriter *w)
{
    struct stat st;

    if (!w->foreign)
        return 0;
    if (fstat(w->fd, &st) < 0)
        return -errno;
    /* Not allowed to who is no member; then the ACL has to do. */
    if (st.st_gid != w->group && fchown(w->fd, (uid_t)-1, w->group) < 0 && errno != EPERM)
        return -errno;
    return fchmod(w->fd, 0640) < 0 ? -errno : 0;
}

/* Gives the file a name nobody can guess and that sorts by time. */
static int give_name(SpoolWriter *w, char ret_name[static SPOOL_NAME_MAX])
{
    time_t now = (time_t)(clock_realtime() / USEC_PER_SEC);
    char when[24], random[RANDOM_CHARACTERS + 1];
    struct tm utc;
    int r = -EEXIST;

    gmtime_r(&now, &utc);
    strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &utc);
    for (int tries = 0; tries < NAME_TRIES && r == -EEXIST; tries++) {
        file_random_name(random, RANDOM_CHARACTERS);
        snprintf(
            ret_name, SPOOL_NAME_MAX, "%s-%s.%s", when, random, spool_state_name(SPOOL_QUEUED));
        r = spool_rename(w->directory_fd, w->name, ret_name);
    }
    return r;
}

/* The writing descriptor is closed before the file is shown, for the daemon leaves alone what is
 * open for writing. The name is synced through the directory, or, where that cannot be read,
 * through the file: journaling file systems write a rename out with the file it changed. */
static int publish(SpoolWriter *w, bool sync_directory, char ret_name[static SPOOL_NAME_MAX])
{
    _cleanup_close_ int reader = -1;
    int r;

    if (sync_directory && !w->listable) {
        reader = openat(w->directory_fd, w->name, O_RDONLY | SPOOL_OPEN_FLAGS);
        if (reader < 0)
            return -errno;
    }
    if (close(TAKE_FD(w->fd)) < 0)
        return -errno;
    r = give_name(w, ret_name);
    if (r < 0)
        return r;
    w->name[0] = '\0';
    if (sync_directory)
        r = file_sync(w->listable ? w->directory_fd : reader);
    /* Not certain to stay, so it must go; unless the daemon was quicker, who has it now. */
    if (r < 0 && unlinkat(w->directory_fd, ret_name, 0) < 0 && errno == ENOENT)
        r = 0;
    return r;
}

int spool_writer_commit(SpoolWriter *writer, bool sync_directory, char **ret_path, Failure *f)
{
    SpoolWriter *w _cleanup_(spool_writer_free_p) = writer;
    char name[SPOOL_NAME_MAX], *path = malloc(strlen(w->path) + 1 + SPOOL_NAME_MAX);
    int r;

    if (!path)
        return failure_set_errno(f, -ENOMEM, "%s", w->path);
    r = flush(w, f);
    if (r >= 0) {
        r = open_to_reader(w);
        if (r >= 0)
            r = file_sync(w->fd);
        if (r >= 0)
            r = publish(w, sync_directory, name);
        if (r < 0)
            (void)cannot_write(w, r, f);
    }
    if (r < 0) {
        free(path);
        return r;
    }
    sprintf(path, "%s/%s", w->path, name);
    *ret_path = path;
    return 0;
}

void spool_writer_free(SpoolWriter *writer)
{
    if (!writer)
        return;
    if (writer->name[0])
        (void)unlinkat(writer->directory_fd, writer->name, 0);
    close_p(&writer->fd);
    close_p(&writer->directory_fd);
    buffer_done(&writer->pending);
    free(writer->path);
    free(writer);
}

/* Without the right to read the directory, all of its file system is synced, through a file that is
 * made for it. */
static int sync_file_system(SpoolWriter *w)
{
    int r = create_file(w);

    if (r < 0)
        return r;
    return syncfs(w->fd) < 0 ? -errno : 0;
}

int spool_sync_directory(const char *directory, Failure *f)
{
    SpoolWriter w = {.fd = -1, .directory_fd = -1};
    int r;

    w.directory_fd = open_directory(directory, &w.listable, f);
    if (w.directory_fd < 0)
        return w.directory_fd;
    r = w.listable ? file_sync(w.directory_fd) : sync_file_system(&w);
    if (r < 0)
        (void)failure_set(f, r, ERROR_SPOOL,
            "%s: cannot bring the queue directory to the disk: %s; what was queued may be lost "
            "when "
            "the machine stops",
            directory, strerrordesc_np(-r));
    if (w.name[0])
        (void)unlinkat(w.directory_fd, w.name, 0);
    close_p(&w.fd);
    close_p(&w.directory_fd);
    return r;
}
