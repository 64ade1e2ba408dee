/* base64 and quoted-printable. Must never write a line that is longer than 76 characters, nor a
 * blank at the end of one, which relays take away. */
#include "base/encode.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

#define COLUMNS 76
#define GROUP_BYTES 3
#define GROUP_CHARACTERS 4
#define LINE_BYTES (COLUMNS / GROUP_CHARACTERS * GROUP_BYTES)
#define LINE_END_MAX 2
#define PIECE_MAX ((size_t)72 * LINE_BYTES) /* bytes that room is made for at once */

static inline char *put_line_end(char *to, const char *line_end)
{
    while (*line_end)
        *to++ = *line_end++;
    return to;
}

/* ---- base64 ---- */

/* Up to three bytes as four characters. */
static inline void encode_group(const unsigned char *data, size_t n, char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = (unsigned)data[0] << 16 | (n > 1 ? (unsigned)data[1] << 8 : 0) |
                    (n > 2 ? (unsigned)data[2] : 0);

    to[0] = digits[bits >> 18];
    to[1] = digits[bits >> 12 & 63];
    to[2] = n > 1 ? digits[bits >> 6 & 63] : '=';
    to[3] = n > 2 ? digits[bits & 63] : '=';
}

/* All of it; the last group is filled up. Returns where the characters end. */
static char *encode_groups(const unsigned char *data, size_t n, char *to)
{
    for (; n >= GROUP_BYTES; data += GROUP_BYTES, n -= GROUP_BYTES, to += GROUP_CHARACTERS)
        encode_group(data, GROUP_BYTES, to);
    if (n == 0)
        return to;
    encode_group(data, n, to);
    return to + GROUP_CHARACTERS;
}

int encode_base64(const void *data, size_t n, Buffer *out)
{
    size_t size = encode_base64_size(n);
    char *to = buffer_reserve(out, size);

    if (!to)
        return -ENOMEM;
    (void)encode_groups(data, n, to);
    buffer_commit(out, size);
    return 0;
}

/* Writes a group, and the end of a line that is full with it. */
static char *put_group(Base64Lines *lines, const unsigned char *data, size_t n, char *to)
{
    encode_group(data, n, to);
    to += GROUP_CHARACTERS;
    lines->column += GROUP_CHARACTERS;
    if (lines->column < COLUMNS)
        return to;
    lines->column = 0;
    return put_line_end(to, lines->line_end);
}

/* Room for so many groups, of which each may end a line. */
static char *reserve_groups(size_t n, Buffer *out)
{
    return buffer_reserve(out, n * (GROUP_CHARACTERS + LINE_END_MAX));
}

static int add_piece(Base64Lines *lines, const unsigned char *at, size_t n, Buffer *out)
{
    char *start = reserve_groups((lines->n_group + n) / GROUP_BYTES, out), *to = start;

    if (!start)
        return -ENOMEM;
    while (lines->n_group > 0 && n > 0) {
        lines->group[lines->n_group++] = *at++;
        n--;
        if (lines->n_group < GROUP_BYTES)
            continue;
        to = put_group(lines, lines->group, GROUP_BYTES, to);
        lines->n_group = 0;
    }
    for (; lines->column == 0 && n >= LINE_BYTES; at += LINE_BYTES, n -= LINE_BYTES)
        to = put_line_end(encode_groups(at, LINE_BYTES, to), lines->line_end);
    for (; n >= GROUP_BYTES; at += GROUP_BYTES, n -= GROUP_BYTES)
        to = put_group(lines, at, GROUP_BYTES, to);
    while (n-- > 0)
        lines->group[lines->n_group++] = *at++;
    buffer_commit(out, (size_t)(to - start));
    return 0;
}

int base64_lines_add(Base64Lines *lines, const void *data, size_t n, Buffer *out)
{
    const unsigned char *at = data;
    int r = 0;

    for (size_t size; n > 0 && r >= 0; at += size, n -= size) {
        size = MIN(n, PIECE_MAX);
        r = add_piece(lines, at, size, out);
    }
    return r;
}

int base64_lines_finish(Base64Lines *lines, Buffer *out)
{
    char *start = reserve_groups(1, out), *to = start;

    if (!start)
        return -ENOMEM;
    if (lines->n_group > 0)
        to = put_group(lines, lines->group, lines->n_group, to);
    if (lines->column > 0)
        to = put_line_end(to, lines->line_end);
    lines->n_group = lines->column = 0;
    buffer_commit(out, (size_t)(to - start));
    return 0;
}

