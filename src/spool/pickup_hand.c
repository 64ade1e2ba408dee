/* A file of a pickup directory into a queue that is no directory. Must never take away what is not
 * queued there, nor have one file be two messages. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "spool/pickup_internal.h"

#define HOST_MAX 25 /* of its name, in a key */

/* Where the file system does not tell its files apart it is another one each time: twice rather
 * than never. Several machines may put messages there, each of which has files of its own. */
static int form_key(PickupPass *pass, const PickupFile *file, int fd, char *key, Failure *f)
{
    FileIdentity identity;
    char host[256] = "", name[STAGED_NAME_MAX];
    int r = file_identity_of(&pass->place, fd, "", &identity);

    if (r < 0)
        return failure_set_errno(f, r, "%s/%s", pass->pickup->directory, file->name);
    (void)gethostname(host, sizeof(host) - 1);
    staged_name(pass->pickup->directory, &identity, name);
    (void)snprintf(key, SPOOL_PICKUP_KEY_MAX, "%s-%" PRIu64 "-%" PRIu64 " %.*s",
        name + 1 /* no dot */, identity.mtime, identity.bytes, HOST_MAX, host);
    return PICKUP_STAGED;
}

/* What cannot be taken away is not queued: it would be again and again. */
static int take_away(PickupPass *pass, const PickupFile *file, const char *taken, Failure *f)
{
    int r = pickup_move(pass, file, taken);

    if (r < 0)
        return failure_set_errno(f, r, "%s/%s cannot be removed, and is not queued for that reason",
            pass->pickup->directory, file->name);
    return r > 0 ? PICKUP_STAGED : PICKUP_NOT_YET;
}

/* Where another file has its name meanwhile, the next pass takes it as it is. */
static void put_back(PickupPass *pass, const PickupFile *file, const char *taken)
{
    (void)spool_rename(pass->place.fd, taken, file->name);
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

static int cannot_put(const PickupPass *pass, int error, Failure *f)
{
    _cleanup_failure_ Failure why = *f;

    *f = (Failure){0};
    return failure_set(f, error, why.number, "%s: what is here waits: %s", pass->pickup->directory,
        failure_text(&why));
}

static int put(PickupPass *pass, PickupFile *file, SpoolPickupMessage *message, Failure *f)
{
    const SpoolPickupSink *sink = pass->pickup->sink;
    char taken[PICKUP_TAKEN_MAX];
    int r = sink->ready(sink->user, f);

    if (r < 0)
        return cannot_put(pass, r, f);
    pickup_name_taken(taken);
    r = take_away(pass, file, taken, f);
    if (r != PICKUP_STAGED)
        return r;
    r = sink->put(sink->user, message, f);
    if (r == 0)
        return finish(pass, file, taken, message, f);
    put_back(pass, file, taken);
    return r > 0 ? PICKUP_REFUSED : cannot_put(pass, r, f);
}

int pickup_hand_over(PickupPass *pass, PickupFile *file, Failure *f)
{
    SpoolPickupMessage message = {.fd = -1};
    _cleanup_close_ int fd = -1;
    int r = pickup_look(pass, file, &fd, f);

    if (r == PICKUP_STAGED)
        r = form_key(pass, file, fd, message.key, f);
    if (r == PICKUP_STAGED)
        r = pickup_copy_aside(pass, file, fd, &message.fd, f);
    message.uid = file->st.st_uid;
    if (r == PICKUP_STAGED)
        r = put(pass, file, &message, f);
    close_p(&message.fd);
    free(message.id);
    return r;
}
