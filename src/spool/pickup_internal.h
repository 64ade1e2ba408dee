/* What the steps of a pass share. Private to the spool. */
#pragma once

#include <limits.h>

#include "spool/pickup.h"
#include "spool/staged.h"

/* What is being taken away has such a name for a moment; where a process died then, it is taken as
 * any other file. */
#define PICKUP_TAKEN_PREFIX ".outbox-taken-"

typedef struct PickupPass {
    const SpoolPickup *pickup;
    Spool *queue;
    Spool place; /* the pickup directory */
    usec_t now;  /* realtime */
    SpoolPickupResult *result;
} PickupPass;

/* A file of the directory. */
typedef struct PickupFile {
    char name[NAME_MAX + 1];
    struct stat st;
    char staged[STAGED_NAME_MAX]; /* its copy */
    bool removed;
} PickupFile;

typedef enum PickupVerdict {
    PICKUP_STAGED = 0, /* its copy is on the disk */
    PICKUP_NOT_YET,    /* it is gone, or being written */
    PICKUP_REFUSED,    /* the Failure says why */
    PICKUP_QUEUED,     /* in a queue that is no directory, and told */
} PickupVerdict;

/* Opens the directory, as spool_pickup_check(); `ret` is for pickup_place_close(). */
int pickup_place_open(const Spool *queue, const char *directory, Spool *ret, Failure *f);
void pickup_place_close(Spool *place);

/* Copies the file called `ret->name`. A PickupVerdict, or a negative errno with a Failure of the
 * queue directory's, or of the whole machine's. */
int pickup_stage(PickupPass *pass, PickupFile *ret, Failure *f);

/* Puts the file called `ret->name` into the queue that is no directory, and takes it away. A
 * PickupVerdict, or a negative errno with a Failure of that queue's, or of the whole machine's. */
int pickup_hand_over(PickupPass *pass, PickupFile *ret, Failure *f);

/* One process at a time takes from a directory. A descriptor, or a negative errno with a Failure;
 * where another has it, the result is busy. */
int pickup_lock(PickupPass *pass, Failure *f);

/* Queues what a dead process has copied, without the files. 0 or a negative errno with a Failure.
 */
int pickup_recover(PickupPass *pass, Failure *f);

/* The same where the queue is no directory any more, and there are such copies in it. */
int pickup_recover_former(PickupPass *pass, Failure *f);

/* 0 or a negative errno with a Failure. */
int pickup_sync(const Spool *spool, Failure *f);

/* Puts "DIRECTORY/NAME WORDS: ", or without a name "DIRECTORY: WORDS: ", in front of what the
 * Failure says. Returns the error. */
int pickup_explain(
    Failure *f, int error, const char *directory, const char *name, const char *words);

/* Looks at the file, and opens it. A PickupVerdict, where PICKUP_STAGED means that it can be taken;
 * or a negative errno with a Failure. */
int pickup_look(PickupPass *pass, PickupFile *file, int *ret_fd, Failure *f);

/* Copies it into a file without a name. Likewise. */
int pickup_copy_aside(PickupPass *pass, PickupFile *file, int fd, int *ret_fd, Failure *f);

/* Renames that file, and no other that has come under its name. 1, 0: it is gone, or another's; or
 * a negative errno. */
int pickup_move(PickupPass *pass, const PickupFile *file, const char *to);

/* A name for what is being taken away. */
#define PICKUP_TAKEN_MAX 64
void pickup_name_taken(char ret[static PICKUP_TAKEN_MAX]);

/* Takes the file away, if that name is still the one that was looked at. 1; 0: it is gone, or is
 * another's; or a negative errno with a Failure. */
int pickup_remove(PickupPass *pass, const PickupFile *file, Failure *f);

/* Puts the file aside, with the reason beside it, and adds it to the result. 0 or a negative errno
 * with a Failure. */
int pickup_refuse(PickupPass *pass, const PickupFile *file, const Failure *why, Failure *f);

/* What is wrong with one file keeps no other waiting; the last is told. Returns what is left of the
 * error. */
int pickup_pass_over(PickupPass *pass, int error, Failure *f);

/* Counts a file that was refused, now or before, which is called so now. */
void pickup_count_bad(SpoolPickupResult *result, const char *name);

/* Adds a file to the result: one that has become the message `id`, or that is called `bad` now, and
 * why. 0 or -ENOMEM. */
int pickup_tell(SpoolPickupResult *result, const PickupFile *file, const char *id, const char *bad,
    const Failure *why);
