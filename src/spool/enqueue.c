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
#include "spool/submitter.h"

#define RANDOM_CHARACTERS 13 /* 65 bits: in a drop box the name protects as well */
#define BUFFER_BYTES ((size_t)64 * 1024)
#define NAME_TRIES 8

/* More files than these are synced with their whole file system, which then is quicker. */
#define SYNC_EACH_MAX 8

/* The queue directory, shared by the writers of a batch. */
typedef struct Target {
    unsigned references;
    char *path;
    int fd;
    bool listable; /* open for reading, so that it can be synced */
    bool foreign;  /* another user's, who must be able to read the file */
    uid_t owner;
    gid_t group;
} Target;

struct SpoolWriter {
    Target *target;
    int fd;        /* of the file; once it is closed, for reading where the directory cannot be */
    char name[32]; /* of the unfinished file; "" when there is none */
    char queued[SPOOL_NAME_MAX];
    bool submitted; /* for another user, whom its first line names */
    int error;      /* what befell this one of several; 0: nothing so far */
    Buffer pending;
};

static Target *target_unref(Target *target)
{
    if (!target || --target->references > 0)
        return NULL;
    close_p(&target->fd);
    free(target->path);
    free(target);
    return NULL;
}

static inline void target_unref_p(Target **target)
{
    (void)target_unref(*target);
}

/* What everything else would meet with, too, is no fault of the directory's: it is to be tried
 * again. */
static int number_of(int error)
{
    return error_is_common(error) || error == -EACCES ? error_from_errno(error) : ERROR_SPOOL;
}

static int open_directory(const char *path, bool *ret_listable, Failure *f)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *ret_listable = fd >= 0;
    if (fd < 0 && errno == EACCES)
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    return spool_fail_open(path, -errno, f);
}

static int target_new(const char *path, Target **ret, struct stat *ret_stat, Failure *f)
{
    Target *target _cleanup_(target_unref_p) = calloc(1, sizeof(*target));

    if (!target)
        return failure_set_errno(f, -ENOMEM, "%s", path);
    target->references = 1;
    target->fd = -1;
    target->path = strdup(path);
    if (!target->path)
        return failure_set_errno(f, -ENOMEM, "%s", path);
    target->fd = open_directory(path, &target->listable, f);
    if (target->fd < 0)
        return target->fd;
    if (fstat(target->fd, ret_stat) < 0)
        return failure_set_errno(f, -errno, "%s", path);
    target->foreign = ret_stat->st_uid != geteuid();
    target->owner = ret_stat->st_uid;
    target->group = ret_stat->st_gid;
    *ret = TAKE_PTR(target);
    return 0;
}

static int explain(const char *path, const struct stat *st, int r, Failure *f)
{
    if (r == -EACCES)
        return failure_set(f, r, number_of(r),
            "%s: this user (%u) may not put files into the queue directory, which belongs to user "
            "%u, group %u, with mode %04o; %s",
            path, geteuid(), st->st_uid, st->st_gid, st->st_mode & 07777,
            (st->st_mode & 0030) == 0030
                ? "become a member of that group, or ask its owner"
                : "that group may not either: queue as that user, or ask it to let the group");
    return failure_set(f, r, number_of(r),
        "%s: cannot create a file in the queue directory: %s; nothing was queued", path,
        strerrordesc_np(-r));
}

