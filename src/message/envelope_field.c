/* The value of X-Sender and X-Receiver, as IIS, .NET and Exchange write it. Must never let through
 * a parameter that is not of ESMTP syntax: it goes into a command as it stands. */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/text.h"
#include "message/envelope.h"
#include "message/mailbox.h"

#define SHOWN_MAX 60

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_parameter(const char *text, size_t n)
{
    size_t i = 0;

    if (n == 0 || !is_alphanumeric(text[0]) || !text_is_utf8(text, n))
        return false;
    while (i < n && (is_alphanumeric(text[i]) || text[i] == '-'))
        i++;
    if (i == n)
        return true;
    if (text[i] != '=' || i + 1 == n)
        return false;
    for (i++; i < n; i++)
        if ((unsigned char)text[i] <= ' ' || text[i] == '=' || text[i] == 0x7f)
            return false;
    return true;
}

int envelope_check_parameter(const char *text, size_t n, Failure *f)
{
    _cleanup_free_
    char *shown = NULL;

    if (is_parameter(text, n))
        return 0;
    shown = text_printable(text, n, SHOWN_MAX);
    return failure_set(f, -EINVAL, ERROR_MESSAGE,
        "\"%s\" is not an ESMTP parameter: they are written KEYWORD or KEYWORD=value",
        shown ?: "...");
}

/* The parameters that follow an address, separated by one blank each. */
static int parse_parameters(const char *at, const char *end, Buffer *out, Failure *f)
{
    bool is_last = false;
    int r = 0;

    while (r >= 0 && !is_last) {
        const char *start;
        size_t n;

        while (at < end && is_blank(*at))
            at++;
        for (start = at; at < end && !is_blank(*at); at++)
            ;
        n = (size_t)(at - start);
        is_last = n == 0 || start[0] == ';' || start[n - 1] == ';';
        if (n == 0 || start[0] == ';')
            break;
        n -= is_last;
        r = envelope_check_parameter(start, n, f);
        if (r == 0 && buffer_size(out) > 0)
            r = buffer_append(out, " ", 1);
        if (r == 0)
            r = buffer_append(out, start, n);
    }
    return r;
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
        return mailbox_fail(s, f, "only one address is allowed here; give each its own field");
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
        r = parse_parameters(s.at, s.end, &list, f);
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
