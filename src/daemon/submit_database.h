/* Submitted messages into the queue in PostgreSQL, beside the loop: a group of them in one
 * transaction. */
#pragma once

#include "daemon/submit_job.h"

/* To that database. 0 or -ENOMEM. */
int submit_link_new(const char *conninfo, SubmitLink **ret);
void submit_link_free(SubmitLink *link); /* accepts NULL */

/* Connects, if it is not connected. 0 or a negative errno with a Failure. It may wait. */
int submit_link_open(SubmitLink *link, Failure *f);

/* Queues those that have no error: what became of each is in it. It may wait. */
void submit_link_put(SubmitLink *link, SubmitItem **items, size_t n);

/* Calls `count` for each user of this machine's that has queued what has not been sent. It may
 * wait. 0, or a negative errno when that cannot be told. */
int submit_database_count(
    const char *conninfo, void (*count)(void *census, uid_t uid, uint64_t n), void *census);
