/* Telling somebody that a message failed: whom, of which recipients, and how often at most. What is
 * told is a message like any other, in the same queue (message/dsn.h). For the sources of messages
 * only. */
#pragma once

#include "base/failure.h"
#include "queue/notice_quota.h"
#include "queue/source.h"
#include "settings/config.h"
#include "spool/record.h"

/* Of one queue, by the settings that hold. */
typedef struct Notices {
    Config *config; /* referenced */
    NoticeQuota quota;
} Notices;

void notices_configure(Notices *notices, const Config *config);
void notices_done(Notices *notices);

/* Whether somebody may be told that a message waits, which came then; `warned`: he was. */
bool notices_warn(const Notices *notices, usec_t arrival, bool warned, usec_t now);

/* A message that is about to be ended, as END_FAILED or, being late, as END_DEFERRED. */
typedef struct NoticeSubject {
    const char *id;
    uid_t owner;
    usec_t arrival, first_attempt; /* realtime; no first attempt is 0: this one */
    Message *message;              /* its envelope and content; NULL: it is no message */
    const Envelope *envelope; /* of one that is none, where it is known, and its content; NULL */
    Input *content;
    /* Goes through what was said of its recipients, as spool_record_verdicts(). */
    int (*verdicts)(const void *record, SpoolVerdictHandler handler, void *user, Failure *f);
    const void *record;
} NoticeSubject;

/* Appends a notice of it, envelope included. 1, and whom it is for in `ret_to`, which the caller
 * frees: notices_made() when it has a place. 0 when nobody is to be told, with a Failure where that
 * is not as it should be; or a negative errno with a Failure: to be tried again. */
int notices_format(Notices *notices, const NoticeSubject *subject, const MessageEnd *end,
    Buffer *out, char **ret_to, Failure *f);
void notices_made(Notices *notices, const NoticeSubject *subject, const MessageEnd *end);

/* What is a notice's own trouble must not keep its message from its end: 0 for that, else the
 * error. */
int notices_give_up(int error);
