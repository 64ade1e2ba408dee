/* The recipients of a message: those of its lists, and those that were added one by one. */
#include "lib/recipients.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/errors.h"
#include "message/address.h"
#include "message/envelope.h"

static int recipient_make(
    int kind, const char *name, const char *address, const char *options, OutboxRecipient *ret)
{
    *ret = (OutboxRecipient){
        .kind = kind,
        .name = strdup(name ?: ""),
        .address = strdup(address),
        .options = strdup(options ?: ""),
    };
    if (ret->name && ret->address && ret->options)
        return 0;
    recipient_done(ret);
    return -ENOMEM;
}

/* 0; -ENOMEM, and the list is as it was. */
static int recipient_append(OutboxRecipient **list, size_t *n, const OutboxRecipient *recipient)
{
    OutboxRecipient *longer = reallocarray(*list, *n + 1, sizeof(OutboxRecipient));

    if (!longer)
        return -ENOMEM;
    *list = longer;
    longer[(*n)++] = *recipient;
    return 0;
}

int outbox_message_add_recipient(
    OutboxMessage *message, int kind, const char *name, const char *address, const char *options)
{
    _cleanup_envelope_ Envelope checked = {0};
    OutboxRecipient recipient;
    int r = message_check(message);

    if (r != 0)
        return r;
    if (!address)
        return message_fail(message, ERROR_USAGE, "a recipient has no address");
    if (kind < OUTBOX_RECIPIENT_TO || kind > OUTBOX_RECIPIENT_BCC)
        return message_fail(message, ERROR_USAGE, "%d is no kind of recipient", kind);
    failure_done(&message->failure);
    if (envelope_add_recipient(
            &checked, address, options && *options ? options : NULL, &message->failure) < 0)
        return message->failure.number != 0
                   ? message->failure.number
                   : message_fail(message, ERROR_MEMORY, "no memory is left");
    if (recipient_make(kind, name, address, options, &recipient) < 0)
        return message_fail(message, ERROR_MEMORY, "no memory is left");
    if (recipient_append(&message->added, &message->n_added, &recipient) < 0) {
        recipient_done(&recipient);
        return message_fail(message, ERROR_MEMORY, "no memory is left");
    }
    message_changed(message);
    return 0;
}

void outbox_message_clear_recipients(OutboxMessage *message)
{
    if (message_is_here(message) && message->in_use == 0)
        message_clear_recipients(message);
}

/* ---- All of them ---- */

typedef struct Listing {
    OutboxMessage *message;
    int kind;
} Listing;

static int list_one(void *user, const AddressItem *item)
{
    Listing *listing = user;
    OutboxMessage *message = listing->message;
    _cleanup_buffer_ Buffer name = {0};
    OutboxRecipient recipient;
    int r;

    if (item->kind != ADDRESS_MAILBOX)
        return 0;
    r = item->name ? address_append_name(item, &name) : 0;
    if (r >= 0)
        r = buffer_append(&name, "", 1);
    if (r >= 0)
        r = recipient_make(listing->kind, buffer_data(&name), item->address, NULL, &recipient);
    if (r < 0)
        return r;
    r = recipient_append(&message->all, &message->n_all, &recipient);
    if (r < 0)
        recipient_done(&recipient);
    return r;
}

/* 0, or a negative errno with message->failure; what could be read of the lists is there. */
static int list_all(OutboxMessage *message)
{
    static const Property lists[] = {PROPERTY_TO, PROPERTY_CC, PROPERTY_BCC};
    int r = 0;

    for (size_t i = 0; r >= 0 && i < ELEMENTSOF(lists); i++) {
        const char *list = message->properties[lists[i]];
        Listing listing = {message, (int)i};

        if (list && *list)
            r = address_list_parse(
                list, strlen(list), ADDRESS_RECIPIENTS, list_one, &listing, &message->failure);
    }
    for (size_t i = 0; r >= 0 && i < message->n_added; i++) {
        OutboxRecipient copy;

        r = recipient_make(message->added[i].kind, message->added[i].name,
            message->added[i].address, message->added[i].options, &copy);
        if (r >= 0 && recipient_append(&message->all, &message->n_all, &copy) < 0) {
            recipient_done(&copy);
            r = -ENOMEM;
        }
    }
    return r;
}

/* It is a cache, as far as who reads can tell. */
static const OutboxRecipient *listed(const OutboxMessage *message, size_t *ret_n)
{
    OutboxMessage *changed = (OutboxMessage *)message;

    if (!message->all)
        (void)list_all(changed);
    *ret_n = message->n_all;
    return message->all;
}

size_t outbox_message_recipient_count(const OutboxMessage *message)
{
    size_t n = 0;

    if (message_is_here(message))
        (void)listed(message, &n);
    return n;
}

const OutboxRecipient *outbox_message_recipient(const OutboxMessage *message, size_t i)
{
    size_t n = 0;
    const OutboxRecipient *all = message_is_here(message) ? listed(message, &n) : NULL;

    return i < n ? &all[i] : NULL;
}

int message_kind_of(OutboxMessage *message, const char *address)
{
    size_t n;
    const OutboxRecipient *all = listed(message, &n);

    for (size_t i = 0; i < n; i++)
        if (strcasecmp(all[i].address, address) == 0)
            return all[i].kind;
    return -1;
}
