/* Making a header of what programs write. Must never make a field of a line that is text, nor drop
 * a line. */
#include "message/mend.h"

#include <string.h>

#include "message/field_syntax.h"
#include "message/header.h"
#include "message/origin.h"
#include "message/readdress.h"

static bool is_name_character(char c)
{
    return c > ' ' && c < 0x7f && c != ':';
}

/* The colon behind a name that has `blanks` in it or none; NULL: the line is no field. */
static const char *find_colon(const char *line, const char *end, bool blanks)
{
    const char *at = line;

    if (at == end || !is_name_character(*at))
        return NULL;
    while (at < end && (is_name_character(*at) || (blanks && (*at == ' ' || *at == '\t'))))
        at++;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at < end && *at == ':' ? at : NULL;
}

/* The next well-known field, where no line that is neither field nor fold comes before; else NULL.
 */
static const char *find_known(const char *line, const char *end)
{
    for (; line < end; line = header_next_line(line, end)) {
        const char *next = header_next_line(line, end), *colon;

        if (*line == ' ' || *line == '\t')
            continue;
        colon = find_colon(line, next, true);
        if (!colon)
            return NULL;
        if (field_rule(line, (size_t)(colon - line))->name)
            return line;
    }
    return NULL;
}

/* The name with hyphens, up to the blanks before its colon. 1; 0: what would come of it says
 * something to mail systems, which nobody meant; or -ENOMEM. */
static int append_name(const char *line, const char *colon, Buffer *out)
{
    const size_t before = buffer_size(out);
    size_t n;
    int r = 0;

    while (colon > line && (colon[-1] == ' ' || colon[-1] == '\t'))
        colon--;
    for (; r >= 0 && line < colon; line++)
        r = buffer_append(out, *line == ' ' || *line == '\t' ? "-" : line, 1);
    n = buffer_size(out) - before;
    if (r >= 0 && header_name_kind(buffer_at(out, before), n) == FIELD_OTHER &&
        !field_rule(buffer_at(out, before), n)->name)
        return 1;
    buffer_truncate(out, before);
    return MIN(r, 0);
}

/* The header's lines up to where the text begins, which is returned in `ret`. */
static int append_header(HeaderCursor header, Buffer *out, const char **ret)
{
    const char *line = header.at, *next, *known = line; /* it goes on at least up to there */
    int r = 0;

    for (; r >= 0 && line < header.end; line = next) {
        const char *colon = find_colon(line, header.end, true), *rest = line;

        next = header_next_line(line, header.end);
        if (*line != ' ' && *line != '\t' && !find_colon(line, next, false)) {
            if (colon && colon < next && known < next)
                known = find_known(next, header.end);
            if (!colon || colon >= next || !known)
                break;
            r = append_name(line, colon, out);
            if (r == 0)
                break;
            rest = colon;
        }
        if (r >= 0)
            r = buffer_append(out, rest, (size_t)(next - rest));
    }
    *ret = line;
    return r;
}

/* An envelope block in front: an empty one, so that the header's own fields are none. */
static int append_block(const HeaderParts *parts, const char *end, Buffer *out)
{
    if (parts->block.at == parts->block.end)
        return 0;
    return buffer_appendf(out, "X-EndOfInjectedXHeaders: 0%s", end);
}

/* Lines that end in several CRs and an LF were made CRLF more than once: they end in CRLF. */
static int append_with_one_cr(const char *data, size_t n, Buffer *out)
{
    const char *at = data, *end = data + n, *cr;
    int r = 0;

    while (r >= 0 && (cr = memchr(at, '\r', (size_t)(end - at)))) {
        const char *behind = cr;

        while (behind < end && *behind == '\r')
            behind++;
        r = buffer_append(
            out, at, (size_t)((behind < end && *behind == '\n' ? cr + 1 : behind) - at));
        at = behind;
    }
    return r < 0 ? r : buffer_append(out, at, (size_t)(end - at));
}

static int mend(const char *data, size_t n, Buffer *out)
{
    const char *end = header_line_end(data, n), *text;
    HeaderCursor header;
    HeaderParts parts;
    int r;

    if (!message_shape(data, n).has_header) {
        r = buffer_append_string(out, end);
        return r < 0 ? r : buffer_append(out, data, n);
    }
    (void)header_locate(data, n, true, &parts);
    header = (HeaderCursor){.at = parts.block.at, .end = parts.header.end};
    r = buffer_append(out, data, (size_t)(header.at - data));
    if (r >= 0)
        r = append_block(&parts, end, out);
    if (r >= 0)
        r = append_header(header, out, &text);
    if (r >= 0 && (text < header.end || text == data + n)) {
        if (text > data && text[-1] != '\n')
            r = buffer_append_string(out, end);
        r = r < 0 ? r : buffer_append_string(out, end);
    }
    return r < 0 ? r : buffer_append(out, text, (size_t)(data + n - text));
}

int message_mend(const char *data, size_t n, Buffer *out)
{
    const char *line_end = n > 0 ? memchr(data, '\n', n) : NULL;
    _cleanup_buffer_ Buffer text = {0};
    int r;

    if (n == 0) /* where `data` may be NULL */
        return buffer_append_string(out, "\n");
    if (!line_end || line_end - data < 2 || line_end[-1] != '\r' || line_end[-2] != '\r')
        return mend(data, n, out);
    r = append_with_one_cr(data, n, &text);
    return r < 0 ? r : mend(buffer_data(&text), buffer_size(&text), out);
}

typedef struct Fields {
    RecipientFieldHandler handler;
    void *user;
    size_t n_added; /* lines in front of the header */
} Fields;

static int give(void *user, const HeaderField *field)
{
    const Fields *f = user;

    return f->handler(f->user, &(RecipientField){
                                   .line = field->line - f->n_added,
                                   .name = field->name,
                                   .n_name = field->n_name,
                                   .list = field->value,
                                   .n_list = field->n_value,
                               });
}

int message_recipient_fields(const char *data, size_t n, RecipientFieldHandler handler, void *user)
{
    Fields fields = {.handler = handler, .user = user};
    HeaderParts parts;

    (void)header_locate(data, n, true, &parts);
    fields.n_added = parts.header.line - parts.block.line;
    return origin_recipient_fields(&parts.header, give, &fields);
}
