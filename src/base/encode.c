/* base64 and quoted-printable. Must never write a line that is longer than 76 characters, nor a
 * blank at the end of one, which relays take away. */
#include "base/encode.h"

#include <errno.h>
#include <stdbool.h>

#include "base/macros.h"

#define LINE_MAX_CHARACTERS 76
#define LINE_BYTES (LINE_MAX_CHARACTERS / 4 * 3)

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- base64 ---- */

/* Up to three bytes as four characters. */
static void encode_group(const unsigned char *data, size_t n, char *to)
{
    unsigned bits = (unsigned)data[0] << 16 | (n > 1 ? (unsigned)data[1] << 8 : 0) |
                    (n > 2 ? (unsigned)data[2] : 0);

    to[0] = base64_digits[bits >> 18];
    to[1] = base64_digits[bits >> 12 & 63];
    to[2] = n > 1 ? base64_digits[bits >> 6 & 63] : '=';
    to[3] = n > 2 ? base64_digits[bits & 63] : '=';
}

int encode_base64(const void *data, size_t n, Buffer *out)
{
    const unsigned char *at = data;
    size_t size = encode_base64_size(n);
    char *to = buffer_reserve(out, size);

    if (!to)
        return -ENOMEM;
    for (size_t i = 0; i < n; i += 3, to += 4)
        encode_group(at + i, MIN(n - i, (size_t)3), to);
    buffer_commit(out, size);
    return 0;
}

int encode_base64_lines(const void *data, size_t n, Buffer *out)
{
    const char *at = data;
    int r = 0;

    for (size_t size; n > 0 && r >= 0; at += size, n -= size) {
        size = MIN(n, (size_t)LINE_BYTES);
        r = encode_base64(at, size, out);
        if (r >= 0)
            r = buffer_append(out, "\n", 1);
    }
    return r;
}

/* ---- quoted-printable ---- */

/* Whether the character stands for itself, `next` being the one behind it (LF at the end). */
static bool is_plain(char c, char next)
{
    if (c == ' ' || c == '\t')
        return next != '\n';
    return c > ' ' && c < 0x7f && c != '=';
}

int encode_quoted_printable(const char *text, size_t n, Buffer *out)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t column = 0;
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++) {
        char next = i + 1 < n ? text[i + 1] : '\n';
        bool plain = is_plain(text[i], next);
        unsigned char c = (unsigned char)text[i];
        const char code[] = {'=', hex[c >> 4], hex[c & 15]};
        size_t width = plain ? 1 : sizeof(code);

        if (c == '\n') {
            r = buffer_append(out, "\n", 1);
            column = 0;
            continue;
        }
        /* The last place of a line is the soft break's, unless the line ends there by itself. */
        if (column + width > LINE_MAX_CHARACTERS - (size_t)(next != '\n' || i + 1 == n)) {
            r = buffer_append_string(out, "=\n");
            column = 0;
        }
        if (r >= 0)
            r = plain ? buffer_append(out, text + i, 1) : buffer_append(out, code, sizeof(code));
        column += width;
    }
    return r;
}