static int create_file(SpoolWriter *w)
{
    char random[RANDOM_CHARACTERS + 1];

    for (int tries = 0; tries < NAME_TRIES; tries++) {
        file_random_name(random, RANDOM_CHARACTERS);
        snprintf(w->name, sizeof(w->name), SPOOL_TEMPORARY_PREFIX "%s", random);
        w->fd = openat(w->target->fd, w->name,
            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
        if (w->fd >= 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    w->name[0] = '\0';
    return -errno;
}

/* Takes over the reference to the target. */
static int writer_new(Target *target, SpoolWriter **ret)
{
    SpoolWriter *w _cleanup_(spool_writer_free_p) = calloc(1, sizeof(*w));
    int r;

    if (!w) {
        (void)target_unref(target);
        return -ENOMEM;
    }
    w->target = target;
    w->fd = -1;
    r = create_file(w);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(w);
    return 0;
}

int spool_writer_new(const char *directory, SpoolWriter **ret, Failure *f)
{
    struct stat st = {0};
    Target *target = NULL;
    int r = target_new(directory, &target, &st, f);

    if (r < 0)
        return r;
    r = writer_new(target, ret);
    return r < 0 ? explain(directory, &st, r, f) : 0;
}

int spool_writer_new_beside(SpoolWriter *other, SpoolWriter **ret, Failure *f)
{
    Target *target = other->target;
    int r;

    target->references++;
    r = writer_new(target, ret);
    return r < 0 ? failure_set(f, r, number_of(r),
                       "%s: cannot create another file in the queue directory: %s", target->path,
                       strerrordesc_np(-r))
                 : 0;
}

static int cannot_write(const SpoolWriter *w, int r, Failure *f)
{
    return failure_set(f, r, number_of(r),
        "%s: cannot write the message into the queue directory: %s; nothing was queued",
        w->target->path, strerrordesc_np(-r));
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
    return r < 0 ? failure_set_errno(f, r, "%s", writer->target->path) : 0;
}

int spool_writer_submit(SpoolWriter *writer, uid_t user, Failure *f)
{
    char line[SPOOL_SUBMITTER_MAX];
    size_t n = spool_submitter_format(user, line);

    writer->submitted = true;
    return spool_writer_write(writer, line, n, f);
}

/* The mode is half of the mark; root, who writes for the directory's owner, gives him the file. */
static int mark_submitted(const SpoolWriter *w)
{
    if (w->target->foreign && geteuid() == 0 &&
        fchown(w->fd, w->target->owner, w->target->group) < 0)
        return -errno;
    return fchmod(w->fd, SPOOL_SUBMITTED_MODE) < 0 ? -errno : 0;
}

/* Lets the directory's owner, who is the daemon, read the file: through the default ACL, whose
 * named entry the group bits of the mode limit, or through the directory's group. */
static int open_to_reader(const SpoolWriter *w)
{
    struct stat st;

    if (!w->target->foreign)
        return 0;
    if (fstat(w->fd, &st) < 0)
        return -errno;
    /* Not allowed to who is no member; then the ACL has to do. */
    if (st.st_gid != w->target->group && fchown(w->fd, (uid_t)-1, w->target->group) < 0 &&
        errno != EPERM)
        return -errno;
    return fchmod(w->fd, 0640) < 0 ? -errno : 0;
}

int spool_name_anew(int directory_fd, const char *from, char ret[static SPOOL_NAME_MAX])
{
    time_t now = (time_t)(clock_realtime() / USEC_PER_SEC);
    char random[RANDOM_CHARACTERS + 1];
    struct tm utc;
    int r = -EEXIST;

    gmtime_r(&now, &utc);
    for (int tries = 0; tries < NAME_TRIES && r == -EEXIST; tries++) {
        file_random_name(random, RANDOM_CHARACTERS);
        snprintf(ret, SPOOL_NAME_MAX, "%04d%02d%02dT%02d%02d%02d-%s.%s", utc.tm_year + 1900,
            utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, random,
            spool_state_name(SPOOL_QUEUED));
        r = spool_rename_fresh(directory_fd, from, ret);
    }
    return r;
}

/* The writing descriptor is closed before the file is shown, for the daemon leaves alone what is
 * open for writing. Where the directory cannot be read, another stays open, to sync the name by. */
static int publish(SpoolWriter *w)
{
    _cleanup_close_ int reader = -1;
    int r;

    if (!w->target->listable) {
        reader = openat(w->target->fd, w->name, O_RDONLY | SPOOL_OPEN_FLAGS);
        if (reader < 0)
            return -errno;
    }
    if (close(TAKE_FD(w->fd)) < 0)
        return -errno;
    r = spool_name_anew(w->target->fd, w->name, w->queued);
    if (r < 0)
        return r;
    w->name[0] = '\0';
    w->fd = TAKE_FD(reader);
    return 0;
}

/* Brings to the disk what the writers have open: the content, or, through a file that was renamed,
 * its name, which journaling file systems write out with it. */
static void sync_files(SpoolWriter **writers, size_t n)
{
    bool together = n > SYNC_EACH_MAX, done = false;
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        SpoolWriter *w = writers[i];

        if (w->error < 0)
            continue;
        if (together && !done)
            r = syncfs(w->fd) < 0 ? -errno : 0;
        done = true;
        w->error = together ? r : file_sync(w->fd);
    }
}

static bool is_published(const SpoolWriter *w)
{
    return w->name[0] == '\0';
}

/* The names. What is not certain to stay must go; unless the daemon was quicker, who has it now. */
static void sync_names(SpoolWriter **writers, size_t n)
{
    const Target *target = writers[0]->target;
    int r = 0;

    if (target->listable)
        r = file_sync(target->fd);
    else
        sync_files(writers, n);
    for (size_t i = 0; i < n; i++) {
        SpoolWriter *w = writers[i];

        if (w->error == 0)
            w->error = r;
        if (w->error < 0 && is_published(w) && unlinkat(target->fd, w->queued, 0) < 0 &&
            errno == ENOENT)
            w->error = 0;
    }
}

int spool_writer_finish(SpoolWriter *writer, Failure *f)
{
    int r = flush(writer, f);

    buffer_done(&writer->pending);
    if (r < 0)
        return r;
    r = writer->submitted ? mark_submitted(writer) : open_to_reader(writer);
    return r < 0 ? cannot_write(writer, r, f) : 0;
}

int spool_writer_commit_all(
    SpoolWriter **writers, size_t n, char **ret_paths, Failure *ret_failures)
{
    int result = 0;

    for (size_t i = 0; i < n; i++) {
        ret_paths[i] = malloc(strlen(writers[i]->target->path) + 1 + SPOOL_NAME_MAX);
        writers[i]->error = ret_paths[i] ? 0 : -ENOMEM;
    }
    sync_files(writers, n);
    for (size_t i = 0; i < n; i++)
        if (writers[i]->error == 0)
            writers[i]->error = publish(writers[i]);
    if (n > 0)
        sync_names(writers, n);
    for (size_t i = 0; i < n; i++) {
        SpoolWriter *w _cleanup_(spool_writer_free_p) = writers[i];

        if (w->error == 0) {
            sprintf(ret_paths[i], "%s/%s", w->target->path, w->queued);
            continue;
        }
        result = cannot_write(w, w->error, ret_failures ? &ret_failures[i] : NULL);
        free_p(&ret_paths[i]);
        ret_paths[i] = NULL;
    }
    return result;
}

int spool_writer_commit(SpoolWriter *writer, char **ret_path, Failure *f)
{
    int r = spool_writer_finish(writer, f);

    if (r < 0) {
        spool_writer_free(writer);
        return r;
    }
    return spool_writer_commit_all(&writer, 1, ret_path, f);
}

int spool_writer_stage(SpoolWriter *writer, const char *name, Failure *f)
{
    SpoolWriter *w _cleanup_(spool_writer_free_p) = writer;
    int r = spool_writer_finish(w, f);

    if (r < 0)
        return r;
    r = file_sync(w->fd);
    if (r >= 0 && close(TAKE_FD(w->fd)) < 0)
        r = -errno;
    if (r >= 0)
        r = spool_rename_fresh(w->target->fd, w->name, name);
    if (r < 0)
        return cannot_write(w, r, f);
    w->name[0] = '\0';
    return 0;
}

void spool_writer_free(SpoolWriter *writer)
{
    if (!writer)
        return;
    if (writer->name[0])
        (void)unlinkat(writer->target->fd, writer->name, 0);
    close_p(&writer->fd);
    buffer_done(&writer->pending);
    (void)target_unref(writer->target);
    free(writer);
}
