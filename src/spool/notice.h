/* A notice of what became of a message: a message of its own, which is on disk before that is
 * written down, and in the queue after it. So a process may die at any point, and there is never
 * none, nor a second one.
 *
 * It is `.notice-X` until X is `.failed`, and `X-notice.queued` then. */
#pragma once

#include "base/buffer.h"
#include "spool/spool.h"

/* Of the names of notices that are not in the queue yet. */
#define SPOOL_NOTICE_PREFIX ".notice-"

/* Makes the notice of the claim's message durable, in the place of one that a process which died
 * may have made. 0, or a negative errno with a Failure, and then there is none. */
int spool_notice_prepare(const SpoolClaim *claim, const Buffer *content, Failure *f);

/* Queues the notice that was made of the message when it was called `id`, once the disk has what
 * became of that; `ret_id` is the notice's own. 0; -ENOENT when somebody else has done so, or there
 * is none; or another negative errno. */
int spool_notice_queue(const Spool *spool, const char *id, char ret_id[static SPOOL_NAME_MAX]);

/* It is not to be queued. */
void spool_notice_drop(const Spool *spool, const char *id);

/* Whether this queue has made one that is not in the queue yet. */
bool spool_notice_is_there(const Spool *spool, const char *id);

/* Queues what a dead process has left under that file name: the message it is about is not being
 * sent any more. As spool_notice_queue(), and -EBUSY when it is. */
int spool_notice_recover(
    const Spool *spool, const char *file_name, char ret_id[static SPOOL_NAME_MAX]);
