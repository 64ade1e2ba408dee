/* Cutting a header into fields (RFC 5322, 2.2). Must never see a line end where the relay does not,
 * or the other way round: a bare CR or a NUL is refused. */
#include "message/header.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"

#define SHOWN_MAX 60

typedef struct FieldName {
    const char *name; /* in lower case */
    unsigned char n;
    unsigned char kind;
} FieldName;

#define FIELD(name, kind)            \
    {                                \
        name, sizeof(name) - 1, kind \
    }

static const FieldName field_names[] = {
    FIELD("x-sender", FIELD_X_SENDER),
    FIELD("x-receiver", FIELD_X_RECEIVER),
    FIELD("x-createdby", FIELD_X_EXCHANGE),
    FIELD("x-helodomain", FIELD_X_EXCHANGE),
    FIELD("x-extendedprops", FIELD_X_EXCHANGE),
    FIELD("x-extendedmessageprops", FIELD_X_EXCHANGE),
    FIELD("x-source", FIELD_X_EXCHANGE),
    FIELD("x-sourceipaddress", FIELD_X_EXCHANGE),
    FIELD("x-endofinjectedxheaders", FIELD_X_END),
    FIELD("return-path", FIELD_RETURN_PATH),
    FIELD("date", FIELD_DATE),
    FIELD("message-id", FIELD_MESSAGE_ID),
    FIELD("sender", FIELD_SENDER),
    FIELD("from", FIELD_FROM),
    FIELD("to", FIELD_TO),
    FIELD("cc", FIELD_CC),
    FIELD("bcc", FIELD_BCC),
    FIELD("resent-date", FIELD_RESENT_DATE),
    FIELD("resent-message-id", FIELD_RESENT_MESSAGE_ID),
    FIELD("resent-sender", FIELD_RESENT_SENDER),
    FIELD("resent-from", FIELD_RESENT_FROM),
    FIELD("resent-to", FIELD_RESENT_TO),
    FIELD("resent-cc", FIELD_RESENT_CC),
    FIELD("resent-bcc", FIELD_RESENT_BCC),
};

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool starts_with(const char *text, const char *lower, size_t n)
{
    size_t i = 0;

    while (i < n && fold(text[i]) == lower[i])
        i++;
    return i == n;
}

static FieldKind classify(const char *name, size_t n)
{
    for (size_t i = 0; i < ELEMENTSOF(field_names); i++)
        if (n == field_names[i].n && starts_with(name, field_names[i].name, n))
            return (FieldKind)field_names[i].kind;
    if (n > 9 && starts_with(name, "x-outbox-", 9))
        return FIELD_X_OUTBOX;
    return n > 7 && starts_with(name, "resent-", 7) ? FIELD_RESENT_OTHER : FIELD_OTHER;
}

/* The beginning of the next line, or `end`. */
static const char *next_line(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));

    return newline ? newline + 1 : end;
}

/* `end` without the line end before it. */
static const char *trim_line_end(const char *start, const char *end)
{
    if (end == start || end[-1] != '\n')
        return end;
    end--;
    return end > start && end[-1] == '\r' ? end - 1 : end;
}

static int fail_line(const char *start, const char *end, size_t line, const char *why, Failure *f)
{
    _cleanup_free_
    char *shown = NULL;

    end = trim_line_end(start, end);
    shown = text_printable(start, (size_t)(end - start), SHOWN_MAX);
    return failure_set(
        f, -EBADMSG, ERROR_MESSAGE, "line %zu, \"%s\": %s", line, shown ?: "...", why);
}

/* A line that holds what would make the relay see other lines than we do. */
static int check_line(const char *start, const char *end, size_t line, Failure *f)
{
    size_t n = (size_t)(trim_line_end(start, end) - start);

    if (memchr(start, '\r', n))
        return fail_line(start, end, line,
            "a carriage return stands inside a header line; end lines with LF or CRLF", f);
    if (memchr(start, '\0', n))
        return fail_line(start, end, line, "the header has a NUL byte; this is no mail message", f);
    return 0;
}

/* Finds the name and where the value starts; blanks before the colon are obsolete but legal. */
static int parse_name(const char *start, const char *end, HeaderField *ret, Failure *f)
{
    const char *colon = start, *name_end;

    while (colon<end && * colon> ' ' && *colon < 0x7f && *colon != ':')
        colon++;
    for (name_end = colon; colon < end && (*colon == ' ' || *colon == '\t');)
        colon++;
    if (name_end == start || colon == end || *colon != ':')
        return fail_line(start, end, ret->line,
            "this is not a header field, which is written \"Name: value\"; a message is a header, "
            "an empty line, and the text",
            f);
    ret->name = start;
    ret->n_name = (size_t)(name_end - start);
    ret->value = colon + 1;
    return 0;
}

int header_next(HeaderCursor *cursor, HeaderField *ret, Failure *f)
{
    const char *start = cursor->at, *line = start, *next;
    int r;

    if (start == cursor->end)
        return 0;
    ret->line = cursor->line;
    do {
        next = next_line(line, cursor->end);
        r = check_line(line, next, cursor->line, f);
        if (r == 0 && line == start)
            r = parse_name(start, next, ret, f);
        if (r < 0)
            return r;
        cursor->line++;
        line = next;
    } while (line < cursor->end && (*line == ' ' || *line == '\t'));
    ret->kind = classify(ret->name, ret->n_name);
    ret->n_value = (size_t)(trim_line_end(ret->value, line) - ret->value);
    ret->end = line;
    cursor->at = line;
    return 1;
}

bool header_find_end(const char *data, size_t n, size_t from, size_t *ret_end)
{
    const char *line = data + from, *end = data + n, *next;

    for (; line < end; line = next) {
        if (line[0] == '\n' || (line[0] == '\r' && line + 1 < end && line[1] == '\n')) {
            *ret_end = (size_t)(line - data);
            return true;
        }
        next = memchr(line, '\n', (size_t)(end - line));
        if (!next)
            break;
        next++;
    }
    *ret_end = (size_t)(line - data);
    return false;
}

size_t header_drop_hidden(char *header, size_t n)
{
    HeaderCursor cursor = {.at = header, .end = header + n, .line = 1};
    char *to = header;
    HeaderField field;

    while (header_next(&cursor, &field, NULL) > 0) {
        size_t size = (size_t)(field.end - field.name);

        if (field.kind == FIELD_BCC || field.kind == FIELD_RESENT_BCC)
            continue;
        memmove(to, field.name, size);
        to += size;
    }
    return (size_t)(to - header);
}

void header_skip_mbox_line(HeaderCursor *cursor)
{
    size_t n = (size_t)(cursor->end - cursor->at);
    const char *newline = memchr(cursor->at, '\n', n);

    if (n < 6 || memcmp(cursor->at, "From ", 5) != 0 || cursor->at[5] == ':' || !newline)
        return;
    cursor->at = newline + 1;
    cursor->line++;
}
