/* Mailboxes of RFC 5322, the obsolete forms of its section 4 included. Must never hand out an
 * address that address_check() has not seen. */
#include "message/mailbox.h"

#include <errno.h>
#include <string.h>

#include "message/atext.h"
#include "message/local_part.h"
#include "message/words.h"

void mailbox_scanner_init(MailboxScanner *s, const char *text, size_t n)
{
    s->at = text;
    s->end = text + n;
    s->no_encoded_word = s->no_name = text;
    s->name = s->comment = s->gap = s->start = s->stop = NULL;
    s->n_name = s->n_comment = s->n_address = 0;
    s->address[0] = '\0';
}

/* The character that stands here; NUL at the end. */
static char peek(const MailboxScanner *s)
{
    return s->at < s->end ? *s->at : '\0';
}

/* Whether an element of a list ends here. */
static bool at_end_of_element(const MailboxScanner *s)
{
    return s->at == s->end || *s->at == ',' || *s->at == ';';
}

static bool append(MailboxScanner *s, const char *text, size_t n)
{
    if (n > ADDRESS_MAX - s->n_address)
        return false;
    memcpy(s->address + s->n_address, text, n);
    s->n_address += n;
    s->address[s->n_address] = '\0';
    return true;
}

/* Begins `address` with the words. */
static int take_local(MailboxScanner *s, const Words *w, Failure *f)
{
    if (w->n_words == 0)
        return mailbox_fail(s, f, "an address was expected here");
    if (w->is_phrase)
        return mailbox_fail(s, f,
            "the words before it are not an address; put them in quotes, and the address in <>, or "
            "a comma between addresses");
    if (w->has_encoded)
        return mailbox_fail(s, f,
            "the encoded word before it is a name, and no address; put the address behind it in "
            "<>");
    s->n_address = w->overflow ? 0 : local_part_format(w->text, w->n, s->address, ADDRESS_MAX);
    s->address[s->n_address] = '\0';
    s->gap = s->stop = w->end;
    s->start = w->start;
    return s->n_address > 0 ? 0 : mailbox_fail(s, f, "the address is too long");
}

static int scan_literal(MailboxScanner *s, Failure *f)
{
    for (; s->at < s->end; s->at++) {
        if (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n')
            continue;
        if (!append(s, s->at, 1))
            break;
        if (*s->at == ']') {
            s->stop = ++s->at;
            return 0;
        }
    }
    return mailbox_fail(s, f, "the address literal is not closed by ]");
}

/* A domain may be written with the dot of the root behind it, which SMTP has not (RFC 5321, 2.3.5).
 */
static void drop_root_dot(MailboxScanner *s)
{
    size_t n = s->n_address;

    if (n > 2 && s->address[n - 1] == '.' && s->address[n - 2] != '.' && s->address[n - 2] != '@')
        s->address[--s->n_address] = '\0';
}

/* Appends "@" and the domain at whose "@" the scanner stands; blanks around dots are dropped. */
static int scan_domain(MailboxScanner *s, Failure *f)
{
    bool fits = append(s, "@", 1), want_atom = true;
    int r;

    s->gap = NULL;
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
            for (want_atom = false; s->at < s->end && is_atext(*s->at); s->at++)
                ;
        if (s->at == start) {
            drop_root_dot(s);
            return 0;
        }
        fits = append(s, start, (size_t)(s->at - start));
        s->stop = s->at;
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
        return mailbox_fail(s, f,
            "an address does not begin with @; a route there, \"@relay:user@domain\", ends with a "
            "colon");
    s->at++;
    return 0;
}

/* The words in front of the next "@", with the route that may stand before them skipped. */
static int scan_local(MailboxScanner *s, Words *w, Failure *f)
{
    int r = words_scan(s, w, f);

    if (r < 0 || !words_are_none(w) || peek(s) != '@')
        return r;
    r = skip_route(s, f);
    return r < 0 ? r : words_scan(s, w, f);
}

/* "<" address ">", where the scanner stands at the "<". */
static int scan_angle(MailboxScanner *s, Failure *f)
{
    Words w;
    int r;

    s->at++;
    r = scan_local(s, &w, f);
    if (r < 0)
        return r;
    if (words_are_none(&w) && peek(s) == '>') {
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

static void set_name(MailboxScanner *s, const char *start, const char *end)
{
    s->name = start;
    s->n_name = start ? (size_t)(end - start) : 0;
}

int mailbox_scan(MailboxScanner *s, Failure *f)
{
    Words w;
    int r;

    s->comment = s->gap = NULL;
    set_name(s, NULL, NULL);
    r = scan_local(s, &w, f);
    if (r < 0)
        return r;
    if (words_are_none(&w) && at_end_of_element(s))
        return MAILBOX_NONE;
    if (peek(s) == '<' || (peek(s) == ':' && w.n_words > 0)) {
        set_name(s, w.start, w.end);
        if (*s->at == '<')
            return scan_angle(s, f);
        s->at++;
        return MAILBOX_GROUP;
    }
    r = scan_address(s, &w, f);
    if (r < 0)
        return r;
    if (peek(s) != '<')
        return MAILBOX_ADDRESS;
    set_name(s, w.start, s->at);
    return scan_repeated(s, f);
}

/* Skips what stands here, of whatever kind. 0, or -EINVAL where it has no end. */
static int skip_any(MailboxScanner *s)
{
    if (*s->at == '"')
        return words_skip_quoted(s, NULL);
    if (*s->at == '(')
        return mailbox_skip_blanks(s, NULL);
    if (!words_skip_encoded(s))
        s->at++;
    return 0;
}

/* Goes on to a "<", or the end of the element. 0 or -EINVAL. */
static int find_angle(MailboxScanner *s)
{
    int r = 0;

    while (r == 0 && !at_end_of_element(s) && *s->at != '<')
        r = skip_any(s);
    return r;
}

/* The same across commas, where nothing before the "<" can be an address of its own: there is no
 * "@". False, with the scanner where it was, when there is no such "<". Looks at no place twice for
 * it. */
static bool find_angle_behind_commas(MailboxScanner *s)
{
    const char *start = s->at;
    int r = s->at < s->no_name ? -EINVAL : 0;

    while (r == 0 && s->at < s->end && !strchr("<@;", *s->at))
        r = skip_any(s);
    if (r == 0 && peek(s) == '<')
        return true;
    if (s->at > s->no_name)
        s->no_name = s->at;
    s->at = start;
    return false;
}

/* The one <...> of an element that is not well formed. */
static int scan_between(MailboxScanner *s)
{
    const char *start = s->at;
    int r = find_angle_behind_commas(s) ? 0 : find_angle(s), kind;

    if (r < 0 || peek(s) != '<')
        return -EINVAL;
    set_name(s, start, s->at);
    kind = scan_angle(s, NULL);
    r = kind < 0 ? kind : find_angle(s);
    return r < 0 || peek(s) == '<' ? -EINVAL : kind;
}

int mailbox_scan_loosely(MailboxScanner *s, Failure *f)
{
    const char *start = s->at;
    int kind = mailbox_scan(s, NULL), r = kind;

    if (kind == MAILBOX_GROUP)
        return kind;
    if (kind >= 0)
        r = mailbox_skip_blanks(s, NULL);
    if (r >= 0 && at_end_of_element(s) && !(kind == MAILBOX_ADDRESS && s->gap && peek(s) == ','))
        return kind;
    s->at = start;
    r = scan_between(s);
    if (r >= 0)
        return r;
    s->at = start;
    return mailbox_scan(s, f);
}
