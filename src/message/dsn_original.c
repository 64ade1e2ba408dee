/* The last part of a report. Must never have a relay need more than 7-bit content in short lines:
 * what the message itself failed for would keep its sender from being told. */
#include "message/dsn_original.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/text.h"
#include "message/convert.h"
#include "message/envelope.h"
#include "message/form.h"
#include "message/header.h"

/* A header that is longer is cut behind a line. */
#define HEADER_MAX ((size_t)64 * 1024)

static int read_up_to(Input *input, size_t most, Buffer *out)
{
    while (buffer_size(out) < most) {
        char *room = buffer_reserve(out, MIN(most - buffer_size(out), (size_t)16 * 1024));
        ssize_t n = room ? input_read_at(input, room,
                               MIN(most - buffer_size(out), (size_t)16 * 1024), buffer_size(out))
                         : -ENOMEM;

        if (n <= 0)
            return (int)n;
        buffer_commit(out, (size_t)n);
    }
    return 0;
}

/* Where the header ends, or the last line that is there. */
static size_t header_size(const Buffer *text)
{
    const char *data = buffer_data(text), *end = data + buffer_size(text), *at = data;

    while (at < end) {
        const char *next = header_next_line(at, end);

        if (*at == '\n' || (*at == '\r' && next - at == 2))
            break;
        if (next == end && next[-1] != '\n' && at > data)
            break;
        at = next;
    }
    return (size_t)(at - data);
}

static bool is_whole(const Dsn *dsn)
{
    size_t n;
    const char *ret = envelope_parameter(dsn->sender_parameters, "RET", &n);

    return dsn->original->size <= dsn->original_size_max &&
           !(ret && n == strlen("HDRS") && strncasecmp(ret, "HDRS", n) == 0);
}

/* Takes the CR from in front of each LF: a report has one kind of line end. */
static int unify_lines(Buffer *text)
{
    const char *at = buffer_data(text), *end = at + buffer_size(text);
    Buffer lines = {0};
    int r = 0;

    if (buffer_size(text) == 0 || !memmem(at, buffer_size(text), "\r\n", 2))
        return 0;
    while (at < end && r >= 0) {
        const char *cr = memmem(at, (size_t)(end - at), "\r\n", 2) ?: end;

        r = buffer_append(&lines, at, (size_t)(cr - at));
        at = cr < end ? cr + 1 : end;
    }
    buffer_done(r < 0 ? &lines : text);
    if (r >= 0)
        *text = lines;
    return r;
}

/* As read_up_to(). */
static int read_lines(Input *input, size_t most, Buffer *out)
{
    int r = read_up_to(input, most, out);

    return r < 0 ? r : unify_lines(out);
}

static bool fits(const Buffer *text)
{
    return form_fits(buffer_data(text), buffer_size(text));
}

/* In place of the text; the type is the one that says so. */
static int quote(Buffer *text)
{
    Buffer quoted = {0};
    int r = encode_quoted_printable(buffer_data(text), buffer_size(text), &quoted);

    buffer_done(r < 0 ? &quoted : text);
    if (r >= 0)
        *text = quoted;
    return r;
}

/* As a relay gets it that takes no 8-bit content. 1; 0: it cannot be converted; or -ENOMEM. */
static int convert(Buffer *text)
{
    _cleanup_(convert_free_p) Convert *convert = NULL;
    _cleanup_buffer_ Buffer converted = {0};
    InputMemory input;
    int r;

    input_memory_init(&input, buffer_data(text), buffer_size(text));
    r = convert_new(&input.base, false, &convert, NULL);
    if (r >= 0)
        r = read_lines(convert_input(convert), SIZE_MAX, &converted);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    if (!fits(&converted))
        return 0;
    buffer_done(text);
    *text = converted;
    converted = (Buffer){0};
    return 1;
}

/* The whole message. 1; 0: it cannot be had in such a form; or -ENOMEM. A message/rfc822 is 7bit
 * here and so is its header (RFC 2046, 5.2.1); message/global may be encoded (RFC 6532, 3.7), but
 * not every reader knows it. */
static int make_whole(DsnOriginal *original)
{
    Buffer *text = &original->text;
    size_t n = header_size(text);
    int r = fits(text) ? 1 : text_is_ascii(buffer_data(text), n) ? convert(text) : 0;

    original->description = "Undelivered message";
    original->type = "message/rfc822";
    original->encoding = "7bit";
    if (r != 0)
        return r;
    if (!text_is_utf8(buffer_data(text), n))
        return 0;
    original->type = "message/global";
    original->encoding = "quoted-printable";
    r = quote(text);
    return r < 0 ? r : 1;
}

static int make_header(DsnOriginal *original)
{
    Buffer *text = &original->text;
    size_t n = header_size(text);

    buffer_truncate(text, n);
    original->description = "Header of the undelivered message";
    original->type = "text/rfc822-headers";
    original->encoding = "7bit";
    if (fits(text))
        return 0;
    if (!text_is_ascii(buffer_data(text), n))
        original->type = text_is_utf8(buffer_data(text), n)
                             ? "text/rfc822-headers; charset=utf-8"
                             : "text/rfc822-headers; charset=unknown-8bit";
    original->encoding = "quoted-printable";
    return quote(text);
}

int dsn_original_read(const Dsn *dsn, DsnOriginal *ret)
{
    bool whole = dsn->original && is_whole(dsn);
    int r;

    if (!dsn->original)
        return 0;
    r = read_lines(dsn->original, whole ? dsn->original_size_max + 1 : HEADER_MAX, &ret->text);
    if (r < 0)
        buffer_clear(&ret->text);
    if (buffer_size(&ret->text) == 0)
        return r == -ENOMEM ? r : 0;
    r = whole ? make_whole(ret) : 0;
    return r == 0 ? make_header(ret) : MIN(r, 0);
}

void dsn_original_done(DsnOriginal *original)
{
    buffer_done(&original->text);
}
