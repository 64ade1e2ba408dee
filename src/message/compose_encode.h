/* Encoded words (RFC 2047) for the fields of a header. Inside the layer only. */
#pragma once

#include "base/buffer.h"

/* Appends UTF-8 text of one line; words that are not ASCII become encoded words. 0 or -ENOMEM. */
int compose_encode_text(const char *text, Buffer *out);

/* Appends a display name as a phrase (RFC 5322, 3.2.5): as it is, in quotes, or encoded. */
int compose_encode_phrase(const char *name, Buffer *out);
