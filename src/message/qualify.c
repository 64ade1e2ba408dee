/* Completing addresses in a header. Must never change anything else: what cannot be told apart is
 * left to whoever parses it and says what is wrong. */
#include "message/qualify.h"

#include <stdbool.h>
#include <string.h>

#include "message/header.h"

/* One element of an address list, as far as it has been read. */
typedef struct Element {
    unsigned words;
    const char *word_end; /* of the last word */
    bool in_word, in_angle, had_angle, has_at;
    const char *angle_start;
} Element;

/* Behind the comment that begins at `p`. */
static const char *skip_comment(const char *p, const char *end)
{
    int depth = 0;

    for (; p < end; p++) {
        if (*p == '\\' && p + 1 < end)
            p++;
        else if (*p == '(')
            depth++;
        else if (*p == ')' && --depth == 0)
            return p + 1;
    }
    return end;
}

/* Behind the quoted string that begins at `p`; behind `end` when it is left open. */
static const char *skip_quoted(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\' && p + 1 < end)
            p++;
    return p + 1;
}

/* Takes one character, or one comment or quoted string, into the element. Returns where to go on.
 */
static const char *read_on(Element *e, const char *p, const char *end)
{
    bool is_blank = strchr(" \t\r\n", *p);

    if (*p == '(')
        return skip_comment(p, end);
    if (*p == '<') {
        e->in_angle = e->had_angle = true;
        e->angle_start = p + 1;
        e->has_at = false;
    } else if (*p == '@') {
        e->has_at = true;
    }
    if (!is_blank && !e->in_word)
        e->words++;
    e->in_word = !is_blank;
    p = *p == '"' ? skip_quoted(p, end) : p + 1;
    if (!is_blank)
        e->word_end = p;
    if (p > end) { /* an open quoted string is no address */
        e->has_at = true;
        p = end;
    }
    return p;
}

/* Where the domain belongs that is missing in the element which ends at `p`; NULL: nowhere. */
static const char *find_gap(const Element *e, const char *p, bool closes)
{
    if (e->has_at)
        return NULL;
    if (e->in_angle)
        return closes && p > e->angle_start ? p : NULL;
    return e->words == 1 && !e->had_angle ? e->word_end : NULL;
}

static int append_field(const HeaderField *field, const char *domain, Buffer *out)
{
    const char *end = field->value + field->n_value, *copied = field->name;
    Element e = {0};
    int r = 0;

    for (const char *p = field->value; r >= 0 && p <= end;) {
        bool closes = p < end && e.in_angle && *p == '>';
        bool ends = p == end || (!e.in_angle && strchr(",;:", *p));

        if (!closes && !ends) {
            p = read_on(&e, p, end);
            continue;
        }
        /* What stands before a colon is a group's name. */
        const char *gap = p < end && *p == ':' ? NULL : find_gap(&e, p, closes);

        if (gap) {
            r = buffer_append(out, copied, (size_t)(gap - copied));
            if (r >= 0)
                r = buffer_appendf(out, "@%s", domain);
            copied = gap;
        }
        e = (Element){.had_angle = closes};
        p++;
    }
    return r < 0 ? r : buffer_append(out, copied, (size_t)(field->end - copied));
}

static bool has_addresses(const HeaderField *field)
{
    return (field->kind >= FIELD_SENDER && field->kind <= FIELD_BCC) ||
           (field->kind >= FIELD_RESENT_SENDER && field->kind <= FIELD_RESENT_BCC) ||
           (field->n_name == 8 && strncasecmp(field->name, "reply-to", 8) == 0);
}

int message_qualify(const char *data, size_t n, const char *domain, Buffer *out)
{
    HeaderCursor cursor = {.at = data, .end = data + n, .line = 1};
    const char *copied = data;
    HeaderField field;
    size_t header_end;
    int r = 0;

    if (header_find_end(data, n, 0, &header_end))
        cursor.end = data + header_end;
    header_skip_mbox_line(&cursor);
    while (r >= 0 && header_next(&cursor, &field, NULL) > 0) {
        if (!has_addresses(&field))
            continue;
        r = buffer_append(out, copied, (size_t)(field.name - copied));
        if (r >= 0)
            r = append_field(&field, domain, out);
        copied = field.end;
    }
    return r < 0 ? r : buffer_append(out, copied, (size_t)(data + n - copied));
}
