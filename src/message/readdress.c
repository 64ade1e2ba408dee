/* Changing the envelope block in front of a message. Must never let a field of the old envelope, or
 * of the new one, become part of the header, nor a field of the header part of the envelope. */
#include "message/readdress.h"

#include <string.h>

#include "base/text.h"
#include "message/field_syntax.h"
#include "message/header.h"

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
    if (r >= 0 && e->lane)
        r = buffer_appendf(out, "X-Outbox-Lane: %s%s", e->lane, end);
    for (size_t i = 0; r >= 0 && i < e->n_recipients; i++)
        r = append_field(
            out, "X-Receiver", e->recipients[i].address, e->recipients[i].parameters, end);
    return r;
}

/* The old block, but for what is replaced. */
static int append_rest_of_block(Buffer *out, HeaderCursor block, const Envelope *e)
{
    HeaderField field;
    int r = 0;

    while (r >= 0 && header_next(&block, &field, NULL) > 0) {
        if ((field.kind == FIELD_X_SENDER && e->sender) ||
            (field.kind == FIELD_X_RECEIVER && e->n_recipients > 0) ||
            (e->lane && header_field_is(&field, "X-Outbox-Lane")))
            continue;
        r = buffer_append(out, field.name, (size_t)(field.end - field.name));
    }
    return r;
}

/* A header may begin with fields that would belong to an envelope block before it; where it does,
 * this field ends the block, unless one does already. */
static int append_end_of_block(Buffer *out, HeaderParts parts, const char *end)
{
    HeaderField field;

    while (header_next(&parts.block, &field, NULL) > 0)
        if (field.kind == FIELD_X_END)
            return 0;
    if (header_next(&parts.header, &field, NULL) <= 0 || field.kind < FIELD_X_SENDER ||
        field.kind > FIELD_X_END)
        return 0;
    return buffer_appendf(out, "X-EndOfInjectedXHeaders: 0%s", end);
}

int message_readdress(
    const char *data, size_t n, const Envelope *envelope, const char *added, Buffer *out)
{
    const char *end = header_line_end(data, n);
    HeaderParts parts;
    int r;

    if (!envelope->sender && !envelope->lane && envelope->n_recipients == 0 && !added)
        return buffer_append(out, data, n);
    (void)header_locate(data, n, true, &parts);
    r = append_envelope(out, envelope, end);
    if (r >= 0)
        r = append_rest_of_block(out, parts.block, envelope);
    if (r >= 0)
        r = append_end_of_block(out, parts, end);
    if (r >= 0 && added)
        r = buffer_append_string(out, added);
    return r < 0 ? r : buffer_append(out, parts.header.at, (size_t)(data + n - parts.header.at));
}

int message_readdress_as(
    const char *data, size_t n, const Envelope *asked, const Envelope *own, Buffer *out)
{
    Envelope shown = *own;

    if (!asked->sender)
        shown.sender = NULL;
    if (!asked->lane)
        shown.lane = NULL;
    if (asked->n_recipients == 0)
        shown.n_recipients = 0;
    return message_readdress(data, n, &shown, NULL, out);
}

/* A line of text may have a colon, too: "Warning: disk full". */
static bool is_known(const HeaderField *field)
{
    return field->kind != FIELD_OTHER || text_starts_nocase(field->name, "X-") ||
           field_rule(field->name, field->n_name)->name;
}

MessageShape message_shape(const char *data, size_t n)
{
    MessageShape shape = {0};
    HeaderField field;
    HeaderParts parts;

    (void)header_locate(data, n, true, &parts);
    shape.has_header = parts.block.at < parts.block.end || parts.header.at == parts.header.end;
    while (header_next(&parts.header, &field, NULL) > 0) {
        shape.has_header = shape.has_header || is_known(&field);
        shape.has_from = shape.has_from || field.kind == FIELD_FROM;
    }
    return shape;
}
