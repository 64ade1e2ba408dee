/* Who a message is from and for, as its header says: the envelope block before it, or the fields
 * of RFC 5322, 3.6.2, 3.6.3 and 3.6.6.
 *
 * Inside the layer only. Results are 0, -EBADMSG with a Failure, or -ENOMEM. */
#pragma once

#include "base/failure.h"
#include "message/envelope.h"
#include "message/header.h"

/* Sets a sender, a lane and recipients that the envelope does not have yet from the envelope block;
 * a sender and recipients that it has inherit the parameters there. */
int origin_read_block(HeaderCursor block, Envelope *e, Failure *f);

/* Sets a sender and recipients that the envelope does not have yet from the header's fields. The
 * header has been walked: no line is malformed, and `kinds` are those there are, so that none is
 * looked for in vain.
 * -EBADMSG with ERROR_NO_SENDER or ERROR_NO_RECIPIENT when they name none. */
int origin_complete(const HeaderCursor *header, unsigned kinds, Envelope *e, Failure *f);

/* Adds those whom To names to `e`, and then those of Cc, or of the topmost Resent- block; *ret_to
 * is how many there are behind To. A field that cannot be read names nobody. 0 or -ENOMEM. */
int origin_list(const HeaderCursor *header, Envelope *e, size_t *ret_to);

/* One call for each field that names recipients of this sending: the topmost Resent- block's, where
 * it names any, else the message's own. A negative result of the handler
 * ends it, and is returned. */
typedef int (*OriginField)(void *user, const HeaderField *field);
int origin_recipient_fields(const HeaderCursor *header, OriginField handler, void *user);

/* The domain of the first address in From; NULL: there is none. Borrowed from `ret`, which has room
 * for ADDRESS_MAX bytes and a NUL. */
const char *origin_author_domain(HeaderCursor header, char *ret);
