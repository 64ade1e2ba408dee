/* What is done with submitted messages beside the loop: writing them as they come, and making those
 * of many clients durable together. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/failure.h"
#include "base/worker.h"
#include "spool/enqueue.h"

#define SUBMIT_GROUP_MAX 256

#define SUBMIT_KEY_SIZE 160

/* A connection to the database (submit_database.h); NULL where a directory has the queue. */
typedef struct SubmitLink SubmitLink;

/* Where they go: borrowed. */
typedef struct SubmitPlace {
    const char *directory;
    const char *database; /* its connection string; NULL: the directory has the queue */
} SubmitPlace;

/* A message on its way to the disk, or to the database. */
typedef struct SubmitItem {
    void *client; /* the loop's: who waits for it; NULL: nobody any more */
    uid_t uid;
    SpoolWriter *writer;       /* NULL: nothing was written so far */
    int fd;                    /* likewise, of one for the database: a file without a name; or -1 */
    char key[SUBMIT_KEY_SIZE]; /* by which the database knows it again */
    char *asked_key;           /* the same, that the user has asked for; NULL: none */
    Buffer data;               /* what is to be written next */
    int error;                 /* with `failure` */
    Failure failure;
    char *id; /* of the queued message */
} SubmitItem;

SubmitItem *submit_item_new(uid_t uid);

/* Gives it a key of the user's, who has no other user's. 0 or -ENOMEM. */
int submit_item_ask_key(SubmitItem *item, const char *key);
void submit_item_free(SubmitItem *item); /* takes its file away; accepts NULL */

/* Takes its file away beside the loop. */
void submit_item_discard(Worker *worker, SubmitItem *item);

/* Writes what there is of the message. 0 with a job, whose end tells; the item is the job's until
 * submit_write_end(). A negative errno, and the item stays the caller's. */
int submit_write(Worker *worker, SubmitPlace place, SubmitItem *item, Job **ret);
SubmitItem *submit_write_end(Job *job);

/* Writes the rest of the messages, which are complete, and makes them durable. The items, and the
 * link, are the job's until submit_commit_end(), which moves them into `ret_items` and `ret_link`
 * again and returns how many items. A negative errno, and they stay the caller's. */
int submit_commit(
    Worker *worker, SubmitPlace place, SubmitLink **link, SubmitItem **items, size_t n, Job **ret);
size_t submit_commit_end(
    Job *job, SubmitItem *ret_items[static SUBMIT_GROUP_MAX], SubmitLink **ret_link);

/* Users and how many messages they have in the queue. */
typedef struct SubmitCount {
    uid_t uid;
    uint64_t n;
} SubmitCount;

/* Counts them. The result is the job's. */
int submit_count(Worker *worker, SubmitPlace place, Job **ret);
/* -EIO: they could not be counted. */
int submit_count_end(Job *job, const SubmitCount **ret, size_t *ret_n);
