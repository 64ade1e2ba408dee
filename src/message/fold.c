/* Folding a field. Must never break a line where the blank that begins the next one would be seen,
 * nor leave one with nothing but blanks: to many who read mail the header ends there. */
#include "message/fold.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/field_syntax.h"
#include "message/form.h"

#define SHOWN_MAX 60

typedef struct Folder {
    const char *at, *end;
    const char *start; /* of what is not written yet */
    const char *place; /* the last behind `start` where the line may end; NULL: none */
    size_t width;      /* of the line that is being written, up to `at` */
    bool has_text;     /* there is more than blanks on it */
    bool has_syntax, in_quotes, is_escaped, in_angle;
    size_t depth; /* of comments */
} Folder;

static char next(const Folder *f)
{
    return f->at + 1 < f->end ? f->at[1] : '\n';
}

/* Whether `at` stands behind the first of two encoded words with nothing between them. */
static bool is_between_words(const Folder *f)
{
    return f->end - f->at > 2 && f->at - f->start > 2 && memcmp(f->at - 2, "?==?", 4) == 0;
}

/* Whether one element ends in front of `at`, and the next begins there. */
static bool is_between_elements(const Folder *f)
{
    if (!f->has_syntax || f->in_quotes || f->in_angle || f->depth > 0 || f->at == f->start)
        return false;
    return f->at[-1] == ',' || f->at[-1] == ';' || (f->at[-1] == '>' && *f->at == '<');
}

static void note_place(Folder *f)
{
    if (f->is_escaped)
        return;
    if (text_is_blank(*f->at)) {
        if (f->has_text && !strchr(" \t\r\n", next(f)))
            f->place = f->at;
    } else if (*f->at != '\r' && *f->at != '\n' && f->has_text && !f->in_quotes &&
               (is_between_words(f) || is_between_elements(f))) {
        f->place = f->at;
    }
}

/* Follows quotes, comments and angle brackets past the character. */
static void pass(Folder *f)
{
    char c = *f->at;

    if (f->is_escaped)
        f->is_escaped = false;
    else if (c == '\\' && (f->in_quotes || f->depth > 0))
        f->is_escaped = true;
    else if (c == '"' && f->depth == 0)
        f->in_quotes = f->has_syntax && !f->in_quotes;
    else if (c == '(' && !f->in_quotes)
        f->depth += f->has_syntax;
    else if (c == ')' && f->depth > 0)
        f->depth--;
    else if ((c == '<' || c == '>') && !f->in_quotes && f->depth == 0)
        f->in_angle = c == '<';
    f->has_text = f->has_text || !text_is_blank(c);
    f->at++;
    f->width++;
}

static int write_to(Folder *f, const char *to, Buffer *out)
{
    int r = buffer_append(out, f->start, (size_t)(to - f->start));

    f->start = to;
    f->place = NULL;
    return r;
}

static int break_line(Folder *f, Buffer *out)
{
    const char *place = f->place;
    bool add_blank;
    int r;

    if (!place)
        return -EBADMSG;
    add_blank = !text_is_blank(*place);
    f->width = (size_t)(f->at - place) + add_blank;
    r = write_to(f, place, out);
    return r < 0 ? r : buffer_append(out, "\r\n ", add_blank ? 3 : 2);
}

static bool is_line_end(const Folder *f)
{
    return *f->at == '\n' || (*f->at == '\r' && next(f) == '\n');
}

static int fail(const char *name, size_t n, Failure *f)
{
    _cleanup_free_
    char *shown = text_printable(name, n, SHOWN_MAX);

    return failure_set(f, -EBADMSG, ERROR_MESSAGE,
        "the field %s has a line of more than %d bytes, which a relay need not take, and no place "
        "where it can be folded; break it where a blank does no harm, or shorten it",
        shown ?: "...", FORM_LINE_MAX);
}

int fold_field(const char *field, size_t n, Buffer *out, Failure *failure)
{
    const char *colon = memchr(field, ':', n), *end = field + n;
    size_t n_name = colon ? (size_t)(colon - field) : 0;
    Folder f = {.at = field + n_name, .end = end, .start = field, .width = n_name};
    int r = 0;

    f.has_syntax = field_rule(field, n_name)->syntax != SYNTAX_TEXT;
    while (f.at < f.end && r >= 0) {
        note_place(&f);
        if (f.width >= FORM_LINE_MAX && !is_line_end(&f))
            r = break_line(&f, out);
        if (r < 0)
            break;
        if (*f.at == '\n') {
            f.at++;
            r = write_to(&f, f.at, out);
            f.width = 0;
            f.has_text = false;
        } else {
            pass(&f);
        }
    }
    if (r == -EBADMSG)
        return fail(field, n_name, failure);
    return r < 0 ? r : write_to(&f, f.end, out);
}
