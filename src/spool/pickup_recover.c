/* What passes before this one have left. Must never queue the copy of a file that is still there,
 * nor one of which nobody knows whether its file was put elsewhere since. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "spool/pickup_internal.h"
#include "spool/submitter.h"

#define LOCK_PREFIX ".pickup.lock-" /* no copy begins so */

int pickup_lock(PickupPass *pass, Failure *f)
{
    char prefix[STAGED_NAME_MAX], name[STAGED_NAME_MAX + 32];
    _cleanup_close_ int fd = -1;

    staged_prefix(pass->pickup->directory, prefix);
    (void)snprintf(name, sizeof(name), LOCK_PREFIX "%s", prefix + strlen(STAGED_PREFIX));
    name[strlen(name) - 1] = '\0';
    fd = openat(pass->queue->fd, name, O_RDWR | O_CREAT | SPOOL_OPEN_FLAGS, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return TAKE_FD(fd);
    if (fd < 0 || errno != EWOULDBLOCK)
        return failure_set_errno(f, -errno, "%s/%s", pass->queue->path, name);
    pass->result->again = USEC_PER_SEC;
    pass->result->busy = true;
    return TAKE_FD(fd);
}

int pickup_sync(const Spool *spool, Failure *f)
{
    int r = file_sync(spool->fd);

    return r < 0 ? failure_set_errno(f, r, "%s", spool->path) : 0;
}

typedef int (*FoundFile)(PickupPass *pass, const PickupFile *file, Failure *f);

/* Calls `found` with each file of the directory of which there is a copy. */
static int find_copied(PickupPass *pass, const NameList *copies, FoundFile found, Failure *f)
{
    DIR *stream;
    const struct dirent *entry;
    int r = file_open_entries(pass->place.fd, &stream);

    if (r < 0)
        return failure_set_errno(f, r, "%s", pass->place.path);
    while (r >= 0 && (errno = 0, entry = readdir(stream))) {
        PickupFile file = {0};
        FileIdentity identity;

        (void)snprintf(file.name, sizeof(file.name), "%s", entry->d_name);
        for (size_t i = 0; r >= 0 && i < copies->n; i++) {
            if (staged_inode(copies->names[i]) != entry->d_ino ||
                spool_stat_at(pass->place.fd, file.name, &file.st) < 0 ||
                file_identity_of(&pass->place, pass->place.fd, file.name, &identity) < 0)
                continue;
            staged_name(pass->pickup->directory, &identity, file.staged);
            if (text_equal(file.staged, copies->names[i]))
                r = found(pass, &file, f);
        }
    }
    if (r >= 0 && errno != 0)
        r = failure_set_errno(f, -errno, "%s", pass->place.path);
    (void)closedir(stream);
    return MIN(r, 0);
}

static int queue_copies(const Spool *queue, const NameList *copies, Failure *f)
{
    char id[SPOOL_NAME_MAX];
    int r = 0;

    for (size_t i = 0; r >= 0 && i < copies->n; i++) {
        r = staged_queue(queue, copies->names[i], id);
        if (r < 0 && r != -ENOENT)
            return failure_set_errno(f, r, "%s/%s", queue->path, copies->names[i]);
        r = 0;
    }
    return copies->n > 0 ? pickup_sync(queue, f) : 0;
}

/* The copies of this directory. 0 or a negative errno with a Failure. */
static int list_copies(const PickupPass *pass, NameList *ret, Failure *f)
{
    char prefix[STAGED_NAME_MAX];
    int r;

    staged_prefix(pass->pickup->directory, prefix);
    r = staged_list(pass->queue, prefix, ret);
    return r < 0 ? failure_set_errno(f, r, "%s", pass->queue->path) : 0;
}

int pickup_recover(PickupPass *pass, Failure *f)
{
    NameList copies = {0};
    int r = list_copies(pass, &copies, f);

    if (r >= 0 && copies.n > 0) {
        r = find_copied(pass, &copies, pickup_remove, f);
        if (r >= 0)
            r = pickup_sync(&pass->place, f);
        if (r >= 0)
            r = queue_copies(pass->queue, &copies, f);
    }
    name_list_done(&copies);
    return r;
}

/* ---- a queue that is no directory ---- */

/* The queue directory of before. 0 where there is none, or none in which this user could have made
 * copies. */
static int open_former(const char *path, Spool **ret, Failure *f)
{
    int r = spool_open(path, ret, f);

    if (r != -ENOENT && r != -ENOTDIR && r != -EACCES && r != -EPERM)
        return r < 0 ? r : 1;
    failure_done(f);
    *f = (Failure){0};
    return 0;
}

/* Its file is what counts, until it is taken away. */
static int drop_copy(PickupPass *pass, const PickupFile *file, Failure *f)
{
    if (unlinkat(pass->queue->fd, file->staged, 0) < 0 && errno != ENOENT)
        return failure_set_errno(f, -errno, "%s/%s", pass->queue->path, file->staged);
    return 0;
}

static int open_copy(const Spool *queue, const char *name, SpoolPickupMessage *message, Failure *f)
{
    struct stat st;

    message->fd = spool_open_at(queue, name, O_RDONLY);
    if (message->fd < 0)
        return spool_cannot_open(queue, name, message->fd, f);
    if (fstat(message->fd, &st) < 0)
        return failure_set_errno(f, -errno, "%s/%s", queue->path, name);
    if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
        return failure_set(f, -EINVAL, ERROR_FILE, "%s/%s: is no file of one name; it is not read",
            queue->path, name);
    message->uid = spool_submitter(queue, message->fd, &st);
    (void)snprintf(
        message->key, SPOOL_PICKUP_KEY_MAX, "pickup %s %lld", name, (long long)st.st_size);
    return 0;
}

static int put_opened(const Spool *queue, const SpoolPickupSink *sink, const char *name,
    SpoolPickupMessage *message, bool *ret_waits, Failure *f)
{
    int r = sink->put(sink->user, message, f);

    *ret_waits = r < 0;
    if (r > 0)
        return pickup_explain(f, -EBADMSG, queue->path, name,
            "is what was taken from a pickup directory when messages went here, and cannot be "
            "queued");
    if (r < 0)
        return pickup_explain(f, r, queue->path, name, "waits");
    return unlinkat(queue->fd, name, 0) < 0 && errno != ENOENT
               ? failure_set_errno(f, -errno,
                     "%s/%s is queued as %s, and cannot be removed; remove it", queue->path, name,
                     message->id)
               : 0;
}

static int put_copy(
    const Spool *queue, const SpoolPickupSink *sink, const char *name, bool *ret_waits, Failure *f)
{
    SpoolPickupMessage message = {.fd = -1};
    int r = open_copy(queue, name, &message, f);

    *ret_waits = false;
    if (r == 0)
        r = put_opened(queue, sink, name, &message, ret_waits, f);
    else if (r == -ENOENT)
        r = 0;
    close_p(&message.fd);
    free(message.id);
    return r;
}

/* One that cannot be put keeps no other from it; the last is told, or rather one that waits for
 * where it goes. `ret_waits`: there is such a one, and it is worth trying again. */
static int put_copies(const Spool *queue, const SpoolPickupSink *sink, const NameList *copies,
    bool *ret_waits, Failure *f)
{
    int last = 0, r = 0;

    for (size_t i = 0; r >= 0 && i < copies->n; i++) {
        _cleanup_failure_ Failure why = {0};
        bool waits;
        int one;

        r = sink->ready(sink->user, &why);
        if (r < 0) {
            *ret_waits = true;
            return failure_set(f, r, why.number,
                "%s: what was taken from a pickup directory when messages went here waits: %s",
                queue->path, failure_text(&why));
        }
        one = put_copy(queue, sink, copies->names[i], &waits, &why);
        r = error_is_common(one) ? one : 0;
        if (r < 0 || (one < 0 && (waits || !*ret_waits)))
            last = failure_set(f, one, why.number, "%s", failure_text(&why));
        *ret_waits = *ret_waits || waits;
    }
    if (r >= 0 && copies->n > 0)
        r = pickup_sync(queue, last < 0 ? NULL : f);
    return r < 0 ? r : last;
}

/* The copies of files that are there are removed, and the others are put. */
static int hand_over_copies(PickupPass *pass, Failure *f)
{
    NameList copies = {0}, others = {0};
    int r = list_copies(pass, &copies, f);

    if (r >= 0)
        r = find_copied(pass, &copies, drop_copy, f);
    if (r >= 0)
        r = pickup_sync(pass->queue, f);
    if (r >= 0)
        r = list_copies(pass, &others, f);
    if (r >= 0) {
        r = put_copies(pass->queue, pass->pickup->sink, &others, &pass->result->unended, f);
        r = pickup_pass_over(pass, r, f);
    }
    name_list_done(&copies);
    name_list_done(&others);
    return r;
}

/* Nothing is written there where there are none: the directory may be nobody's any more. */
static int recover_in(PickupPass *pass, Failure *f)
{
    _cleanup_close_ int locked = -1;
    NameList copies = {0};
    int r = list_copies(pass, &copies, f);

    if (r >= 0 && copies.n > 0) {
        r = locked = pickup_lock(pass, f);
        if (r >= 0 && !pass->result->busy)
            r = hand_over_copies(pass, f);
    }
    name_list_done(&copies);
    return MIN(r, 0);
}

int pickup_recover_former(PickupPass *pass, Failure *f)
{
    _cleanup_(spool_free_p) Spool *queue = NULL;
    int r = open_former(pass->pickup->queue, &queue, f);

    if (r <= 0)
        return r;
    pass->queue = queue;
    r = recover_in(pass, f);
    pass->queue = NULL;
    return r;
}

/* ---- directories of a former configuration ---- */

static int list_others(
    const Spool *queue, const char *const *directories, size_t n, NameList *ret, Failure *f)
{
    NameList copies = {0};
    int r = staged_list(queue, STAGED_PREFIX, &copies);

    for (size_t i = 0; r >= 0 && i < copies.n; i++) {
        bool known = false;

        for (size_t k = 0; !known && k < n; k++) {
            char prefix[STAGED_NAME_MAX];

            staged_prefix(directories[k], prefix);
            known = strncmp(copies.names[i], prefix, strlen(prefix)) == 0;
        }
        r = known ? 0 : name_list_add(ret, copies.names[i]);
    }
    name_list_done(&copies);
    return r < 0 ? failure_set_errno(f, r, "%s", queue->path) : 0;
}

int spool_pickup_recover_others(const char *queue, const SpoolPickupSink *sink,
    const char *const *directories, size_t n, bool *ret_waits, Failure *f)
{
    _cleanup_(spool_free_p) Spool *spool = NULL;
    NameList others = {0};
    int r = sink ? open_former(queue, &spool, f) : spool_open(queue, &spool, f);

    *ret_waits = error_is_common(r);
    if (!spool)
        return r;
    if (sink)
        spool_clean_temporaries(spool, clock_realtime());
    r = list_others(spool, directories, n, &others, f);
    if (r >= 0)
        r = sink ? put_copies(spool, sink, &others, ret_waits, f) : queue_copies(spool, &others, f);
    *ret_waits = *ret_waits || error_is_common(r);
    name_list_done(&others);
    return r;
}
