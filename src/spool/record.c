/* Formatting the lines of a record. Must never produce a line that is not JSON, whatever bytes it
 * is told, nor one that readers would find too long (RECORD_LINE_MAX). */
#include "spool/record.h"

#include "base/text.h"

/* Bytes of each member; six times that when all are escaped. */
#define TEXT_BYTES_MAX ((size_t)8 * 1024)

/* Length of the well-formed UTF-8 character at `s` (at most `n` bytes), or 0. */
static size_t character(const char *s, size_t n)
{
    for (size_t length = 1; length <= 4 && length <= n; length++)
        if (text_is_utf8(s, length))
            return length;
    return 0;
}

/* How much of the text is written: all, unless it is very long. */
static size_t length_of(const char *text)
{
    size_t n = strnlen(text, TEXT_BYTES_MAX + 1);

    if (n <= TEXT_BYTES_MAX)
        return n;
    for (n = TEXT_BYTES_MAX; n > TEXT_BYTES_MAX - 4 && ((unsigned char)text[n] & 0xc0) == 0x80;)
        n--;
    return n;
}

/* The text as a JSON string: always valid, whatever the bytes were. */
static int append_string(Buffer *b, const char *text)
{
    size_t n = length_of(text), length;
    int r = buffer_append(b, "\"", 1);

    for (; n > 0 && r >= 0; text += length, n -= length) {
        length = character(text, n);
        if (length == 0) {
            length = 1;
            r = buffer_append_string(b, "\xef\xbf\xbd"); /* U+FFFD */
        } else if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            r = buffer_appendf(b, "\\u%04x", (unsigned)(unsigned char)*text);
        } else {
            if (*text == '"' || *text == '\\')
                r = buffer_append(b, "\\", 1);
            if (r >= 0)
                r = buffer_append(b, text, length);
        }
    }
    return r < 0 ? r : buffer_append(b, "\"", 1);
}

/* `,"NAME":"VALUE"`; nothing for NULL. */
static int append_member(Buffer *b, const char *name, const char *value)
{
    int r;

    if (!value)
        return 0;
    r = buffer_appendf(b, ",\"%s\":", name);
    return r < 0 ? r : append_string(b, value);
}

static int append_start(Buffer *b, usec_t now, const char *event)
{
    char time[RFC3339_MAX];

    return buffer_appendf(
        b, "{\"time\":\"%s\",\"event\":\"%s\"", clock_format_rfc3339(now, time), event);
}

/* Ends the line, or takes back what was written of it when memory was short for some part. */
static int finish(Buffer *b, size_t size_before, int r)
{
    if (r >= 0)
        r = buffer_append(b, "}\n", 2);
    if (r < 0)
        b->end -= buffer_size(b) - size_before;
    return r;
}

int spool_record_outcome(Buffer *lines, usec_t now, const char *recipient, unsigned attempt,
    const DeliveryOutcome *outcome, const SpoolVia *via)
{
    DeliveryKind kind = outcome->kind == DELIVERY_CUT_OFF ? DELIVERY_DEFERRED : outcome->kind;
    size_t before = buffer_size(lines);
    int r = append_start(lines, now, delivery_kind_name(kind));

    if (r >= 0)
        r = append_member(lines, "recipient", recipient);
    if (r >= 0)
        r = buffer_appendf(lines, ",\"attempt\":%u,\"code\":%d", attempt, outcome->code);
    if (r >= 0)
        r = append_member(lines, "enhanced", outcome->enhanced);
    if (r >= 0)
        r = append_member(lines, "stage", delivery_stage_name(outcome->stage));
    if (r >= 0)
        r = append_member(lines, "text", outcome->text);
    if (r >= 0)
        r = append_member(lines, "relay", via->relay);
    if (r >= 0)
        r = append_member(lines, "address", via->address);
    if (r >= 0)
        r = append_member(lines, "tls", via->tls);
    return finish(lines, before, r);
}

int spool_record_retry(Buffer *lines, usec_t now, unsigned attempt, usec_t next, const char *hint)
{
    size_t before = buffer_size(lines);
    char time[RFC3339_MAX];
    int r = append_start(lines, now, "retry");

    if (r >= 0)
        r = buffer_appendf(lines, ",\"attempt\":%u", attempt);
    if (r >= 0)
        r = append_member(lines, "next", clock_format_rfc3339(next, time));
    if (r >= 0)
        r = append_member(lines, "hint", hint);
    return finish(lines, before, r);
}

int spool_record_queued(Buffer *lines, usec_t now)
{
    size_t before = buffer_size(lines);

    return finish(lines, before, append_start(lines, now, "queued"));
}

int spool_record_warned(Buffer *lines, usec_t now)
{
    size_t before = buffer_size(lines);

    return finish(lines, before, append_start(lines, now, "warned"));
}

int spool_record_sent(Buffer *lines, usec_t now)
{
    size_t before = buffer_size(lines);

    return finish(lines, before, append_start(lines, now, "sent"));
}

int spool_record_failed(Buffer *lines, usec_t now, int error, const char *text, const char *hint)
{
    size_t before = buffer_size(lines);
    int r = append_start(lines, now, "failed");

    if (r >= 0)
        r = buffer_appendf(lines, ",\"error\":%d", error);
    if (r >= 0)
        r = append_member(lines, "text", text);
    if (r >= 0)
        r = append_member(lines, "hint", hint);
    return finish(lines, before, r);
}
