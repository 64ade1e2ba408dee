/* Names, and fields that are lists of phrases or ids. Must never make one element of two, nor two
 * of one. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "message/address.h"
#include "message/compose_field.h"
#include "message/field_syntax.h"
#include "message/field_text.h"
#include "message/mailbox.h"
#include "message/words.h"

/* Whether a quoted string of the phrase holds what would be an encoded word without the quotes. */
static bool has_literal(const char *phrase, size_t n)
{
    MailboxScanner s;

    mailbox_scanner_init(&s, phrase, n);
    while (s.at < s.end) {
        const char *start = s.at;

        if (*start == '"' && words_skip_quoted(&s, NULL) == 0) {
            if (memmem(start, (size_t)(s.at - start), "=?", 2))
                return true;
        } else if (!words_skip_encoded(&s)) {
            s.at++;
        }
    }
    return false;
}

int compose_put_name(FieldWriter *w, const char *phrase, size_t n)
{
    _cleanup_buffer_ Buffer name = {0};
    int r = address_append_name(&(AddressItem){.name = phrase, .n_name = n}, &name);

    if (r < 0 || buffer_size(&name) == 0)
        return r;
    if (has_literal(phrase, n))
        field_put_encoded(w, buffer_data(&name), buffer_size(&name));
    else
        field_put_phrase(w, buffer_data(&name), buffer_size(&name));
    return true;
}

/* ---- lists ---- */

/* Passes by what stands up to the next character of `ends`, outside quotes, comments and encoded
 * words. 0, or -EINVAL with a Failure. */
static int skip_to(MailboxScanner *s, const char *ends, Failure *f)
{
    int r = 0;

    while (r == 0 && s->at < s->end && !strchr(ends, *s->at)) {
        if (*s->at == '"')
            r = words_skip_quoted(s, f);
        else if (*s->at == '(')
            r = mailbox_skip_blanks(s, f);
        else if (!words_skip_encoded(s))
            s->at++;
    }
    return r;
}

static int begin(const char *what, const char *name, const char *text, FieldWriter *w,
    const FieldOutput *out, Failure *f)
{
    int r = compose_check_text(what, text, f);

    if (r >= 0)
        field_begin(w, out, name, strlen(name));
    return r;
}

static int end(const char *what, int r, FieldWriter *w, Failure *f)
{
    if (r == -EINVAL)
        return failure_prefix(f, -EBADMSG, what);
    if (r >= 0 && !w->begun)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "%s: this field cannot be empty; give it a value, or leave it out", what);
    return r < 0 ? r : field_end(w, what, f);
}

int compose_put_phrases(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f)
{
    MailboxScanner s;
    FieldWriter w;
    int r = begin(what, name, text, &w, out, f);

    if (r < 0)
        return r;
    w.glued = strlen(",");
    mailbox_scanner_init(&s, text, strlen(text));
    for (; r >= 0 && s.at < s.end; s.at += s.at < s.end) {
        const char *start = s.at + strspn(s.at, " \t,");

        s.at = start;
        r = skip_to(&s, ",", f);
        if (r < 0 || s.at == start)
            continue;
        if (w.begun)
            field_put_glued(&w, ",");
        r = compose_put_name(&w, start, (size_t)(s.at - start));
    }
    return end(what, r, &w, f);
}

int compose_put_list_id(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f)
{
    MailboxScanner s;
    FieldWriter w;
    int r = begin(what, name, text, &w, out, f);

    if (r < 0)
        return r;
    mailbox_scanner_init(&s, text, strlen(text));
    r = skip_to(&s, "<", f);
    if (r >= 0)
        r = compose_put_name(&w, text, (size_t)(s.at - text));
    if (r >= 0 && (s.end - s.at < 3 || s.end[-1] != '>' || s.at[strcspn(s.at, " \t")]))
        r = failure_set(f, -EINVAL, ERROR_MESSAGE,
            "a list is written Name <name.example.org>, the name in double quotes where it holds "
            "more than words");
    if (r >= 0)
        field_put_word(&w, s.at);
    return end(what, r, &w, f);
}

/* ---- ids ---- */

/* One of an answer is as it was given there, well-formed or not: it has an end, and a line. */
static const char *id_end(const char *at)
{
    const char *end = at + strcspn(at, "> \t");

    return *at == '<' && *end == '>' && end > at + 1 && !memchr(at + 1, '<', (size_t)(end - at))
               ? end + 1
               : NULL;
}

int compose_put_ids(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f)
{
    FieldWriter w;
    int r;

    if (*text && !strpbrk(text, "<> \t")) /* a lone one may come without the brackets */
        return compose_put_id(what, name, text, out, f);
    r = begin(what, name, text, &w, out, f);
    if (r < 0)
        return r;
    for (const char *at = text, *next; *at; at = next + strspn(next, " \t,")) {
        next = id_end(at);
        if (!next)
            return failure_set(f, -EBADMSG, ERROR_MESSAGE,
                "%s: these are no message ids, each of which is written <left@right>, in ASCII "
                "without blanks",
                what);
        field_put(&w, " ", 1, at, (size_t)(next - at));
    }
    return end(what, r, &w, f);
}
