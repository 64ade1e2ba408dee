/* Pickup directories: whole messages that programs of other systems write there (.NET, IIS and
 * Exchange, MailKit) become messages of the queue, each once.
 *
 * A file is copied into the queue directory under a name that nobody delivers from and that says
 * which file it was (`.pickup-DIRECTORY-INODE-IDENTITY`); once that is on the disk the file is
 * removed, and once that is, the copy is queued. Whoever finds a copy after a death knows by the
 * file, which is there or not, what is left to do. doc/spool.md has the order.
 *
 * Where the queue is no directory, the file is renamed, put there with a key of its own, and
 * removed once that is durable. Whoever finds it after a death puts it once more, with the same
 * key.
 *
 * All of it may wait for disks: it is for a thread beside the loop. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/failure.h"

#define SPOOL_PICKUP_KEY_MAX 160

/* A file's message on its way into a queue that is no directory. */
typedef struct SpoolPickupMessage {
    int fd;    /* what it is, in a file without a name */
    uid_t uid; /* of the file: who queues it */
    /* The same for the same file, and no other's: whoever takes two with one key has one message.
     */
    char key[SPOOL_PICKUP_KEY_MAX];
    char *id; /* there, once it is queued */
} SpoolPickupMessage;

/* Where messages go that do not go into the queue directory. */
typedef struct SpoolPickupSink {
    /* Whether messages can be put there at present. 0, or a negative errno with a Failure. */
    int (*ready)(void *user, Failure *f);
    /* Puts one, durably. 0 with its id; 1 with a Failure: it can never be queued; or a negative
     * errno with a Failure: nothing can be put there now. */
    int (*put)(void *user, SpoolPickupMessage *message, Failure *f);
    void *user;
} SpoolPickupSink;

typedef struct SpoolPickup {
    const char *queue;               /* the queue directory */
    const SpoolPickupSink *sink;     /* NULL: messages go there */
    const char *directory, *pattern; /* of names of files there */
    bool dot_stuffed;
    uint64_t max_bytes; /* of a file; 0: any */
    usec_t settle;      /* for files of which no lease tells that they are complete */
} SpoolPickup;

/* A file that was taken, or refused. */
typedef struct SpoolPickupFile {
    char *name;      /* that it had */
    char *id;        /* in the queue; NULL: it was refused */
    char *bad;       /* what it is called since it was refused */
    uid_t owner;     /* of the file: who queued the message */
    Failure failure; /* why it was refused */
} SpoolPickupFile;

#define SPOOL_PICKUP_BAD ".bad"
#define SPOOL_PICKUP_REASON ".bad.reason"

typedef struct SpoolPickupResult {
    SpoolPickupFile *files;
    size_t n;
    bool busy;       /* another process works at the directory: nothing was done */
    bool unended;    /* what a process before has begun waits: the next pass recovers, too */
    bool has_more;   /* files to take at once */
    usec_t again;    /* after so long there may be more: a file was too young, or one that another
                        process works at; 0: an event will tell */
    size_t n_bad;    /* refused files that are in the directory, also from before */
    char *bad;       /* the name of one of them; NULL: there is none */
    Failure trouble; /* of a file that can neither be taken nor put aside; number 0: none */
} SpoolPickupResult;

/* Whether the directory can be used: 0; 1 with a Failure that says what is not good about it; or a
 * negative errno with a Failure (ERROR_SPOOL) that says what to do. */
int spool_pickup_check(const char *queue, const char *directory, Failure *f);

/* Takes up to a few hundred files. `recovers`: ends what a process before this one has begun, for
 * the first pass, and the one after a pass that failed or has not ended it. `ret` is for
 * spool_pickup_result_done() in any case. 0 or a negative errno with a Failure, and what was not
 * taken stays. */
int spool_pickup_pass(const SpoolPickup *pickup, bool recovers, SpoolPickupResult *ret, Failure *f);

void spool_pickup_result_done(SpoolPickupResult *result);

/* Queues what a dead process has copied from directories that are none of these any more, and,
 * where the queue is no directory, removes what dead writers have left there. 0 or a negative errno
 * with a Failure; `ret_waits`: it passes, so that it is to be called again soon. */
int spool_pickup_recover_others(const char *queue, const SpoolPickupSink *sink,
    const char *const *directories, size_t n, bool *ret_waits, Failure *f);
