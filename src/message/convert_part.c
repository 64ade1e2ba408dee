/* Lines, and fields of MIME headers (RFC 2045, 5 and 6; RFC 2046, 5.1). Must never hand out more of
 * a line than fits, nor read a header past its end. */
#include "message/convert_part.h"

#include <string.h>
#include <strings.h>

#include "base/macros.h"

void line_seek(LineReader *reader, Input *input, uint64_t at)
{
    uint64_t first = reader->at - reader->start;
    bool is_here = reader->input == input && at >= first && at - first <= reader->end;

    reader->input = input;
    reader->at = at;
    reader->start = is_here ? (size_t)(at - first) : 0;
    reader->end = is_here ? reader->end : 0;
    reader->ended = is_here && reader->ended;
    reader->inside = false;
}

/* Reads on until a fragment and its line end are there, or the input ends. */
static int fill(LineReader *reader)
{
    size_t have = reader->end - reader->start;

    if (have >= CONVERT_FRAGMENT + 2 || reader->ended)
        return 0;
    memmove(reader->data, reader->data + reader->start, have);
    reader->start = 0;
    reader->end = have;
    while (reader->end < CONVERT_FRAGMENT + 2) {
        ssize_t n = input_read_at(reader->input, reader->data + reader->end,
            sizeof(reader->data) - reader->end, reader->at + reader->end);

        reader->ended = n == 0;
        if (n <= 0)
            return (int)n;
        reader->end += (size_t)n;
    }
    return 0;
}

int line_next(LineReader *reader, Line *ret)
{
    int r = fill(reader);
    const char *at = reader->data + reader->start;
    size_t have = reader->end - reader->start, most = MIN(have, (size_t)CONVERT_FRAGMENT), n = 0;

    if (r < 0 || have == 0)
        return r;
    while (n < most && at[n] != '\r' && at[n] != '\n')
        n++;
    *ret = (Line){.data = at, .n = n, .begins = !reader->inside};
    if (n < most) /* there is one byte more than a fragment, so that CRLF is never torn */
        ret->end = at[n] == '\r' && n + 1 < have && at[n + 1] == '\n' ? 2 : 1;
    reader->inside = ret->end == 0;
    reader->start += n + ret->end;
    reader->at += n + ret->end;
    return 1;
}

/* ---- fields ---- */

size_t part_field_length(const char *at, const char *end)
{
    const char *p = at;

    do {
        p = memchr(p, '\n', (size_t)(end - p)) ?: end - 1;
        p++;
    } while (p < end && (*p == ' ' || *p == '\t'));
    return (size_t)(p - at);
}

bool part_field_is(const char *at, const char *end, const char *name)
{
    size_t n = strlen(name);

    if ((size_t)(end - at) <= n || strncasecmp(at, name, n) != 0)
        return false;
    for (at += n; at < end && (*at == ' ' || *at == '\t'); at++)
        continue;
    return at < end && *at == ':';
}

const char *part_field_value(const char *at, const char *end)
{
    const char *value = memchr(at, ':', (size_t)(end - at));

    for (value++; value < end && strchr(" \t\r\n", *value); value++)
        continue;
    return value;
}

/* The value of a field, unfolded, as far as it fits. */
static void copy_value(const char *at, size_t n, char *ret, size_t size)
{
    const char *end = at + n;
    size_t used = 0;

    for (const char *p = part_field_value(at, end); p < end && used + 1 < size; p++)
        if (*p != '\r' && *p != '\n')
            ret[used++] = *p == '\0' || *p == '\t' ? ' ' : *p;
    while (used > 0 && ret[used - 1] == ' ')
        used--;
    ret[used] = '\0';
}

static bool starts(const char *text, const char *start)
{
    return strncasecmp(text, start, strlen(start)) == 0;
}

static bool is_type(const char *value, const char *type)
{
    return starts(value, type) && strchr("; \t(", value[strlen(type)]);
}

/* The parameter's value: a token, or quoted. False when there is none that fits. */
static bool find_boundary(const char *value, char ret[static CONVERT_BOUNDARY_MAX + 1])
{
    const char *at = value;
    bool quoted;
    size_t n = 0;

    do {
        at = strchr(at, ';');
        if (!at)
            return false;
        at += 1 + strspn(at + 1, " ");
    } while (!starts(at, "boundary=") && !starts(at, "boundary ="));
    at = strchr(at, '=') + 1;
    at += strspn(at, " ");
    quoted = *at == '"';
    for (at += quoted; *at && (quoted ? *at != '"' : !strchr("; ", *at)); at++) {
        if (n == CONVERT_BOUNDARY_MAX)
            return false;
        at += quoted && *at == '\\' && at[1];
        ret[n++] = *at;
    }
    while (n > 0 && ret[n - 1] == ' ')
        n--;
    ret[n] = '\0';
    return n > 0;
}

static void read_type(const char *value, Part *part)
{
    part->has_type = *value != '\0';
    if (starts(value, "multipart/")) {
        bool may = !starts(value, "multipart/signed") && find_boundary(value, part->boundary);

        part->kind = may ? PART_MULTIPART : PART_FIXED;
        part->is_digest = is_type(value, "multipart/digest");
    } else if (is_type(value, "message/rfc822")) {
        part->kind = PART_MESSAGE;
    } else if (starts(value, "message/global")) {
        part->kind = PART_OTHER; /* they may be encoded (RFC 6532, 3.7; RFC 6533) */
    } else if (starts(value, "message/")) {
        part->kind = PART_FIXED;
    } else if (!starts(value, "text/") && *value) {
        part->kind = PART_OTHER;
    }
}

static PartEncoding read_encoding(const char *value)
{
    if (starts(value, "quoted-printable"))
        return ENCODING_QUOTED;
    if (starts(value, "base64"))
        return ENCODING_BASE64;
    return starts(value, "7bit") || starts(value, "8bit") || starts(value, "binary") || !*value
               ? ENCODING_PLAIN
               : ENCODING_UNKNOWN;
}

void part_read(const char *header, size_t n, bool in_digest, Part *ret)
{
    const char *end = header + n;
    char value[1024];

    *ret = (Part){.kind = PART_TEXT};
    for (const char *at = header; at < end; at += part_field_length(at, end)) {
        size_t length = part_field_length(at, end);

        if (part_field_is(at, end, "MIME-Version")) {
            ret->has_version = true;
        } else if (part_field_is(at, end, "Content-Type") && !ret->has_type) {
            copy_value(at, length, value, sizeof(value));
            read_type(value, ret);
        } else if (part_field_is(at, end, "Content-Transfer-Encoding")) {
            copy_value(at, length, value, sizeof(value));
            ret->encoding = read_encoding(value);
        }
    }
    if (in_digest && !ret->has_type)
        ret->kind = PART_MESSAGE;
    if (ret->encoding != ENCODING_PLAIN &&
        (ret->kind == PART_MULTIPART || ret->kind == PART_MESSAGE))
        ret->kind = PART_OTHER;
}
