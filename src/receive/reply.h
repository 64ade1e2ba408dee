/* Replies to a client (RFC 5321, 4.2). */
#pragma once

#include "base/buffer.h"

/* Appends "CODE ENHANCED TEXT" in as many lines as it needs, none over the 512 octets of RFC 5321,
 * 4.5.3.1.5. `enhanced` may be NULL. What a line cannot hold is shown as "?". 0 or -ENOMEM. */
int receive_append_reply(Buffer *out, int code, const char *enhanced, const char *text);
