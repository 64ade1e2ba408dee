/* The queue directory as a whole: opening it, and looking into it.
 * Must never read a message or change one's state by itself. */
#include "spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "spool/internal.h"
#include "spool/notice.h"
#include "spool/submitter.h"

#define AHEAD_BYTES (64 * 1024) /* a usual message whole */

struct SpoolScan {
    const Spool *spool;
    DIR *stream;
    char id[SPOOL_NAME_MAX];
};

usec_t spool_file_time(const struct timespec *t)
{
    return t->tv_sec < 0 ? 0 : (usec_t)t->tv_sec * USEC_PER_SEC + (usec_t)t->tv_nsec / 1000;
}

static int check_access(const Spool *spool, const struct stat *st, Failure *f)
{
    uid_t self = geteuid();

    if (faccessat(spool->fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0) {
        int r = -errno;

        if (r == -EACCES)
            return failure_set(f, r, error_from_errno(r),
                "%s: this process (user %u) may not list, create and delete in the queue "
                "directory, which belongs to user %u with mode %04o; run as that user, or as root",
                spool->path, self, st->st_uid, st->st_mode & 07777);
        return failure_set(f, r, ERROR_SPOOL,
            "%s: cannot write to the queue directory: %s; mount its file system for writing, or "
            "choose another directory",
            spool->path, strerrordesc_np(-r));
    }
    if ((st->st_mode & S_IWOTH) && !(st->st_mode & S_ISVTX))
        return failure_set(f, -EPERM, ERROR_SPOOL,
            "%s: everybody may rename and delete the messages in the queue directory (mode %04o); "
            "protect them: chmod +t %s, or chmod o-w %s",
            spool->path, st->st_mode & 07777, spool->path, spool->path);
    if ((st->st_mode & S_ISVTX) && self != 0 && self != st->st_uid)
        return failure_set(f, -EPERM, error_from_errno(EACCES),
            "%s: the queue directory is sticky and belongs to user %u, so this process (user %u) "
            "cannot rename what others put there; run as that user, or as root",
            spool->path, st->st_uid, self);
    return 0;
}

/* Never "chown": most of those who read this are not to have the queue, and the daemon would lose
 * it.
 */
static int no_access(const char *path, Failure *f)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return failure_set(f, -EACCES, error_from_errno(EACCES),
            "%s: this process (user %u) may not enter a directory above the queue directory; run "
            "as a user who may, or as root; `namei -l %s` shows which it is",
            path, geteuid(), path);
    return failure_set(f, -EACCES, error_from_errno(EACCES),
        "%s: this process (user %u) may not list the queue directory, which belongs to user %u "
        "with mode %04o; run as that user, or as root (who may queue sees no list)",
        path, geteuid(), st.st_uid, st.st_mode & 07777);
}

static int open_directory(const char *path, Failure *f)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = -errno;

    if (fd >= 0)
        return fd;
    return r == -EACCES ? no_access(path, f) : spool_fail_open(path, r, f);
}

/* Who may list and not enter sees names and no message. */
static int check_access_to_read(const Spool *spool, const struct stat *st, Failure *f)
{
    if (faccessat(spool->fd, ".", R_OK | X_OK, AT_EACCESS) == 0)
        return 0;
    return failure_set(f, -errno, errno == EACCES ? error_from_errno(EACCES) : ERROR_SPOOL,
        "%s: this process (user %u) may not look into the queue directory, which belongs to user "
        "%u with mode %04o; run as that user, or as root",
        spool->path, geteuid(), st->st_uid, st->st_mode & 07777);
}

