/* Changing the envelope block in front of a message. Must never let a field of the old envelope, or
 * of the new one, become part of the header, nor a field of the header part of the envelope. */
#include "message/readdress.h"

#include <string.h>

#include "message/header.h"
#include "message/origin.h"

/* What is put in front is not where these may stand. */
static void skip_byte_order_mark(HeaderCursor *cursor)
{
    if (cursor->end - cursor->at >= 3 && memcmp(cursor->at, "\xef\xbb\xbf", 3) == 0)
        cursor->at += 3;
}

static const char *line_end(const char *data, size_t n)
{
    const char *newline = memchr(data, '\n', n);

    return newline && newline > data && newline[-1] == '\r' ? "\r\n" : "\n";
}

static int append_field(
    Buffer *out, const char *name, const char *address, const char *parameters, const char *end)
{
    return buffer_appendf(
        out, "%s: <%s>%s%s%s", name, address, parameters ? " " : "", parameters ?: "", end);
}

static int append_envelope(Buffer *out, const Envelope *e, const char *end)
{
    int r = 0;

    if (e->sender)
        r = append_field(out, "X-Sender", e->sender, e->sender_parameters, end);
    for (size_t i = 0; r >= 0 && i < e->n_recipients; i++)
        r = append_field(
            out, "X-Receiver", e->recipients[i].address, e->recipients[i].parameters, end);
    return r;
}

/* The old block, but for what is replaced. The cursor is moved behind it. Returns whether it has a
 * field that ends it. */
static int append_rest_of_block(
    Buffer *out, HeaderCursor *cursor, const char *end, const Envelope *e, Failure *f)
{
    bool has_end = false;
    HeaderField field;
    int r = 0;

    while (r >= 0 && cursor->at < end) {
        r = header_next(cursor, &field, f);
        has_end = r > 0 && field.kind == FIELD_X_END;
        if (r <= 0 || (field.kind == FIELD_X_SENDER && e->sender) ||
            (field.kind == FIELD_X_RECEIVER && e->n_recipients > 0))
            continue;
        r = buffer_append(out, field.name, (size_t)(field.end - field.name));
    }
    return r < 0 ? r : has_end;
}

/* A header may begin with fields that would belong to an envelope block before it; where it does,
 * this field ends the block. */
static int append_end_of_block(Buffer *out, HeaderCursor next, const char *end)
{
    HeaderField field;

    if (header_next(&next, &field, NULL) <= 0 || field.kind < FIELD_X_SENDER ||
        field.kind > FIELD_X_END)
        return 0;
    return buffer_appendf(out, "X-EndOfInjectedXHeaders: 0%s", end);
}

int message_readdress(const char *data, size_t n, const Envelope *envelope, const char *added,
    Buffer *out, Failure *f)
{
    HeaderCursor cursor = {.at = data, .end = data + n, .line = 1}, behind;
    const char *end = line_end(data, n);
    Envelope own = {0};
    size_t header_end;
    int r;

    if (!envelope->sender && envelope->n_recipients == 0 && !added)
        return buffer_append(out, data, n);
    if (header_find_end(data, n, 0, &header_end))
        cursor.end = data + header_end;
    skip_byte_order_mark(&cursor);
    header_skip_mbox_line(&cursor);
    behind = cursor;
    r = origin_read_block(&behind, &own, f);
    envelope_done(&own);
    if (r >= 0)
        r = append_envelope(out, envelope, end);
    if (r >= 0)
        r = append_rest_of_block(out, &cursor, behind.at, envelope, f);
    header_skip_mbox_line(&behind);
    if (r == 0)
        r = append_end_of_block(out, behind, end);
    if (r >= 0 && added)
        r = buffer_append_string(out, added);
    return r < 0 ? r : buffer_append(out, behind.at, (size_t)(data + n - behind.at));
}
