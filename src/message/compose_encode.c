/* Encoded words. GMime could make them, but lets them grow beyond the 75 characters that RFC 2047
 * allows. Must never cut a character in two: each word is decoded for itself. */
#include "message/compose_encode.h"

#include <errno.h>
#include <gmime/gmime.h>

#include "base/text.h"
#include "message/glib_cleanup.h"

#define CHUNK_BYTES 45 /* 60 characters of base64, and 12 around them */

/* Bytes of the longest beginning of `text` that fits into one encoded word. */
static size_t chunk_size(const char *text, size_t n)
{
    if (n <= CHUNK_BYTES)
        return n;
    n = CHUNK_BYTES;
    while (((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static int append_encoded(const char *text, size_t n, Buffer *out)
{
    const char *separator = "";
    int r = 0;

    for (size_t size; n > 0 && r == 0; text += size, n -= size) {
        _cleanup_(gfree_p) char *base64 = NULL;

        size = chunk_size(text, n);
        base64 = g_base64_encode((const guchar *)text, size);
        r = buffer_appendf(out, "%s=?UTF-8?B?%s?=", separator, base64);
        separator = " ";
    }
    return r;
}

static const char *skip_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80)
        text++;
    return text;
}

/* The end of the words that are not ASCII, of which the first one is at `text`. */
static const char *end_of_run(const char *text)
{
    for (;;) {
        const char *end = text + strcspn(text, " \t"), *next = end + strspn(end, " \t");

        if (*next == '\0' || text_is_ascii(next, strcspn(next, " \t")))
            return end;
        text = next;
    }
}

int compose_encode_text(const char *text, Buffer *out)
{
    int r = 0;

    while (*text && r == 0) {
        const char *start = skip_ascii(text), *end = start;

        if (*start) {
            while (start > text && start[-1] != ' ' && start[-1] != '\t')
                start--;
            end = end_of_run(start);
        }
        r = buffer_append(out, text, (size_t)(start - text));
        if (r == 0)
            r = append_encoded(start, (size_t)(end - start), out);
        text = end;
    }
    return r;
}

int compose_encode_phrase(const char *name, Buffer *out)
{
    _cleanup_(gfree_p) char *quoted = NULL;

    if (!text_is_ascii(name, strlen(name)))
        return append_encoded(name, strlen(name), out);
    quoted = g_mime_utils_header_encode_phrase(NULL, name, NULL);
    return buffer_append_string(out, quoted);
}
