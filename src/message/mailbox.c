/* Words, comments and addresses of RFC 5322, the obsolete forms of its section 4 included. Must
 * never hand out an address that address_check() has not seen. */
#include "message/mailbox.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"

#define PLACE_MAX 40 /* bytes of the text that a failure shows */

/* A sequence of words and dots: a display name, or the local part of an address. Which of them is
 * known only when the character behind it is seen. */
typedef struct Words {
    size_t n_words;
    bool is_phrase;  /* two words without a dot between them: no local part */
    bool after_dot;  /* a dot came last */
    bool dots_wrong; /* a dot at the beginning, or two in a row */
    bool overflow;   /* longer than any local part */
    size_t n;
    char text[ADDRESS_MAX]; /* without quotes */
} Words;

void mailbox_scanner_init(MailboxScanner *s, const char *text, size_t n)
{
    s->at = text;
    s->end = text + n;
    s->no_encoded_word = text;
    s->n_address = 0;
    s->address[0] = '\0';
}

int mailbox_fail(const MailboxScanner *s, Failure *f, const char *why)
{
    _cleanup_free_
    char *place = NULL;

    if (s->at == s->end)
        return failure_set(f, -EINVAL, ERROR_MESSAGE, "the address ends too early: %s", why);
    place = text_printable(s->at, (size_t)(s->end - s->at), PLACE_MAX);
    return failure_set(
        f, -EINVAL, ERROR_MESSAGE, "the address is malformed at \"%s\": %s", place ?: "...", why);
}

/* The character that stands here; NUL at the end. */
static char peek(const MailboxScanner *s)
{
    return s->at < s->end ? *s->at : '\0';
}

/* Skips one comment, which may hold others (RFC 5322, 3.2.2). */
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
    w->n_words = 0;
    w->is_phrase = w->after_dot = w->dots_wrong = w->overflow = false;
    w->n = 0;
}

static void words_append(Words *w, const char *text, size_t n)
{
    if (n > sizeof(w->text) - w->n) {
        w->overflow = true;
        return;
    }
    memcpy(w->text + w->n, text, n);
    w->n += n;
}

static void words_start(Words *w)
{
    if (w->n_words > 0 && !w->after_dot)
        w->is_phrase = true;
    w->n_words++;
    w->after_dot = false;
}

static void words_dot(Words *w)
{
    if (w->n_words == 0 || w->after_dot)
        w->dots_wrong = true;
    w->after_dot = true;
    words_append(w, ".", 1);
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
        words_append(w, s->at, 1);
    }
    s->at = start;
    return mailbox_fail(s, f, "these quotes are not closed");
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

static void scan_atom(MailboxScanner *s, Words *w)
{
    const char *start = s->at;

    s->at += encoded_word_size(s);
    while (s->at < s->end && address_is_atext(*s->at))
        s->at++;
    words_append(w, start, (size_t)(s->at - start));
}

/* Reads words and dots until something else stands there. */
static int scan_words(MailboxScanner *s, Words *w, Failure *f)
{
    int r;

    words_init(w);
    for (;;) {
        r = mailbox_skip_blanks(s, f);
        if (r < 0 || s->at == s->end)
            return r;
        if (*s->at == '.') {
            words_dot(w);
            s->at++;
        } else if (*s->at == '"') {
            words_start(w);
            r = scan_quoted(s, w, f);
            if (r < 0)
                return r;
        } else if (address_is_atext(*s->at)) {
            words_start(w);
            scan_atom(s, w);
        } else {
            return 0;
        }
    }
}

static bool address_append(MailboxScanner *s, const char *text, size_t n)
{
    if (n > ADDRESS_MAX - s->n_address)
        return false;
    memcpy(s->address + s->n_address, text, n);
    s->n_address += n;
    s->address[s->n_address] = '\0';
    return true;
}

static bool is_dot_string(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!address_is_atext(text[i]) &&
            (text[i] != '.' || i == 0 || i == n - 1 || text[i - 1] == '.'))
            return false;
    return n > 0;
}

static bool append_quoted(MailboxScanner *s, const char *text, size_t n)
{
    bool fits = address_append(s, "\"", 1);

    for (size_t i = 0; i < n && fits; i++) {
        if (text[i] == '"' || text[i] == '\\')
            fits = address_append(s, "\\", 1);
        fits = fits && address_append(s, text + i, 1);
    }
    return fits && address_append(s, "\"", 1);
}

/* Begins `address` with the words, in the least quoted form (RFC 5321, 4.1.2). */
static int take_local(MailboxScanner *s, const Words *w, Failure *f)
{
    bool fits = !w->overflow;

    if (w->n_words == 0)
        return mailbox_fail(s, f, "an address was expected here");
    if (w->is_phrase)
        return mailbox_fail(s, f,
            "the words before it are not an address; put them in quotes, and the address in <>, or "
            "a comma between addresses");
    if (w->dots_wrong || w->after_dot)
        return mailbox_fail(
            s, f, "a dot before it does not stand between other characters; use quotes");
    s->n_address = 0;
    if (fits)
        fits = is_dot_string(w->text, w->n) ? address_append(s, w->text, w->n)
                                            : append_quoted(s, w->text, w->n);
    return fits ? 0 : mailbox_fail(s, f, "the address is too long");
}

