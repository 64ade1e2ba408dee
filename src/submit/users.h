/* What each user may do at the submission socket, and has done: connections, rate, messages that
 * wait. Pure: the time is given. A user who is given no limit is not counted against one.
 *
 * The memory is bounded by the users who are connected, were so within a minute, or have messages
 * in the queue. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/macros.h"

#define SUBMIT_RATE_SPAN                                                     \
    USEC_PER_MINUTE /* what a rate is counted in, and how much comes at once \
                     */

typedef struct SubmitUser {
    uid_t uid;
    unsigned connections;
    usec_t busy_until; /* monotonic: until then the rate is used up, were it spread evenly */
    uint64_t waiting;  /* messages: those counted last, and those queued since */
    uint64_t since;    /* of them, queued since a count began */
} SubmitUser;

typedef struct SubmitUsers {
    SubmitUser *list; /* by uid */
    size_t n, allocated;
    size_t connections; /* of all */
} SubmitUsers;

void submit_users_done(SubmitUsers *users);

/* One connection more. 0; -EBUSY when the user has `each` already; -ENOMEM. */
int submit_users_connect(SubmitUsers *users, uid_t uid, unsigned each);
void submit_users_disconnect(SubmitUsers *users, uid_t uid, usec_t now);

/* The user with the most connections, who has more than `uid` has: whose one has to give way for
 * one of `uid`'s when no more can be had. False: nobody has more. */
bool submit_users_find_largest(const SubmitUsers *users, uid_t uid, uid_t *ret);

/* When the next message may be queued, of `rate` in SUBMIT_RATE_SPAN (0: any number), all of which
 * may come at once; 0: now. */
usec_t submit_users_may_queue_at(const SubmitUsers *users, uid_t uid, unsigned rate, usec_t now);

/* A message was let through; it counts as waiting. */
void submit_users_queued(SubmitUsers *users, uid_t uid, unsigned rate, usec_t now);

/* It was not queued after all. */
void submit_users_failed(SubmitUsers *users, uid_t uid);

uint64_t submit_users_waiting(const SubmitUsers *users, uid_t uid);

/* The messages in the queue are being counted; and were so many of that user's, once for each who
 * has any. Those that were queued in between count besides. */
void submit_users_begin_count(SubmitUsers *users);
void submit_users_end_count(SubmitUsers *users);
int submit_users_counted(SubmitUsers *users, uid_t uid, uint64_t n);

#define _cleanup_submit_users_ _cleanup_(submit_users_done)
