/* A file of a pickup directory into a queue that is no directory. Must never take away what is not
 * queued there, nor have one file be two messages. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "spool/pickup_internal.h"

/* Its name since it was taken, its size and when it was written: by those it is the same message
 * however often it is put, whichever machine does so. */
static void form_key(const PickupFile *file, const char *taken, SpoolPickupMessage *message)
{
    const struct stat *st = &file->st;

    (void)snprintf(message->key, SPOOL_PICKUP_KEY_MAX, "pickup %u %s %lld %lld.%09ld", st->st_uid,
        taken, (long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

/* Anybody may call a file so: one with a longer name is taken as any other. */
static bool is_taken(const PickupFile *file)
{
    return strncmp(file->name, PICKUP_TAKEN_PREFIX, strlen(PICKUP_TAKEN_PREFIX)) == 0 &&
           strlen(file->name) < PICKUP_TAKEN_MAX;
}

/* What cannot be taken away is not queued: it would be again and again. */
static int take_away(PickupPass *pass, const PickupFile *file, char *ret_taken, Failure *f)
{
    int r;

    if (is_taken(file)) {
        memcpy(ret_taken, file->name, strlen(file->name) + 1);
        return PICKUP_STAGED;
    }
    pickup_name_taken(ret_taken);
    r = pickup_move(pass, file, ret_taken);
    if (r >= 0)
        return r > 0 ? PICKUP_STAGED : PICKUP_NOT_YET;
    (void)failure_set_errno(f, r, "%s/%s cannot be removed, and is not queued for that reason",
        pass->pickup->directory, file->name);
    r = pickup_pass_over(pass, r, f);
    return r < 0 ? r : PICKUP_NOT_YET;
}

static int finish(PickupPass *pass, const PickupFile *file, const char *taken,
    const SpoolPickupMessage *message, Failure *f)
{
    int r = unlinkat(pass->place.fd, taken, 0) < 0 && errno != ENOENT ? -errno : 0;

    if (pickup_tell(pass->result, file, message->id, NULL, NULL) < 0)
        return failure_set_errno(f, -ENOMEM, "%s", pass->pickup->directory);
    return r < 0
               ? failure_set_errno(f, r, "%s/%s is queued as %s, and cannot be removed; remove it",
                     pass->pickup->directory, taken, message->id)
               : PICKUP_QUEUED;
}

int pickup_explain(
    Failure *f, int error, const char *directory, const char *name, const char *words)
{
    _cleanup_failure_ Failure why = *f;

    *f = (Failure){0};
    return failure_set(f, error, why.number, "%s%s%s %s: %s", directory, name ? "/" : ":",
        name ?: "", words, failure_text(&why));
}

/* What was not put keeps its name: whether it is there nobody knows where the answer was lost.
 * Whether others have to wait as well is seen with the next file. */
static int put_off(PickupPass *pass, const char *taken, int error, Failure *f)
{
    int r = pickup_explain(f, error, pass->pickup->directory, taken, "waits");

    r = pickup_pass_over(pass, r, f);
    return r < 0 ? r : PICKUP_NOT_YET;
}

static int put(PickupPass *pass, PickupFile *file, SpoolPickupMessage *message, Failure *f)
{
    const SpoolPickupSink *sink = pass->pickup->sink;
    char taken[PICKUP_TAKEN_MAX];
    int r = take_away(pass, file, taken, f);

    if (r != PICKUP_STAGED)
        return r;
    form_key(file, taken, message);
    r = sink->put(sink->user, message, f);
    if (r == 0)
        return finish(pass, file, taken, message, f);
    if (r < 0)
        return put_off(pass, taken, r, f);
    if (!is_taken(file))
        (void)spool_rename(pass->place.fd, taken, file->name);
    return PICKUP_REFUSED;
}

/* Before a file is copied in vain. */
static int be_ready(const PickupPass *pass, Failure *f)
{
    const SpoolPickupSink *sink = pass->pickup->sink;
    int r = sink->ready(sink->user, f);

    return r < 0 ? pickup_explain(f, r, pass->pickup->directory, NULL, "what is here waits")
                 : PICKUP_STAGED;
}

int pickup_hand_over(PickupPass *pass, PickupFile *file, Failure *f)
{
    SpoolPickupMessage message = {.fd = -1};
    _cleanup_close_ int fd = -1;
    int r = pickup_look(pass, file, &fd, f);

    if (r == PICKUP_STAGED)
        r = be_ready(pass, f);
    if (r == PICKUP_STAGED)
        r = pickup_copy_aside(pass, file, fd, &message.fd, f);
    message.uid = file->st.st_uid;
    if (r == PICKUP_STAGED)
        r = put(pass, file, &message, f);
    close_p(&message.fd);
    free(message.id);
    return r;
}
