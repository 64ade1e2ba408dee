/* The gate of a composed header. Must never write a byte that ends a line, but for a fold. */
#include "message/field.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"

static void fail(FieldWriter *w, const char *reason)
{
    if (w->error == 0)
        w->error = -EBADMSG, w->reason = reason;
}

static void append(FieldWriter *w, const char *data, size_t n)
{
    if (w->error == 0 && n > 0 && buffer_append(w->out, data, n) < 0)
        w->error = -ENOMEM;
}

static bool is_name(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (name[i] <= ' ' || name[i] >= 0x7f || name[i] == ':')
            return false;
    return n > 0 && n < FIELD_LINE_MAX;
}

void field_begin(FieldWriter *w, const FieldOutput *out, const char *name, size_t n)
{
    *w = (FieldWriter){
        .out = out->buffer, .width = out->width, .charset = out->charset, .column = n + 1};
    if (!is_name(name, n))
        fail(w, "a field's name is of printable ASCII characters, without blanks and colons, and "
                "shorter than "
                "a line may be");
    append(w, name, n);
    append(w, ":", 1);
}

static bool is_printable(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
            return false;
    return true;
}

static void check_piece(FieldWriter *w, const char *text, size_t n)
{
    if (!is_printable(text, n))
        fail(w, "a line break or another control character is not allowed here");
    if (!w->utf8 && !text_is_ascii(text, n))
        fail(w, "only ASCII characters are allowed here");
    if (w->utf8 && !text_is_utf8(text, n))
        fail(w, "the text is not UTF-8");
}

/* Not right behind the name, where it can be helped: some readers see an empty field there, or keep
 * the blank. */
static void fold(FieldWriter *w)
{
    append(w, "\n", 1);
    w->column = 0;
}

void field_put(FieldWriter *w, const char *blanks, size_t n_blanks, const char *text, size_t n)
{
    check_piece(w, text, n);
    if (n_blanks > 0 && n > 0 &&
        w->column + n_blanks + n + w->glued > (w->begun ? w->width : FIELD_LINE_MAX))
        fold(w);
    if (w->column + n_blanks + n > FIELD_LINE_MAX)
        fail(w, "a part without a blank is longer than a line may be, which has 998 characters");
    append(w, blanks, n_blanks);
    append(w, text, n);
    w->column += n_blanks + n;
    w->begun = w->begun || n > 0;
}

void field_put_word(FieldWriter *w, const char *text)
{
    field_put(w, " ", 1, text, strlen(text));
}

void field_put_glued(FieldWriter *w, const char *text)
{
    field_put(w, NULL, 0, text, strlen(text));
}

size_t field_room(const FieldWriter *w)
{
    size_t used = w->column + strlen(" ") + w->glued;

    return used < w->width ? w->width - used : 0;
}

void field_fail_character(FieldWriter *w, const char *text, size_t n)
{
    if (w->error != 0)
        return;
    fail(w, "a character is not in the character set");
    n = MIN(n, (size_t)CHARSET_CHARACTER_MAX);
    memcpy(w->lacking, text, n);
    w->lacking[n] = '\0';
}

int field_end(FieldWriter *w, const char *what, Failure *f)
{
    append(w, "\n", 1);
    if (w->error == -EBADMSG && w->lacking[0])
        return failure_set(f, -EBADMSG, ERROR_CHARSET,
            "%s: the character \"%s\" (U+%04X) is not in %s; write it in another way, or set "
            "charset to UTF-8, which has all",
            what, w->lacking, charset_number(w->lacking), w->charset->name);
    if (w->error == -EBADMSG)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE, "%s: %s", what, w->reason);
    return w->error;
}