int encode_base64_lines(const void *data, size_t n, Buffer *out)
{
    Base64Lines lines = {.line_end = "\n"};
    int r = base64_lines_add(&lines, data, n, out);

    return r < 0 ? r : base64_lines_finish(&lines, out);
}

/* ---- quoted-printable ---- */

void encode_code(char to[static ENCODE_CODE_SIZE], char mark, char c)
{
    static const char digits[] = "0123456789ABCDEF";

    to[0] = mark;
    to[1] = digits[(unsigned char)c >> 4];
    to[2] = digits[(unsigned char)c & 15];
}

/* Whether the character stands for itself; `is_last`: the line ends behind it. */
static bool is_plain(char c, bool is_last)
{
    return text_is_blank(c) ? !is_last : c > ' ' && c < 0x7f && c != '=';
}

/* A soft line break. */
static char *break_line(QuotedLines *lines, char *to)
{
    *to = '=';
    lines->column = 0;
    return put_line_end(to + 1, lines->line_end);
}

/* What comes of one character. The last place of a line is the soft break's, unless the line ends
 * there by itself. */
static char *put_quoted(QuotedLines *lines, char c, bool is_last, char *to)
{
    bool begins_code = lines->is_quoted && c == '='; /* the other two characters stay with it */
    bool plain = begins_code || is_plain(c, is_last);
    size_t width = plain ? 1 : ENCODE_CODE_SIZE;
    size_t room = begins_code && !is_last ? ENCODE_CODE_SIZE : width;

    if (lines->column + room + !is_last > COLUMNS)
        to = break_line(lines, to);
    lines->column += width;
    if (plain)
        *to = c;
    else
        encode_code(to, '=', c);
    return to + width;
}

static char *end_line(QuotedLines *lines, char *to)
{
    lines->column = 0;
    return put_line_end(to, lines->line_end);
}

/* Room for what comes of a line's end and of so many characters and the one that is held: each may
 * be a code behind a soft break. */
static char *reserve_quoted(size_t n, Buffer *out)
{
    return buffer_reserve(out, (n + 2) * (1 + LINE_END_MAX + ENCODE_CODE_SIZE));
}

static int add_quoted(QuotedLines *lines, const char *text, size_t n, bool ends, Buffer *out)
{
    char *start = reserve_quoted(n, out), *to = start;

    if (!start)
        return -ENOMEM;
    if (lines->held && (n > 0 || ends)) {
        to = put_quoted(lines, lines->held, n == 0, to);
        lines->held = '\0';
    }
    if (n > 0 && !ends && text_is_blank(text[n - 1]))
        lines->held = text[--n];
    for (size_t i = 0; i < n; i++)
        to = put_quoted(lines, text[i], ends && i + 1 == n, to);
    if (ends)
        to = end_line(lines, to);
    buffer_commit(out, (size_t)(to - start));
    return 0;
}

int quoted_lines_add(QuotedLines *lines, const char *text, size_t n, bool ends, Buffer *out)
{
    int r = 0;

    for (; n > PIECE_MAX && r >= 0; text += PIECE_MAX, n -= PIECE_MAX)
        r = add_quoted(lines, text, PIECE_MAX, false, out);
    return r < 0 ? r : add_quoted(lines, text, n, ends, out);
}

int quoted_lines_finish(QuotedLines *lines, Buffer *out)
{
    return lines->column > 0 || lines->held ? add_quoted(lines, "", 0, true, out) : 0;
}

int encode_quoted_printable(const char *text, size_t n, Buffer *out)
{
    QuotedLines lines = {.line_end = "\n"};
    int r = 0;

    for (size_t size; n > 0 && r >= 0; text += size, n -= size) {
        const char *end = memchr(text, '\n', n);

        size = end ? (size_t)(end - text) + 1 : n;
        r = quoted_lines_add(&lines, text, size - (end != NULL), end, out);
    }
    return r < 0 ? r : quoted_lines_finish(&lines, out);
}

int encode_setting(const char *text, Buffer *out)
{
    int r = buffer_append(out, "\"", 1);

    for (; *text && r >= 0; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            r = buffer_appendf(out, "\\x%02x", (unsigned char)*text);
            continue;
        }
        if (*text == '"' || *text == '\\')
            r = buffer_append(out, "\\", 1);
        if (r >= 0)
            r = buffer_append(out, text, 1);
    }
    return r < 0 ? r : buffer_append(out, "\"", 1);
}
