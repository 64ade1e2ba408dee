/* Telling somebody that a message failed: whom, of which recipients, and how often at most. What is
 * told is a message like any other, in the same queue (spool/notice.h, message/dsn.h).
 *
 * Inside the layer only. */
#pragma once

#include "base/failure.h"
#include "queue/notice_quota.h"
#include "queue/source.h"
#include "settings/config.h"
#include "spool/spool.h"

/* Of one directory, by the settings that hold. */
typedef struct Notices {
    Config *config; /* referenced */
    NoticeQuota quota;
} Notices;

void notices_configure(Notices *notices, const Config *config);
void notices_done(Notices *notices);

/* Whether somebody may be told that a message waits, which came then and waits still. */
bool notices_warn(const Notices *notices, const SpoolClaim *claim, usec_t now);

/* Makes the notice of a claimed message that is about to be `end`-ed, as END_FAILED or, being late,
 * as END_DEFERRED, and whose record has its recipients' outcomes. `first_attempt` is realtime; 0:
 * this one. `message` is its envelope and content. 1, and whom it is
 * for in `ret_to`, which the caller frees; 0 when nobody is to be told, with a Failure where that
 * is not as it should be; or a negative errno with a Failure: to be tried again. */
int notices_prepare(Notices *notices, const SpoolClaim *claim, Message *message,
    usec_t first_attempt, const MessageEnd *end, char **ret_to, Failure *f);
