/* The transfer encodings of MIME (RFC 2045, 6.7 and 6.8): bytes become lines of ASCII of at most 76
 * characters. What is whole is encoded at once, and its lines end with LF; what comes in pieces is
 * added piece by piece, and its lines end as is said. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* The code of a byte in quoted-printable, and in the encoded words that follow it. */
#define ENCODE_CODE_SIZE 3

/* Writes it: "=XX"; another mark than "=" is the percent-encoding of RFC 2231. */
void encode_code(char to[static ENCODE_CODE_SIZE], char mark, char c);

/* Characters of the base64 of `n` bytes, without line ends. */
static inline size_t encode_base64_size(size_t n)
{
    return (n + 2) / 3 * 4;
}

/* Appends the base64 of the bytes, on one line without an end. 0 or -ENOMEM. */
int encode_base64(const void *data, size_t n, Buffer *out);

/* The same in lines, of which the last is ended, too. 0 or -ENOMEM. */
int encode_base64_lines(const void *data, size_t n, Buffer *out);

/* Appends text, whose lines end with LF, quoted-printable, the last line ended, too; whole
 * characters of UTF-8 need not stay on one line. 0 or -ENOMEM. */
int encode_quoted_printable(const char *text, size_t n, Buffer *out);

/* Appends the text in quotes, as a value of a configuration that libconfig reads, and as no more
 * than that whatever is in it. 0 or -ENOMEM. */
int encode_setting(const char *text, Buffer *out);

/* ---- in pieces ---- */

/* Begun as `{.line_end = "\r\n"}`. */
typedef struct Base64Lines {
    const char *line_end;
    size_t column;
    unsigned char group[3]; /* bytes that make no whole group yet */
    size_t n_group;
} Base64Lines;

int base64_lines_add(Base64Lines *lines, const void *data, size_t n, Buffer *out);

/* Ends the last line, where there is one. */
int base64_lines_finish(Base64Lines *lines, Buffer *out);

/* Begun in the same way. */
typedef struct QuotedLines {
    const char *line_end;
    bool is_quoted; /* what is added is quoted-printable already, and its "=" stay */
    char held;      /* a blank that may be the last of its line; NUL: none */
    size_t column;
} QuotedLines;

/* Adds a part of a line, which `ends` behind it or goes on with what is added next. */
int quoted_lines_add(QuotedLines *lines, const char *text, size_t n, bool ends, Buffer *out);

/* Ends a line that was left open. */
int quoted_lines_finish(QuotedLines *lines, Buffer *out);
