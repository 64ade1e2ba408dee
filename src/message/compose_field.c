/* Writing header fields, all of them through the gate of message/field.h. */
#include "message/compose_field.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/date.h"
#include "message/field_syntax.h"
#include "message/field_text.h"

int compose_check_text(const char *what, const char *text, Failure *f)
{
    if (!text_is_utf8(text, strlen(text)))
        return failure_set(f, -EBADMSG, ERROR_CHARSET,
            "%s: the text is not UTF-8; convert it, or set the locale of the program that gives it",
            what);
    for (const char *c = text; *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return failure_set(f, -EBADMSG, ERROR_MESSAGE,
                "%s: a line break or another control character is not allowed here", what);
    return 0;
}

static void begin(FieldWriter *w, const FieldOutput *out, const char *name)
{
    field_begin(w, out, name, strlen(name));
}

int compose_put_text(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f)
{
    FieldWriter w;
    int r = text ? compose_check_text(what, text, f) : 0;

    if (r < 0 || !text)
        return r;
    begin(&w, out, name);
    field_put_text(&w, text, strlen(text));
    return field_end(&w, what, f);
}

int compose_put_ascii(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f)
{
    FieldWriter w;
    int r = compose_check_text(what, text, f);

    if (r < 0)
        return r;
    if (!text_is_ascii(text, strlen(text)))
        return failure_set(f, -EBADMSG, ERROR_CHARSET,
            "%s: this field has to be ASCII: readers decode nothing in it", what);
    begin(&w, out, name);
    for (const char *at = text, *end = text + strlen(text); at < end;) {
        size_t blanks = strspn(at, " \t"), n = strcspn(at + blanks, " \t");

        if (n > 0)
            field_put(&w, at == text ? " " : at, at == text ? 1 : blanks, at + blanks, n);
        at += blanks + n;
    }
    return field_end(&w, what, f);
}

int compose_put_date(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f)
{
    char room[RFC5322_DATE_MAX];

    if (date_write(text, room, &text, f) < 0)
        return failure_prefix(f, -EBADMSG, what);
    return compose_put_ascii(what, name, text, out, f);
}

int compose_put_id(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f)
{
    _cleanup_buffer_ Buffer id = {0};
    int r = buffer_appendf(&id, *text == '<' ? "%s" : "<%s>", text);

    if (r >= 0)
        r = buffer_append(&id, "", 1);
    if (r < 0)
        return r;
    if (!field_is_id(buffer_data(&id)))
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "%s: this is no message id, which is written <left@right>, in ASCII without blanks",
            what);
    return compose_put_ascii(what, name, buffer_data(&id), out, f);
}

int compose_put_word(const char *what, const char *name, ComposeWord which, unsigned number,
    const FieldOutput *out, Failure *f)
{
    const char *word = compose_word_name(which, number);

    if (word)
        return *word ? compose_put_ascii(what, name, word, out, f) : 0;
    return failure_set(f, -EBADMSG, ERROR_MESSAGE,
        "%s: %u is no number of one: 1 is %s, 2 %s, 3 %s, and 0 none", what, number,
        compose_word_name(which, 1), compose_word_name(which, 2), compose_word_name(which, 3));
}

/* ---- parameters ---- */

/* Cuts "name=value" off at `*text`, in place: the value without quotes. False when none is there.
 */
static bool take_parameter(char **text, char **ret_name, char **ret_value)
{
    char *at = *text + strspn(*text, " \t"), *to;
    size_t n = strcspn(at, "= \t;\"");

    *ret_name = at;
    if (n == 0 || at[n] != '=')
        return false;
    at[n] = '\0';
    at += n + 1;
    *ret_value = to = at;
    if (*at == '"') {
        for (at++; *at && *at != '"'; at++) {
            at += *at == '\\' && at[1];
            *to++ = *at;
        }
        if (*at++ != '"')
            return false;
    } else {
        for (; *at && !strchr("; \t\"", *at); at++)
            *to++ = *at;
    }
    at += strspn(at, " \t");
    if (*at != '\0' && *at != ';')
        return false;
    *text = *at ? at + 1 : at;
    *to = '\0';
    return true;
}

/* One that is written as RFC 2231 has it already ("name*0*=utf-8''%C3") is right as it is. */
static void put_parameter(FieldWriter *w, const char *name, const char *value)
{
    if (name[strlen(name) - 1] != '*') {
        field_put_parameter(w, name, value);
        return;
    }
    field_put_glued(w, ";");
    field_put_word(w, name);
    field_put_glued(w, "=");
    field_put_glued(w, value);
}

/* Which of the two the value has itself. */
typedef struct Present {
    bool charset, name;
} Present;

/* The parameters in `list`, which is used up. */
static int put_list(FieldWriter *w, const char *what, char *list, Present *ret, Failure *f)
{
    char *parameter, *value;

    while (list[strspn(list, " \t;")]) {
        if (!take_parameter(&list, &parameter, &value))
            return failure_set(f, -EBADMSG, ERROR_MESSAGE,
                "%s: the parameters are malformed: each is written name=value or name=\"value\", "
                "behind a semicolon",
                what);
        put_parameter(w, parameter, value);
        ret->charset |= text_equal_nocase(parameter, "charset");
        ret->name |= text_equal_nocase(parameter, "name") || text_starts_nocase(parameter, "name*");
    }
    return 0;
}

static int put_value(const char *what, const char *name, const char *text,
    const TypeParameters *more, const FieldOutput *out, Failure *f)
{
    _cleanup_free_
    char *copy = strdup(text);
    size_t n = strcspn(text, ";");
    Present present = {0};
    FieldWriter w;
    int r;

    if (!copy)
        return -ENOMEM;
    begin(&w, out, name);
    field_put(&w, " ", 1, copy, n);
    r = put_list(&w, what, copy + n + (copy[n] == ';'), &present, f);
    if (r >= 0 && more->charset && !present.charset)
        field_put_parameter(&w, "charset", more->charset);
    if (r >= 0 && more->name && *more->name && !present.name)
        field_put_parameter(&w, "name", more->name);
    return r < 0 ? r : field_end(&w, what, f);
}

int compose_put_parameters(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f)
{
    int r = compose_check_text(what, text, f);

    return r < 0 ? r : put_value(what, name, text, &(TypeParameters){0}, out, f);
}

/* Whether the value begins with a type and a subtype, each of at least a character. */
static bool has_type(const char *text)
{
    size_t n = strcspn(text, "; \t"), n_type = strcspn(text, "/");

    return n_type > 0 && n_type + 1 < n && (text[n + strspn(text + n, " \t")] == ';' || !text[n]) &&
           !memchr(text + n_type + 1, '/', n - n_type - 1);
}

int compose_put_type(const char *what, const char *name, const char *text,
    const TypeParameters *more, const FieldOutput *out, Failure *f)
{
    TypeParameters given = *more;
    int r = compose_check_text(what, text, f);

    if (r < 0)
        return r;
    if (!has_type(text))
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "%s: this is no content type, which is written type/subtype, as in text/html", what);
    if (!text_starts_nocase(text, "text/")) /* only of text is that parameter for everybody */
        given.charset = NULL;
    return put_value(what, name, text, &given, out, f);
}
