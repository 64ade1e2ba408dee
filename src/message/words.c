/* The tokens of addresses (RFC 5322, 3.2, the obsolete forms of its section 4 included). Must never
 * look at a byte again from each of many places. */
#include "message/words.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/atext.h"

#define PLACE_MAX 40 /* bytes of the text that a failure shows */

int mailbox_fail(const MailboxScanner *s, Failure *f, const char *why)
{
    _cleanup_free_
    char *place = NULL;

    if (!f)
        return -EINVAL;
    if (s->at == s->end)
        return failure_set(f, -EINVAL, ERROR_MESSAGE, "the address ends too early: %s", why);
    place = text_printable(s->at, (size_t)(s->end - s->at), PLACE_MAX);
    return failure_set(
        f, -EINVAL, ERROR_MESSAGE, "the address is malformed at \"%s\": %s", place ?: "...", why);
}

/* Skips one comment, which may hold others (RFC 5322, 3.2.2), and keeps it as the last. */
static int skip_comment(MailboxScanner *s, Failure *f)
{
    const char *start = s->at;
    size_t depth = 0;

    for (; s->at < s->end; s->at++) {
        if (*s->at == '\\' && s->at + 1 < s->end)
            s->at++;
        else if (*s->at == '(')
            depth++;
        else if (*s->at == ')' && --depth == 0) {
            s->at++;
            s->comment = start;
            s->n_comment = (size_t)(s->at - start);
            return 0;
        }
    }
    s->at = start;
    return mailbox_fail(s, f, "this comment is not closed by )");
}

int mailbox_skip_blanks(MailboxScanner *s, Failure *f)
{
    int r = 0;

    while (r == 0 && s->at < s->end) {
        if (*s->at == '(')
            r = skip_comment(s, f);
        else if (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n')
            s->at++;
        else
            break;
    }
    return r;
}

/* All but the text: an empty element of a list is not worth clearing it. */
static void words_init(Words *w)
{
    w->start = w->end = NULL;
    w->n_words = 0;
    w->is_phrase = w->has_encoded = w->after_dot = w->overflow = false;
    w->n = 0;
}

bool words_are_none(const Words *w)
{
    return w->n_words == 0 && !w->after_dot;
}

static void append(Words *w, const char *text, size_t n)
{
    if (n > sizeof(w->text) - w->n) {
        w->overflow = true;
        return;
    }
    memcpy(w->text + w->n, text, n);
    w->n += n;
}

static int scan_quoted(MailboxScanner *s, Words *w, Failure *f)
{
    const char *start = s->at;

    for (s->at++; s->at < s->end; s->at++) {
        if (*s->at == '"') {
            s->at++;
            return 0;
        }
        if (*s->at == '\\' && s->at + 1 < s->end)
            s->at++;
        else if (*s->at == '\r' || *s->at == '\n')
            continue; /* folding: the blank behind it counts */
        if (w)
            append(w, s->at, 1);
    }
    s->at = start;
    return mailbox_fail(s, f, "these quotes are not closed");
}

int words_skip_quoted(MailboxScanner *s, Failure *f)
{
    return scan_quoted(s, NULL, f);
}

/* Bytes of the encoded word (RFC 2047) at the scanner's place, or 0. Many programs leave commas and
 * parentheses in them as they are, which must not end the name, and make them longer than the 75
 * bytes of its section 2. So the end is looked for up to the next blank; where there is none, there
 * is none for what begins behind this place either, which has still fewer question marks before it:
 * that is remembered, or else a long list would be walked to its end from each of its places. */
static size_t encoded_word_size(MailboxScanner *s)
{
    size_t n = (size_t)(s->end - s->at), questions = 0, i;

    if (n < 2 || s->at[0] != '=' || s->at[1] != '?' || s->at < s->no_encoded_word)
        return 0;
    for (i = 2; i < n && (unsigned char)s->at[i] > ' '; i++) {
        if (s->at[i] != '?')
            continue;
        if (++questions >= 3 && i + 1 < n && s->at[i + 1] == '=')
            return i + 2;
    }
    s->no_encoded_word = s->at + i;
    return 0;
}

bool words_skip_encoded(MailboxScanner *s)
{
    size_t n = encoded_word_size(s);

    s->at += n;
    return n > 0;
}

static void scan_atom(MailboxScanner *s, Words *w)
{
    const char *start = s->at;

    if (words_skip_encoded(s))
        w->has_encoded = true;
    while (s->at < s->end && is_atext(*s->at))
        s->at++;
    append(w, start, (size_t)(s->at - start));
}

/* Many programs write names with these as they are: "[Shop] News <news@example.com>". */
static bool is_name_only(char c)
{
    return c == '[' || c == ']' || c == '\\';
}

static int scan_word(MailboxScanner *s, Words *w, Failure *f)
{
    int r = 0;

    if (w->n_words > 0 && !w->after_dot)
        w->is_phrase = true;
    w->n_words++;
    w->after_dot = false;
    if (*s->at == '"') {
        r = scan_quoted(s, w, f);
    } else if (is_name_only(*s->at)) {
        w->is_phrase = true;
        s->at++;
    } else {
        scan_atom(s, w);
    }
    return r;
}

static bool begins_word(char c)
{
    return c == '"' || is_atext(c) || is_name_only(c);
}

int words_scan(MailboxScanner *s, Words *w, Failure *f)
{
    int r;

    words_init(w);
    for (;;) {
        r = mailbox_skip_blanks(s, f);
        if (r < 0 || s->at == s->end || (*s->at != '.' && !begins_word(*s->at)))
            return r;
        w->start = w->start ?: s->at;
        if (*s->at == '.') {
            append(w, s->at++, 1);
            w->after_dot = true;
        } else {
            r = scan_word(s, w, f);
        }
        if (r < 0)
            return r;
        w->end = s->at;
    }
}
