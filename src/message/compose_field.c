/* Writing header fields: encoding, folding, address lists. Must never write a line break that is
 * not a fold, whatever is asked for. */
#include "message/compose_field.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/address.h"
#include "message/compose_encode.h"
#include "message/glib_cleanup.h"

#define LINE_MAX_BYTES 76 /* RFC 2047, 2: of a line with encoded words */

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

int compose_put(const char *name, const char *value, Buffer *out)
{
    size_t column = strlen(name) + 1;
    int r = buffer_appendf(out, "%s:", name);

    /* Each round writes the blanks and the word behind them; blanks at the end stay with a word. */
    for (const char *at = value; r == 0 && *at;) {
        size_t blanks = strspn(at, " \t"), n = blanks + strcspn(at + blanks, " \t");
        bool is_first = at == value;

        if (at[n + strspn(at + n, " \t")] == '\0')
            n = strlen(at);
        if (column + is_first + n > LINE_MAX_BYTES && (blanks > 0 || is_first)) {
            r = buffer_append(out, "\n", 1);
            column = 0;
        }
        if (r == 0 && is_first)
            r = buffer_append(out, " ", 1);
        if (r == 0)
            r = buffer_append(out, at, n);
        column += n + is_first;
        at += n;
    }
    return r < 0 ? r : buffer_append(out, "\n", 1);
}

int compose_put_text(const char *what, const char *name, const char *text, Buffer *out, Failure *f)
{
    _cleanup_buffer_ Buffer encoded = {0};
    int r;

    if (!text)
        return 0;
    r = compose_check_text(what, text, f);
    if (r < 0)
        return r;
    r = compose_encode_text(text, &encoded);
    if (r == 0)
        r = buffer_append(&encoded, "", 1);
    return r < 0 ? r : compose_put(name, buffer_data(&encoded), out);
}

int compose_put_word(const char *what, const char *name, const char *word,
    const char *const *allowed, Buffer *out, Failure *f)
{
    _cleanup_buffer_ Buffer list = {0};

    if (!word)
        return 0;
    for (size_t i = 0; allowed[i]; i++) {
        if (text_equal_nocase(word, allowed[i]))
            return compose_put(name, allowed[i], out);
        if (buffer_appendf(&list, "%s%s", i > 0 ? ", " : "", allowed[i]) < 0)
            return -ENOMEM;
    }
    return failure_set(f, -EBADMSG, ERROR_MESSAGE, "%s: this is one of %.*s", what,
        (int)buffer_size(&list), buffer_data(&list));
}

/* Appends the address, NUL-terminated. */
static int collect(void *user, const AddressItem *item)
{
    return item->kind == ADDRESS_MAILBOX ? buffer_append(user, item->address, item->n_address + 1)
                                         : 0;
}

/* Appends "Name <address>" for one mailbox, the address being the next of the collected: GMime is
 * asked for names only. */
static int append_mailbox(InternetAddress *mailbox, Buffer *addresses, Buffer *out)
{
    const char *name = internet_address_get_name(mailbox), *address = buffer_data(addresses);
    int r;

    if (buffer_size(addresses) == 0)
        return -EINVAL;
    if (!name || !*name) {
        r = buffer_append_string(out, address);
    } else {
        r = compose_encode_phrase(name, out);
        if (r == 0)
            r = buffer_appendf(out, " <%s>", address);
    }
    buffer_consume(addresses, strlen(address) + 1);
    return r;
}

static int append_list(InternetAddressList *list, Buffer *addresses, Buffer *out);

static int append_group(InternetAddressGroup *group, Buffer *addresses, Buffer *out)
{
    const char *name = internet_address_get_name(INTERNET_ADDRESS(group)) ?: "";
    int r = compose_encode_phrase(name, out);

    if (r == 0)
        r = buffer_append_string(out, ": ");
    if (r == 0)
        r = append_list(internet_address_group_get_members(group), addresses, out);
    return r < 0 ? r : buffer_append_string(out, ";");
}

/* Appends the members of a list or group, separated by commas. */
static int append_list(InternetAddressList *list, Buffer *addresses, Buffer *out)
{
    int n = list ? internet_address_list_length(list) : 0, r = 0;

    for (int i = 0; i < n && r == 0; i++) {
        InternetAddress *element = internet_address_list_get_address(list, i);

        if (i > 0)
            r = buffer_append_string(out, ", ");
        if (r == 0)
            r = INTERNET_ADDRESS_IS_GROUP(element)
                    ? append_group(INTERNET_ADDRESS_GROUP(element), addresses, out)
                    : append_mailbox(element, addresses, out);
    }
    return r;
}

/* Appends the list with its names encoded. -EINVAL when GMime reads it in another way than we do.
 */
static int encode_list(const char *text, Buffer *addresses, Buffer *out)
{
    _cleanup_(gobject_p) InternetAddressList *list = internet_address_list_parse(NULL, text);
    int r = append_list(list, addresses, out);

    if (r == 0 && buffer_size(addresses) > 0)
        r = -EINVAL;
    return r;
}

/* Appends one list to the value. What is ASCII goes in as the user wrote it. */
static int append_value(const char *what, const char *text, Envelope *e, Buffer *value, Failure *f)
{
    const size_t n = strlen(text);
    _cleanup_buffer_ Buffer addresses = {0};
    int r = compose_check_text(what, text, f);

    if (r < 0)
        return r;
    r = e ? envelope_add_list(e, text, n, NULL, f) : 0;
    if (r == 0)
        r = address_list_parse(text, n, ADDRESS_RECIPIENTS, collect, &addresses, f);
    if (r == -EINVAL)
        return f ? failure_set(f, -EBADMSG, f->number, "%s: %s", what, failure_text(f)) : -EBADMSG;
    if (r == 0 && buffer_size(value) > 0)
        r = buffer_append_string(value, ", ");
    if (r < 0)
        return r;
    r = text_is_ascii(text, n) ? buffer_append_string(value, text)
                               : encode_list(text, &addresses, value);
    if (r == -EINVAL)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "%s: the names cannot be encoded; put each of them in double quotes", what);
    return r;
}

int compose_put_addresses(const char *what, const char *name, const char *const *lists, Envelope *e,
    Buffer *out, Failure *f)
{
    _cleanup_buffer_ Buffer value = {0};
    int r = 0;

    for (size_t i = 0; lists && lists[i] && r == 0; i++)
        if (lists[i][strspn(lists[i], " \t,")] != '\0')
            r = append_value(what, lists[i], e, &value, f);
    if (r < 0 || buffer_size(&value) == 0 || !name)
        return r;
    r = buffer_append(&value, "", 1);
    return r < 0 ? r : compose_put(name, buffer_data(&value), out);
}
