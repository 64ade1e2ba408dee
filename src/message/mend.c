/* Making a header of what programs write. Must never make a field of a line that is text, nor drop
 * a line. */
#include "message/mend.h"

#include <string.h>

#include "message/field_syntax.h"
#include "message/header.h"
#include "message/origin.h"
#include "message/readdress.h"

static const char *line_behind(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));

    return newline ? newline + 1 : end;
}

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
    for (; line < end; line = line_behind(line, end)) {
        const char *next = line_behind(line, end), *colon;

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

/* The name with hyphens, up to the blanks before its colon. */
static int append_name(const char *line, const char *colon, Buffer *out)
{
    int r = 0;

    while (colon > line && (colon[-1] == ' ' || colon[-1] == '\t'))
        colon--;
    for (; r >= 0 && line < colon; line++)
        r = buffer_append(out, *line == ' ' || *line == '\t' ? "-" : line, 1);
    return r;
}

/* The header's lines up to where the text begins, which is returned in `ret`. */
static int append_header(HeaderCursor header, Buffer *out, const char **ret)
{
    const char *line = header.at, *next, *known = line; /* it goes on at least up to there */
    int r = 0;

    for (; r >= 0 && line < header.end; line = next) {
        const char *colon = find_colon(line, header.end, true), *rest = line;

        next = line_behind(line, header.end);
        if (*line != ' ' && *line != '\t' && !find_colon(line, next, false)) {
            if (colon && colon < next && known < next)
                known = find_known(next, header.end);
            if (!colon || colon >= next || !known)
                break;
            r = append_name(line, colon, out);
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

int message_mend(const char *data, size_t n, Buffer *out)
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
