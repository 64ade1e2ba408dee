/* ASCII text helpers that do not depend on the locale. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

/* A blank or a tab. */
static inline bool text_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The same, or what ends a line. */
static inline bool text_is_space(char c)
{
    return text_is_blank(c) || c == '\r' || c == '\n';
}

/* An ASCII letter or digit. */
static inline bool text_is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The small letter of an ASCII capital; any other character as it is. */
static inline char text_fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The capital of an ASCII small letter; any other character as it is. */
static inline char text_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Small letters for capitals of every script, so that names that differ in case alone are the same.
 * Caller frees. 0 or -ENOMEM. */
int text_fold_case(const char *text, char **ret);

/* Takes blanks off both ends, and a CR off the last one, in place; where the text begins. */
char *text_trim(char *text);

bool text_equal(const char *a, const char *b);        /* NULL equals only NULL */
bool text_equal_nocase(const char *a, const char *b); /* ASCII case folded */
/* Whether two addresses are the same mailbox: the case of a local part may matter to its host, that
 * of a domain never does (RFC 5321, 2.4). */
bool text_equal_mailbox(const char *a, const char *b);
bool text_starts_nocase(const char *text, const char *start); /* ASCII case folded */
bool text_ends(const char *text, const char *end);
bool text_ends_nocase(const char *text, const char *end); /* ASCII case folded */
/* Whether the text fits a pattern, in which "*" stands for any characters, or none; ASCII case
 * folded. In time that grows with the product of both lengths at most. */
bool text_fits(const char *pattern, const char *text);
bool text_is_ascii(const char *data, size_t n);
bool text_has_control(const char *text); /* of ASCII (RFC 20), DEL too */
/* Bytes of the well-formed UTF-8 character (RFC 3629) at `data`, of which there are `n` > 0; or 0.
 */
size_t text_character(const char *data, size_t n);
bool text_is_utf8(const char *data, size_t n); /* well-formed UTF-8 (RFC 3629), no NUL */

/* "90s", "5m", "2h", "5d", "1.5h" or plain seconds. 0, -EINVAL for another form, -ERANGE when too
 * large. */
int text_parse_duration(const char *text, usec_t *ret_usec);

/* The shortest form that text_parse_duration() reads back as the same: "5m", "90s", "1500ms"-free.
 * Caller frees. */
char *text_format_duration(usec_t usec);

/* "64K", "10M", "2G" or bytes. 0, -EINVAL, -ERANGE. */
int text_parse_size(const char *text, uint64_t *ret_bytes);

/* Edits needed to turn `a` into `b` (Damerau-Levenshtein, ASCII case folded); for "did you mean".
 */
size_t text_distance(const char *a, const char *b);

/* Bytes of the character at `data` (of `n` > 0 bytes) that a terminal shows and does not obey. 0
 * where there is none, so that the first byte is to be escaped: a control, a mark of direction, the
 * end of a line or paragraph, or not UTF-8. */
size_t text_plain(const char *data, size_t n);

/* A copy in which all that is not plain is written as \xNN, cut to
 * `max` bytes at a character border with "..." behind; fit for a log line or a terminal. Caller
 * frees; NULL when memory is short. */
char *text_printable(const char *data, size_t n, size_t max);
char *text_printable_whole(const char *data, size_t n); /* the same, not cut */
