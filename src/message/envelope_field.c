/* The value of X-Sender and X-Receiver, as IIS, .NET and Exchange write it. Must never take what is
 * behind the parameters for one of them. */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "message/envelope.h"
#include "message/mailbox.h"

/* The parameters that follow an address, separated by one blank each. */
static int parse_parameters(const char *at, const char *end, Buffer *out)
{
    bool is_last = false;
    int r = 0;

    while (r >= 0 && !is_last) {
        const char *start;
        size_t n;

        while (at < end && text_is_space(*at))
            at++;
        for (start = at; at < end && !text_is_space(*at); at++)
            ;
        n = (size_t)(at - start);
        is_last = n == 0 || start[0] == ';' || start[n - 1] == ';';
        if (n == 0 || start[0] == ';')
            break;
        n -= is_last;
        r = buffer_size(out) > 0 ? buffer_append(out, " ", 1) : 0;
        if (r == 0)
            r = buffer_append(out, start, n);
    }
    return r;
}

/* At a comma: Doe, Joe <joe@example.org> is no two addresses. */
static int fail_comma(MailboxScanner *s, Failure *f)
{
    bool in_name =
        !memchr(s->address, '@', s->n_address) && memchr(s->at, '<', (size_t)(s->end - s->at));

    return mailbox_fail(s, f,
        in_name ? "a name with a comma in it is put in double quotes: \"Doe, Joe\" "
                  "<joe@example.org>"
                : "only one address is allowed here; give each its own field");
}

/* The mailbox of the field, in `s`. */
static int parse_mailbox(MailboxScanner *s, Failure *f)
{
    int r = mailbox_scan(s, f);

    if (r < 0)
        return r;
    if (r == MAILBOX_NONE)
        return mailbox_fail(s, f, "an address was expected here");
    if (r == MAILBOX_GROUP)
        return mailbox_fail(s, f, "a group is not an address; give each its own field");
    r = mailbox_skip_blanks(s, f);
    if (r < 0)
        return r;
    if (s->at < s->end && *s->at == ',')
        return fail_comma(s, f);
    return 0;
}

int envelope_parse_field(
    const char *value, size_t n, char **ret_address, char **ret_parameters, Failure *f)
{
    _cleanup_free_
    char *address = NULL, *parameters = NULL;
    _cleanup_buffer_ Buffer list = {0};
    MailboxScanner s;
    int r;

    mailbox_scanner_init(&s, value, n);
    r = parse_mailbox(&s, f);
    if (r == 0)
        r = parse_parameters(s.at, s.end, &list);
    if (r < 0)
        return r;
    address = strdup(s.address);
    if (!address)
        return -ENOMEM;
    if (buffer_size(&list) > 0) {
        parameters = strndup(buffer_data(&list), buffer_size(&list));
        if (!parameters)
            return -ENOMEM;
    }
    *ret_address = TAKE_PTR(address);
    *ret_parameters = TAKE_PTR(parameters);
    return 0;
}