static int scan_literal(MailboxScanner *s, Failure *f)
{
    for (; s->at < s->end; s->at++) {
        if (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n')
            continue;
        if (!address_append(s, s->at, 1))
            break;
        if (*s->at == ']') {
            s->at++;
            return 0;
        }
    }
    return mailbox_fail(s, f, "the address literal is not closed by ]");
}

/* Appends "@" and the domain at whose "@" the scanner stands; blanks around dots are dropped. */
static int scan_domain(MailboxScanner *s, Failure *f)
{
    bool fits = address_append(s, "@", 1), want_atom = true;
    int r;

    for (s->at++; fits;) {
        const char *start;

        r = mailbox_skip_blanks(s, f);
        if (r < 0)
            return r;
        if (want_atom && peek(s) == '[')
            return scan_literal(s, f);
        start = s->at;
        if (peek(s) == '.')
            s->at++, want_atom = true;
        else if (want_atom)
            for (want_atom = false; s->at < s->end && address_is_atext(*s->at); s->at++)
                ;
        if (s->at == start)
            return 0;
        fits = address_append(s, start, (size_t)(s->at - start));
    }
    return mailbox_fail(s, f, "the address is too long");
}

/* The address whose local part is `w`, and behind which the scanner stands at its "@" if it has
 * one. */
static int scan_address(MailboxScanner *s, const Words *w, Failure *f)
{
    int r = take_local(s, w, f);

    if (r == 0 && peek(s) == '@')
        r = scan_domain(s, f);
    return r < 0 ? r : address_check(s->address, s->n_address, true, f);
}

/* Skips "@one,@two:" (RFC 5322, obs-route), which RFC 5321 wants ignored. */
static int skip_route(MailboxScanner *s, Failure *f)
{
    int r = 0;

    while (r == 0 && (peek(s) == '@' || peek(s) == ',')) {
        s->n_address = 0;
        if (*s->at == ',')
            s->at++;
        else
            r = scan_domain(s, f);
        if (r == 0)
            r = mailbox_skip_blanks(s, f);
    }
    if (r < 0)
        return r;
    if (peek(s) != ':')
        return mailbox_fail(s, f, "a route must end with a colon");
    s->at++;
    return 0;
}

/* "<" address ">", where the scanner stands at the "<". */
static int scan_angle(MailboxScanner *s, Failure *f)
{
    Words w;
    int r;

    s->at++;
    r = mailbox_skip_blanks(s, f);
    if (r == 0 && peek(s) == '@')
        r = skip_route(s, f);
    if (r == 0)
        r = scan_words(s, &w, f);
    if (r < 0)
        return r;
    if (w.n_words == 0 && !w.after_dot && peek(s) == '>') {
        s->n_address = 0;
        s->address[0] = '\0';
        s->at++;
        return MAILBOX_NULL;
    }
    r = scan_address(s, &w, f);
    if (r == 0)
        r = mailbox_skip_blanks(s, f);
    if (r < 0)
        return r;
    if (peek(s) != '>')
        return mailbox_fail(s, f, "the address in <> should end here with >");
    s->at++;
    return MAILBOX_ADDRESS;
}

/* "ann@example.org <ann@example.org>": a name that should be in quotes, but leaves no doubt as long
 * as both are the same. */
static int scan_repeated(MailboxScanner *s, Failure *f)
{
    char name[ADDRESS_MAX + 1];
    const char *place = s->at;
    int r;

    memcpy(name, s->address, s->n_address + 1);
    r = scan_angle(s, f);
    if (r < 0 || strcmp(name, s->address) == 0)
        return r;
    s->at = place;
    return mailbox_fail(s, f,
        "another address stands before it; put a comma between addresses, or the name in quotes");
}

int mailbox_scan(MailboxScanner *s, Failure *f)
{
    Words w;
    int r;

    r = scan_words(s, &w, f);
    if (r < 0)
        return r;
    switch (peek(s)) {
    case '<': return scan_angle(s, f);
    case ':':
        if (w.n_words == 0)
            break;
        s->at++;
        return MAILBOX_GROUP;
    case ',':
    case ';':
        if (w.n_words == 0 && !w.after_dot)
            return MAILBOX_NONE;
        break;
    case '\0':
        if (w.n_words == 0 && !w.after_dot && s->at == s->end)
            return MAILBOX_NONE;
        break;
    default: break;
    }
    r = scan_address(s, &w, f);
    if (r < 0)
        return r;
    return peek(s) == '<' ? scan_repeated(s, f) : MAILBOX_ADDRESS;
}
