/* The address lists of a header: mailboxes, groups, commas. Must never pass over a part it cannot
 * read, for a recipient would be lost without a word. */
#include <errno.h>

#include "message/mailbox.h"

/* What follows an element must be a comma, the end of the list, or the end of the group it is in.
 */
static int end_element(MailboxScanner *s, bool *in_group, Failure *f)
{
    int r = mailbox_skip_blanks(s, f);

    if (r < 0)
        return r;
    if (s->at < s->end && *s->at == ';' && *in_group) {
        *in_group = false;
        s->at++;
        r = mailbox_skip_blanks(s, f);
        if (r < 0)
            return r;
    }
    if (s->at == s->end)
        return *in_group ? mailbox_fail(s, f, "the group is not closed by a semicolon") : 0;
    if (*s->at != ',')
        return mailbox_fail(s, f, "a comma was expected between addresses");
    s->at++;
    return 0;
}

int address_list_parse(const char *text, size_t n, AddressHandler handler, void *user, Failure *f)
{
    bool in_group = false;
    MailboxScanner s;
    int r;

    mailbox_scanner_init(&s, text, n);
    do {
        r = mailbox_scan(&s, f);
        if (r < 0)
            return r;
        if (r == MAILBOX_NULL)
            return mailbox_fail(&s, f, "the <> before it has no address in it");
        if (r == MAILBOX_GROUP) {
            if (in_group)
                return mailbox_fail(&s, f, "a group cannot be inside another");
            in_group = true;
            continue;
        }
        if (r == MAILBOX_ADDRESS)
            r = handler(user, s.address, s.n_address);
        if (r >= 0)
            r = end_element(&s, &in_group, f);
        if (r < 0)
            return r;
    } while (s.at < s.end || in_group);
    return 0;
}
