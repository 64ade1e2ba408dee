/* The address lists of a header: mailboxes, groups, commas. Must never pass over a part it cannot
 * read, for a recipient would be lost without a word. */
#include <errno.h>

#include "message/mailbox.h"
#include "message/words.h"

typedef struct List {
    MailboxScanner scanner;
    AddressMode mode;
    AddressHandler handler;
    void *user;
    bool in_group;
} List;

static int give(const List *l, AddressItemKind kind)
{
    const MailboxScanner *s = &l->scanner;
    const bool is_mailbox = kind == ADDRESS_MAILBOX, is_end = kind == ADDRESS_GROUP_END;
    const bool in_comment = is_mailbox && !s->name;

    return l->handler(l->user, &(AddressItem){
                                   .kind = kind,
                                   .address = is_mailbox ? s->address : NULL,
                                   .n_address = is_mailbox ? s->n_address : 0,
                                   .name = is_end       ? NULL
                                           : in_comment ? s->comment
                                                        : s->name,
                                   .n_name = is_end                     ? 0
                                             : in_comment && s->comment ? s->n_comment
                                                                        : s->n_name,
                                   .gap = is_mailbox ? s->gap : NULL,
                                   .start = is_mailbox ? s->start : NULL,
                                   .end = is_mailbox ? s->stop : NULL,
                               });
}

/* What follows a mailbox must be a comma, a semicolon, or the end. */
static int end_element(MailboxScanner *s, Failure *f)
{
    int r = mailbox_skip_blanks(s, f);

    if (r < 0 || s->at == s->end || *s->at == ',' || *s->at == ';')
        return r;
    return mailbox_fail(s, f,
        "a comma was expected between addresses; a name stands before the <...>, in quotes where "
        "it "
        "is not of plain words");
}

/* Moves behind the comma or semicolon, if there is one; a semicolon, like the end of the list, is
 * the end of a group as well. */
static int pass_separator(List *l)
{
    MailboxScanner *s = &l->scanner;
    bool ends_group = l->in_group && (s->at == s->end || *s->at == ';');

    s->at += s->at < s->end;
    l->in_group = l->in_group && !ends_group;
    return ends_group ? give(l, ADDRESS_GROUP_END) : 0;
}

static int read_element(List *l, Failure *f)
{
    MailboxScanner *s = &l->scanner;
    int kind = l->mode == ADDRESS_ORIGINATORS ? mailbox_scan_loosely(s, f) : mailbox_scan(s, f);
    int r;

    if (kind < 0)
        return kind;
    if (kind == MAILBOX_NULL)
        return mailbox_fail(s, f, "the <> before it has no address in it");
    if (kind == MAILBOX_GROUP) {
        if (l->in_group)
            return mailbox_fail(s, f, "a group cannot be inside another");
        l->in_group = true;
        return give(l, ADDRESS_GROUP);
    }
    r = end_element(s, f);
    if (r >= 0 && kind == MAILBOX_ADDRESS)
        r = give(l, ADDRESS_MAILBOX);
    return r < 0 ? r : pass_separator(l);
}

int address_list_parse(
    const char *text, size_t n, AddressMode mode, AddressHandler handler, void *user, Failure *f)
{
    List l = {.mode = mode, .handler = handler, .user = user};
    int r;

    mailbox_scanner_init(&l.scanner, text, n);
    do
        r = read_element(&l, f);
    while (r >= 0 && (l.scanner.at < l.scanner.end || l.in_group));
    return r < 0 ? r : 0;
}

/* Appends what is between quotes or parentheses, or a word, as it is meant. */
static int append_meant(const char *at, const char *end, Buffer *out)
{
    int r = 0;

    for (; at < end && r == 0; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        else if (*at == '\r' || *at == '\n')
            continue;
        r = buffer_append(out, at, 1);
    }
    return r;
}

int address_append_name(const AddressItem *item, Buffer *out)
{
    const size_t before = buffer_size(out);
    MailboxScanner s;
    int r = 0;

    if (!item->name)
        return 0;
    mailbox_scanner_init(&s, item->name, item->n_name);
    if (item->n_name > 1 && *s.at == '(')
        return append_meant(s.at + 1, s.end - 1, out);
    while (r == 0 && mailbox_skip_blanks(&s, NULL) == 0 && s.at < s.end) {
        const char *start = s.at;
        bool is_quoted = *s.at == '"' && words_skip_quoted(&s, NULL) == 0;

        while (!is_quoted && s.at < s.end && !strchr(" \t\r\n\"(", *s.at))
            s.at++;
        if (s.at == start)
            s.at++; /* a quote or parenthesis that is not closed */
        if (buffer_size(out) > before)
            r = buffer_append(out, " ", 1);
        if (r == 0)
            r = is_quoted ? append_meant(start + 1, s.at - 1, out)
                          : buffer_append(out, start, (size_t)(s.at - start));
    }
    return r;
}