static int open_spool(const char *path, bool reading, Spool **ret, Failure *f)
{
    Spool *spool _cleanup_(spool_free_p) = calloc(1, sizeof(*spool));
    struct statfs fs;
    struct stat st;
    int r;

    if (!spool)
        return failure_set_errno(f, -ENOMEM, "%s", path);
    spool->fd = -1;
    hash_key_init(&spool->key);
    spool->path = strdup(path);
    if (!spool->path)
        return failure_set_errno(f, -ENOMEM, "%s", path);
    spool->fd = open_directory(path, f);
    if (spool->fd < 0)
        return spool->fd;
    if (fstat(spool->fd, &st) < 0)
        return failure_set_errno(f, -errno, "%s", path);
    r = reading ? check_access_to_read(spool, &st, f) : check_access(spool, &st, f);
    if (r < 0)
        return r;
    spool->device = st.st_dev;
    spool->inode = st.st_ino;
    spool->owner = st.st_uid;
    spool->group = st.st_gid;
    spool->forgets_inodes = fstatfs(spool->fd, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC;
    *ret = TAKE_PTR(spool);
    return 0;
}

int spool_open(const char *path, Spool **ret, Failure *f)
{
    return open_spool(path, false, ret, f);
}

int spool_open_to_read(const char *path, Spool **ret, Failure *f)
{
    return open_spool(path, true, ret, f);
}

void spool_free(Spool *spool)
{
    if (!spool)
        return;
    closer_free(spool->closer);
    close_p(&spool->fd);
    free(spool->path);
    free(spool);
}

int spool_use_worker(Spool *spool, Worker *worker)
{
    closer_free(spool->closer);
    spool->closer = NULL;
    return closer_new(worker, &spool->closer);
}

void spool_tidy(Spool *spool)
{
    closer_flush(spool->closer);
}

void spool_show_only(Spool *spool, uid_t user)
{
    spool->shows_one = true;
    spool->shown = user;
}

int spool_directory_fd(const Spool *spool)
{
    return spool->fd;
}

uid_t spool_directory_owner(const Spool *spool)
{
    return spool->owner;
}

const char *spool_path(const Spool *spool)
{
    return spool->path;
}

int spool_is_current(const Spool *spool)
{
    struct stat st;

    if (stat(spool->path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    return st.st_dev == spool->device && st.st_ino == spool->inode;
}

int spool_scan_new(const Spool *spool, SpoolScan **ret, Failure *f)
{
    SpoolScan *scan _cleanup_(spool_scan_free_p) = calloc(1, sizeof(*scan));
    int r;

    if (!scan)
        return failure_set_errno(f, -ENOMEM, "%s", spool->path);
    r = file_open_entries(spool->fd, &scan->stream);
    if (r < 0)
        return failure_set_errno(f, r, "%s: cannot list the queue directory", spool->path);
    scan->spool = spool;
    *ret = TAKE_PTR(scan);
    return 0;
}

void spool_scan_free(SpoolScan *scan)
{
    if (!scan)
        return;
    if (scan->stream)
        (void)closedir(scan->stream);
    free(scan);
}

static int give_entry(SpoolScan *scan, const char *name, size_t length, int result, SpoolEntry *ret)
{
    memcpy(scan->id, name, length);
    scan->id[length] = '\0';
    ret->id = scan->id;
    return result;
}

/* What a name is, as told by spool_scan_next_all(), and how much of it the id is; 0: of no
 * interest.
 */
static int classify(const char *name, SpoolState *ret_state, size_t *ret_length)
{
    *ret_length = strlen(name);
    if (strncmp(name, SPOOL_TEMPORARY_PREFIX, strlen(SPOOL_TEMPORARY_PREFIX)) == 0)
        return 2;
    if (strncmp(name, SPOOL_NOTICE_PREFIX, strlen(SPOOL_NOTICE_PREFIX)) == 0)
        return 4;
    if (spool_name_parse(name, ret_state, ret_length))
        return 1;
    if (spool_name_parse_record(name, ret_length))
        return spool_name_is_made(name, *ret_length) ? 3 : 0;
    return name[0] == '.' ? 0 : 5;
}

static bool is_shown(const Spool *spool, const char *name, int kind)
{
    struct stat st;

    return kind == 1 && spool_stat_at(spool->fd, name, &st) == 0 && spool_shows(spool, name, &st);
}

static int next_up_to(SpoolScan *scan, int most, SpoolEntry *ret)
{
    for (;;) {
        const struct dirent *entry;
        size_t length;
        int kind;

        errno = 0;
        entry = readdir(scan->stream);
        if (!entry)
            return -errno;
        kind = classify(entry->d_name, &ret->state, &length);
        if (scan->spool->shows_one && !is_shown(scan->spool, entry->d_name, kind))
            continue;
        if (kind > 0 && kind <= most && length < sizeof(scan->id))
            return give_entry(scan, entry->d_name, length, kind, ret);
    }
}

int spool_scan_next(SpoolScan *scan, SpoolEntry *ret)
{
    return next_up_to(scan, 1, ret);
}

int spool_scan_next_any(SpoolScan *scan, SpoolEntry *ret)
{
    return next_up_to(scan, 4, ret);
}

int spool_scan_next_all(SpoolScan *scan, SpoolEntry *ret)
{
    return next_up_to(scan, 5, ret);
}

static int exists(const Spool *spool, const char *id, SpoolState state)
{
    struct stat st;
    int r = spool_look_at(spool, id, state, &st);

    if (r == -ENOENT)
        return 0;
    return r >= 0 || r == -EXDEV ? 1 : r;
}

bool spool_has(const Spool *spool, const char *id, SpoolState state)
{
    return !spool->shows_one || exists(spool, id, state) > 0;
}

int spool_find(const Spool *spool, const char *id, SpoolState *ret)
{
    /* The states that a message keeps its record in come first. */
    static const SpoolState order[] = {
        SPOOL_SENDING, SPOOL_DEFERRED, SPOOL_HELD, SPOOL_FAILED, SPOOL_SENT, SPOOL_QUEUED};
    int named = spool_record_find_message(spool, id, ret);

    if (named < 0 || (named > 0 && spool_has(spool, id, *ret)))
        return MIN(named, 0);
    /* Twice: a message may change its state between the looks. */
    for (size_t i = 0; i < 2 * ELEMENTSOF(order); i++) {
        SpoolState state = order[i % ELEMENTSOF(order)];
        int r = exists(spool, id, state);

        if (r < 0)
            return r;
        if (r > 0) {
            *ret = state;
            return 0;
        }
    }
    return -ENOENT;
}

int spool_id_is_kept(const Spool *spool, const char *id)
{
    static const SpoolState kept[] = {SPOOL_DEFERRED, SPOOL_HELD, SPOOL_FAILED, SPOOL_SENT};
    int r = 0;

    for (size_t i = 0; i < ELEMENTSOF(kept) && r == 0; i++)
        r = exists(spool, id, kept[i]);
    return r;
}

bool spool_find_twin(
    const Spool *spool, const char *id, const struct stat *st, SpoolState except, SpoolState *ret)
{
    char name[SPOOL_NAME_MAX];
    struct stat other;

    for (int i = 0; st->st_nlink > 1 && i < SPOOL_STATE_MAX; i++) {
        *ret = (SpoolState)i;
        if (*ret != except && spool_name_format(id, *ret, name) &&
            spool_stat_at(spool->fd, name, &other) == 0 && other.st_dev == st->st_dev &&
            other.st_ino == st->st_ino)
            return true;
    }
    return false;
}

void spool_read_ahead(const Spool *spool, const char *id, SpoolState state)
{
    _cleanup_close_ int fd = -1;
    char name[SPOOL_NAME_MAX];

    if (!spool_name_format(id, state, name))
        return;
    fd = spool_open_at(spool, name, O_RDONLY);
    if (fd >= 0)
        (void)posix_fadvise(fd, 0, AHEAD_BYTES, POSIX_FADV_WILLNEED);
}

ssize_t spool_peek(const Spool *spool, const char *id, SpoolState state, void *ret, size_t n)
{
    _cleanup_close_ int fd = -1;
    char name[SPOOL_NAME_MAX];
    ssize_t bytes;

    if (!spool_name_format(id, state, name))
        return 0;
    fd = spool_open_at(spool, name, O_RDONLY);
    bytes = fd < 0 ? 0 : read(fd, ret, n);
    return MAX(bytes, 0);
}

usec_t spool_next_attempt(const Spool *spool, const char *id)
{
    char name[SPOOL_NAME_MAX];
    struct stat st;

    if (!spool_name_format_record(id, name) || spool_stat_at(spool->fd, name, &st) < 0)
        return 0;
    return spool_file_time(&st.st_mtim);
}

bool spool_is_shared(Spool *spool)
{
    struct stat st;

    spool->shared = fstat(spool->fd, &st) < 0 || (st.st_mode & (S_IWGRP | S_IWOTH));
    return spool->shared;
}

int spool_owner(const Spool *spool, const char *id, SpoolState state, uid_t *ret)
{
    struct stat st;
    char name[SPOOL_NAME_MAX];
    int r = spool_look_at(spool, id, state, &st);

    if (r < 0)
        return r;
    (void)spool_name_format(id, state, name);
    *ret = spool_submitter_at(spool, name, &st);
    return 0;
}
