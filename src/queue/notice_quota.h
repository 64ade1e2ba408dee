/* How many notices there may be: so many an hour for the messages of a user, and ten times as many
 * for those of all, so that who floods the queue keeps nobody else from being told. Failures and
 * delays are counted apart. Pure.
 *
 * Inside the layer only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/clock.h"

#define NOTICE_QUOTA_OF_ALL 10 /* times that of one user */

/* That many users are counted one by one; who comes later in the same hour is counted together. */
#define NOTICE_QUOTA_USERS 64

typedef enum NoticeKind { NOTICE_FAILED, NOTICE_DELAYED, NOTICE_KIND_MAX } NoticeKind;

typedef struct NoticeCount {
    unsigned told, left_out;
} NoticeCount;

typedef struct NoticeUser {
    uid_t user;
    NoticeCount counts[NOTICE_KIND_MAX];
} NoticeUser;

/* Begun as `{0}`. */
typedef struct NoticeQuota {
    usec_t since; /* realtime: when the hour began; 0: none has */
    NoticeUser users[NOTICE_QUOTA_USERS];
    size_t n_users;
    unsigned told[NOTICE_KIND_MAX]; /* of all */
} NoticeQuota;

/* Whether there may be another, at most so many (0: any number); where not, it is counted, and the
 * `ret_left_out`-th of that user in this hour. */
bool notice_quota_allows(NoticeQuota *quota, uid_t user, NoticeKind kind, unsigned most, usec_t now,
    unsigned *ret_left_out);

/* There was one. */
void notice_quota_note(NoticeQuota *quota, uid_t user, NoticeKind kind);
