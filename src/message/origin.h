/* Who a message is from and for, as its header says: the envelope block before it, or the fields
 * of RFC 5322, 3.6.2, 3.6.3 and 3.6.6.
 *
 * Inside the layer only. Results are 0, -EBADMSG with a Failure, or -ENOMEM. */
#pragma once

#include "base/failure.h"
#include "message/envelope.h"
#include "message/header.h"

/* Reads the envelope block that leads the header and moves the cursor behind it. Exchange's fields
 * alone are no such block: other programs use the same names. */
int origin_read_block(HeaderCursor *cursor, Envelope *e, Failure *f);

/* Sets a sender and recipients that the envelope does not have yet from the header's fields. The
 * header has been walked: no line is malformed, and `kinds` are those there are, so that none is
 * looked for in vain.
 * -EBADMSG with ERROR_NO_SENDER or ERROR_NO_RECIPIENT when they name none. */
int origin_complete(const HeaderCursor *header, unsigned kinds, Envelope *e, Failure *f);
