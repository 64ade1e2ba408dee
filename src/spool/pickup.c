/* Passes over a pickup directory. Must never queue the copy of a file that is still there. */
#include "spool/pickup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "spool/pickup_internal.h"

#define BATCH 128

/* ---- the directory ---- */

static int cannot_open(const char *path, int r, Failure *f)
{
    if (r == -ENOENT)
        return failure_set(f, r, ERROR_SPOOL,
            "%s: there is no such pickup directory; make it, for the daemon's user and those who "
            "write there: install -d -o outbox -g GROUP -m 2770 %s",
            path, path);
    return failure_set(f, r, r == -ENOTDIR || r == -EACCES ? ERROR_SPOOL : error_from_errno(r),
        "%s: cannot open the pickup directory as user %u: %s", path, geteuid(),
        strerrordesc_np(-r));
}

static int check_access(const Spool *place, const struct stat *st, Failure *f)
{
    int r = faccessat(place->fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;

    if (r == -EROFS)
        return failure_set(f, r, ERROR_SPOOL,
            "%s: the pickup directory is where this process may write nothing, so that files "
            "could not be taken away: mount it for writing, or, for outboxd.service, let it by "
            "ReadWritePaths=%s (systemctl edit outboxd)",
            place->path, place->path);
    if (r < 0)
        return failure_set(f, r, ERROR_SPOOL,
            "%s: user %u may not list and remove the files in the pickup directory, which belongs "
            "to user %u, group %u, with mode %04o: %s",
            place->path, geteuid(), st->st_uid, st->st_gid, st->st_mode & 07777,
            strerrordesc_np(-r));
    if ((st->st_mode & S_ISVTX) && geteuid() != 0 && geteuid() != st->st_uid)
        return failure_set(f, -EPERM, ERROR_SPOOL,
            "%s: the pickup directory is sticky and belongs to user %u, so that user %u cannot "
            "take away what others put there; give it to that user: chown %u %s",
            place->path, st->st_uid, geteuid(), geteuid(), place->path);
    if ((st->st_mode & S_IWOTH) && !(st->st_mode & S_ISVTX))
        return failure_set(f, 1, ERROR_SPOOL,
            "%s: everybody may rename, replace and remove the messages of others in the pickup "
            "directory (mode %04o); protect them: chmod +t %s, or chmod o-w %s",
            place->path, st->st_mode & 07777, place->path, place->path);
    return 0;
}

int pickup_place_open(const Spool *queue, const char *directory, Spool *ret, Failure *f)
{
    struct statfs fs;
    struct stat st;

    *ret = (Spool){.owner = FILE_OWNER_UNKNOWN, .path = strdup(directory), .fd = -1};
    if (!ret->path)
        return failure_set_errno(f, -ENOMEM, "%s", directory);
    ret->fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret->fd < 0)
        return cannot_open(directory, -errno, f);
    if (fstat(ret->fd, &st) < 0)
        return failure_set_errno(f, -errno, "%s", directory);
    if (st.st_dev == queue->device && st.st_ino == queue->inode)
        return failure_set(f, -EINVAL, ERROR_SPOOL,
            "%s: is the queue directory itself, where a message is a file called NAME.queued; a "
            "pickup directory is another one",
            directory);
    ret->forgets_inodes = fstatfs(ret->fd, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC;
    return check_access(ret, &st, f);
}

void pickup_place_close(Spool *place)
{
    close_p(&place->fd);
    free(place->path);
}

int spool_pickup_check(const char *queue, const char *directory, Failure *f)
{
    Spool place, none = {.fd = -1};
    struct stat st;
    int r;

    if (stat(queue, &st) == 0)
        none.device = st.st_dev, none.inode = st.st_ino;
    r = pickup_place_open(&none, directory, &place, f);
    pickup_place_close(&place);
    return r;
}

/* ---- results ---- */

int pickup_tell(SpoolPickupResult *result, const PickupFile *of, const char *id, const char *bad,
    const Failure *why)
{
    SpoolPickupFile *files = reallocarray(result->files, result->n + 1, sizeof(*files));
    SpoolPickupFile *file;

    if (!files)
        return -ENOMEM;
    result->files = files;
    file = &files[result->n];
    *file = (SpoolPickupFile){
        .name = strdup(of->name),
        .id = id ? strdup(id) : NULL,
        .bad = bad ? strdup(bad) : NULL,
        .owner = of->st.st_uid,
    };
    if (why)
        (void)failure_set(&file->failure, 0, why->number, "%s", failure_text(why));
    result->n++;
    return file->name && (!id || file->id) && (!bad || file->bad) ? 0 : -ENOMEM;
}

void pickup_count_bad(SpoolPickupResult *result, const char *name)
{
    char *bad = result->bad ? NULL : strdup(name);

    if (!result->bad && !bad) /* without memory nobody is told of it */
        return;
    result->bad = result->bad ?: bad;
    result->n_bad++;
}

void spool_pickup_result_done(SpoolPickupResult *result)
{
    for (size_t i = 0; i < result->n; i++) {
        free(result->files[i].name);
        free(result->files[i].id);
        free(result->files[i].bad);
        failure_done(&result->files[i].failure);
    }
    free(result->files);
    free(result->bad);
    failure_done(&result->trouble);
    *result = (SpoolPickupResult){0};
}

/* ---- a pass ---- */

static bool has_suffix(const char *name, const char *suffix)
{
    return text_ends(name, suffix) && strcmp(name, suffix) != 0;
}

static bool is_wanted(const PickupPass *pass, const char *name)
{
    if (name[0] == '.')
        return strncmp(name, PICKUP_TAKEN_PREFIX, strlen(PICKUP_TAKEN_PREFIX)) == 0;
    return !has_suffix(name, SPOOL_PICKUP_REASON) &&
           fnmatch(pass->pickup->pattern, name, FNM_NOESCAPE) == 0;
}

int pickup_pass_over(PickupPass *pass, int error, Failure *f)
{
    if (error >= 0 || error_is_common(error))
        return error;
    failure_done(&pass->result->trouble);
    pass->result->trouble = *f;
    *f = (Failure){0};
    return 0;
}

/* Looks at one of the directory's files, and has its copy made. */
static int take_one(PickupPass *pass, const char *name, PickupFile *files, size_t *n, Failure *f)
{
    _cleanup_failure_ Failure why = {0};
    _cleanup_failure_ Failure later = {0};
    PickupFile *file = &files[*n];
    int r;

    if (has_suffix(name, SPOOL_PICKUP_BAD)) {
        pickup_count_bad(pass->result, name);
        return 0;
    }
    if (!is_wanted(pass, name))
        return 0;
    *file = (PickupFile){0};
    (void)snprintf(file->name, sizeof(file->name), "%s", name);
    r = pass->pickup->sink ? pickup_hand_over(pass, file, &why) : pickup_stage(pass, file, &why);
    if (r == PICKUP_STAGED)
        ++*n;
    if (r == PICKUP_REFUSED) {
        r = pickup_pass_over(pass, pickup_refuse(pass, file, &why, &later), &later);
        return r < 0 ? failure_set(f, r, later.number, "%s", failure_text(&later)) : 0;
    }
    return r < 0 ? failure_set(f, r, why.number, "%s", failure_text(&why)) : 0;
}

/* Fills `files` with those of which there are copies now. */
static int take_files(PickupPass *pass, PickupFile files[static BATCH], size_t *ret_n, Failure *f)
{
    DIR *stream;
    const struct dirent *entry;
    int r = file_open_entries(pass->place.fd, &stream);

    if (r < 0)
        return failure_set_errno(f, r, "%s", pass->place.path);
    while (
        r >= 0 && *ret_n < BATCH && pass->result->n < BATCH && (errno = 0, entry = readdir(stream)))
        r = take_one(pass, entry->d_name, files, ret_n, f);
    pass->result->has_more = *ret_n == BATCH || pass->result->n >= BATCH;
    if (r >= 0 && !pass->result->has_more && errno != 0)
        r = failure_set_errno(f, -errno, "%s", pass->place.path);
    (void)closedir(stream);
    return r;
}

/* A file that went away by itself was taken back, and its copy is nobody's message. */
static int queue_file(PickupPass *pass, const PickupFile *file, Failure *f)
{
    char id[SPOOL_NAME_MAX];
    int r;

    if (!file->removed) {
        (void)unlinkat(pass->queue->fd, file->staged, 0);
        return 0;
    }
    r = staged_queue(pass->queue, file->staged, id);
    if (r >= 0)
        r = pickup_tell(pass->result, file, id, NULL, NULL);
    return r < 0 ? failure_set_errno(f, r, "%s/%s", pass->queue->path, file->staged) : 0;
}

static int queue_files(PickupPass *pass, PickupFile *files, size_t n, Failure *f)
{
    int r = n > 0 ? pickup_sync(pass->queue, f) : 0;

    for (size_t i = 0; r >= 0 && i < n; i++) {
        _cleanup_failure_ Failure why = {0};

        r = pickup_remove(pass, &files[i], &why);
        files[i].removed = r > 0;
        if (pickup_pass_over(pass, r, &why) < 0)
            return failure_set(f, r, why.number, "%s", failure_text(&why));
        r = 0;
    }
    if (r >= 0 && n > 0)
        r = pickup_sync(&pass->place, f);
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = queue_file(pass, &files[i], f);
    return r >= 0 && n > 0 ? pickup_sync(pass->queue, f) : MIN(r, 0);
}

/* What was copied is queued also where something else went wrong. */
static int take(PickupPass *pass, Failure *f)
{
    PickupFile *files = calloc(BATCH, sizeof(*files));
    _cleanup_failure_ Failure later = {0};
    size_t n = 0;
    int r, s;

    if (!files)
        return failure_set_errno(f, -ENOMEM, "%s", pass->pickup->directory);
    r = take_files(pass, files, &n, f);
    s = queue_files(pass, files, n, r < 0 ? &later : f);
    free(files);
    return r < 0 ? r : s;
}

/* Keys tell of files that are put twice, so that nothing is to be recovered, nor locked, but what
 * is in the queue directory since messages went there. */
static int hand_over(PickupPass *pass, bool recovers, Failure *f)
{
    const Spool none = {.fd = -1};
    int r = pickup_place_open(&none, pass->pickup->directory, &pass->place, f);

    if (r >= 0 && recovers)
        r = pickup_recover_former(pass, f);
    if (r >= 0 && !pass->result->busy)
        r = take(pass, f);
    pickup_place_close(&pass->place);
    return MIN(r, 0);
}

int spool_pickup_pass(const SpoolPickup *pickup, bool recovers, SpoolPickupResult *ret, Failure *f)
{
    _cleanup_(spool_free_p) Spool *queue = NULL;
    PickupPass pass = {.pickup = pickup, .result = ret, .now = clock_realtime()};
    _cleanup_close_ int locked = -1;
    int r;

    *ret = (SpoolPickupResult){0};
    if (pickup->sink)
        return hand_over(&pass, recovers, f);
    r = spool_open(pickup->queue, &queue, f);
    if (r < 0)
        return r;
    pass.queue = queue;
    r = pickup_place_open(queue, pickup->directory, &pass.place, f);
    if (r >= 0)
        r = locked = pickup_lock(&pass, f);
    if (r >= 0 && !ret->busy) {
        r = recovers ? pickup_recover(&pass, f) : 0;
        if (r >= 0)
            r = take(&pass, f);
    }
    pickup_place_close(&pass.place);
    return MIN(r, 0);
}
