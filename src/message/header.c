/* Cutting a header into fields (RFC 5322, 2.2). Must never see a line end where the relay does not,
 * or the other way round: a bare CR or a NUL is refused. */
#include "message/header.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"

#define SHOWN_MAX 60
#define JUDGED_MIN 998 /* bytes of a line whose end has not come, to tell what it is */

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
    FIELD("content-length", FIELD_CONTENT_LENGTH),
    FIELD("reply-to", FIELD_REPLY_TO),
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
    FIELD("subject", FIELD_USUAL),
    FIELD("mime-version", FIELD_USUAL),
    FIELD("content-type", FIELD_USUAL),
    FIELD("received", FIELD_USUAL),
};

static bool starts_with(const char *text, const char *lower, size_t n)
{
    size_t i = 0;

    while (i < n && text_fold(text[i]) == lower[i])
        i++;
    return i == n;
}

FieldKind header_name_kind(const char *name, size_t n)
{
    for (size_t i = 0; i < ELEMENTSOF(field_names); i++)
        if (n == field_names[i].n && starts_with(name, field_names[i].name, n))
            return (FieldKind)field_names[i].kind;
    if (n > 9 && starts_with(name, "x-outbox-", 9))
        return FIELD_X_OUTBOX;
    return n > 7 && starts_with(name, "resent-", 7) ? FIELD_RESENT_OTHER : FIELD_OTHER;
}

bool header_field_is(const HeaderField *field, const char *name)
{
    return field->n_name == strlen(name) && text_starts_nocase(field->name, name);
}

const char *header_next_line(const char *at, const char *end)
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
        next = header_next_line(line, cursor->end);
        r = check_line(line, next, cursor->line, f);
        if (r == 0 && line == start)
            r = parse_name(start, next, ret, f);
        if (r < 0)
            return r;
        cursor->line++;
        line = next;
    } while (line < cursor->end && (*line == ' ' || *line == '\t'));
    ret->kind = header_name_kind(ret->name, ret->n_name);
    ret->n_value = (size_t)(trim_line_end(ret->value, line) - ret->value);
    ret->end = line;
    cursor->at = line;
    return 1;
}

/* ---- where the header is ---- */

static bool is_empty_line(const char *at, const char *end)
{
    return at < end && (*at == '\n' || (*at == '\r' && at + 1 < end && at[1] == '\n'));
}

/* The line that separates messages in an mbox file, as it stands there or, quoted, in a message. */
static bool is_mbox_line(const char *at, const char *end)
{
    while (at < end && *at == '>')
        at++;
    if (end - at < 6 || memcmp(at, "From ", 5) != 0)
        return false;
    for (at += 5; at < end && (*at == ' ' || *at == '\t'); at++)
        continue;
    return at < end && *at != ':' && memchr(at, '\n', (size_t)(end - at));
}

/* Goes on to the empty line that ends the header: sets the cursor's end. Whether it is there. */
static bool find_end(HeaderCursor *cursor)
{
    const char *end = cursor->end, *line = cursor->at, *next = line;

    for (; line < end && !is_empty_line(line, end); line = next)
        next = header_next_line(line, end);
    cursor->end = line;
    return line < end;
}

/* What there is of a line whose end has not come yet, where it is too little to be judged. */
static size_t open_line(const HeaderCursor *cursor)
{
    size_t n = 0, all = (size_t)(cursor->end - cursor->at);

    while (n < all && cursor->end[-1 - (ptrdiff_t)n] != '\n')
        n++;
    return n <= JUDGED_MIN ? n : 0;
}

/* Whether these lines are a header, and no text that happens to begin in the same way: all are
 * fields, of which one is known. Of a header that goes on, the last line may be there in part. */
static bool is_header(HeaderCursor cursor, bool is_whole)
{
    bool known = false;
    HeaderField field;
    int r = 1;

    if (!is_whole)
        cursor.end -= open_line(&cursor);
    while (r > 0) {
        r = header_next(&cursor, &field, NULL);
        known = known || (r > 0 && field.kind != FIELD_OTHER);
    }
    return r == 0 && (known || !is_whole);
}

/* Moves the cursor to the header that is somewhere before its end, and its end to that of the
 * header, as header_locate(). */
static bool find_header(HeaderCursor *cursor, bool is_all)
{
    HeaderCursor next = *cursor, empty = *cursor;
    bool found, has_empty = false;

    for (;; next.line++) {
        bool here = is_empty_line(next.at, next.end);

        if (here && !has_empty)
            empty = next;
        has_empty = has_empty || here;
        if (!here && !is_mbox_line(next.at, next.end))
            break;
        next.at = header_next_line(next.at, next.end);
    }
    found = find_end(&next);
    *cursor = next;
    if (!has_empty || is_header(next, found || is_all))
        return found;
    *cursor = empty;
    cursor->end = cursor->at;
    return true;
}

/* Moves the cursor behind the envelope block. Exchange's fields alone are none: other programs use
 * the same names; but the one that ends a block may stand alone, for an empty block. What leads it
 * as outbox's own is no more than itself: it may have been put in front of what is no block. */
static void skip_block(HeaderCursor *cursor)
{
    HeaderCursor next = *cursor, behind = *cursor, own = *cursor;
    bool is_envelope = false, is_own = false, at_end = false;
    HeaderField field;

    /* A line that is no field ends the block; whoever reads the header judges it. */
    while (!at_end && header_next(&next, &field, NULL) > 0 && field.kind >= FIELD_X_SENDER &&
           field.kind <= FIELD_X_END) {
        is_own = field.kind == FIELD_X_OUTBOX && own.at == behind.at;
        at_end = field.kind == FIELD_X_END;
        is_envelope = is_envelope || (field.kind <= FIELD_X_OUTBOX && !is_own) ||
                      (at_end && field.name == own.at);
        behind = next;
        if (is_own)
            own = next;
    }
    *cursor = is_envelope ? behind : own;
}

bool header_locate(const char *data, size_t n, bool is_all, HeaderParts *ret)
{
    size_t mark = n >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    HeaderCursor header = {.at = data + mark, .end = data + n, .line = 1};
    bool found = find_header(&header, is_all);

    ret->block = header;
    skip_block(&header);
    ret->block.end = header.at;
    if (header.at > ret->block.at &&
        (header.at == header.end || is_mbox_line(header.at, header.end))) {
        header.end = data + n;
        found = find_header(&header, is_all);
    }
    ret->header = header;
    return found;
}

const char *header_line_end(const char *data, size_t n)
{
    const char *newline = memchr(data, '\n', n);

    return newline && newline > data && newline[-1] == '\r' ? "\r\n" : "\n";
}

/* ---- mending it ---- */

bool header_field_has_gap(const HeaderField *field)
{
    return field->value != field->name + field->n_name + 1;
}

size_t header_mend(char *header, size_t n)
{
    HeaderCursor cursor = {.at = header, .end = header + n, .line = 1};
    char *to = header;
    HeaderField field;

    while (header_next(&cursor, &field, NULL) > 0) {
        const char *colon = field.value - 1;
        size_t n_rest = (size_t)(field.end - colon);

        if (FIELDS_DROPPED & FIELD_BIT(field.kind))
            continue;
        memmove(to, field.name, field.n_name);
        memmove(to + field.n_name, colon, n_rest);
        to += field.n_name + n_rest;
    }
    return (size_t)(to - header);
}
