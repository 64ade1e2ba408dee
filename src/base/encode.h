/* The transfer encodings of MIME (RFC 2045, 6.7 and 6.8): bytes become lines of ASCII of at most 76
 * characters, ended by LF. */
#pragma once

#include <stddef.h>

#include "base/buffer.h"

/* Characters of the base64 of `n` bytes, without line ends. */
static inline size_t encode_base64_size(size_t n)
{
    return (n + 2) / 3 * 4;
}

/* Appends the base64 of the bytes, on one line without an end. 0 or -ENOMEM. */
int encode_base64(const void *data, size_t n, Buffer *out);

/* The same in lines, of which the last is ended, too. 0 or -ENOMEM. */
int encode_base64_lines(const void *data, size_t n, Buffer *out);

/* Appends text, whose lines end with LF, quoted-printable; whole characters of UTF-8 need not stay
 * on one line. What the text does not end with is not added. 0 or -ENOMEM. */
int encode_quoted_printable(const char *text, size_t n, Buffer *out);
