/* Text and attachments as MIME parts (RFC 2045, 2046), all of it 7-bit. Inside the layer only. */
#pragma once

#include "base/buffer.h"
#include "base/failure.h"

/* Appends the MIME fields but MIME-Version, the empty line and the body. 0, -EBADMSG with a
 * Failure, -ENOMEM. */
int compose_body_put(const char *text, const char *const *attachments, Buffer *out, Failure *f);

/* The same of text, in whatever characters, whose type has been said. */
int compose_body_put_encoded(const char *text, Buffer *out);

/* Appends the text with LF line ends, the last one included, and nothing else changed. */
int compose_body_put_raw(const char *text, Buffer *out);
