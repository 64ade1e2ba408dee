/* The recipients of a message, one by one (the component's MessageRecipients). */
#ifndef OUTBOX_RECIPIENTS_H
#define OUTBOX_RECIPIENTS_H

#include <outbox/base.h>

OUTBOX_BEGIN

enum {
    OUTBOX_RECIPIENT_TO = 0,
    OUTBOX_RECIPIENT_CC = 1,
    OUTBOX_RECIPIENT_BCC = 2, /* in the envelope, and never in the header */
};

typedef struct OutboxRecipient {
    int kind;
    const char *name;    /* the display name, or "" */
    const char *address; /* the bare address */
    const char
        *options; /* parameters of RCPT such as "NOTIFY=SUCCESS,FAILURE" (RFC 3461, 4.1), or "" */
} OutboxRecipient;

/* Adds one. `name` and `options` may be NULL. 0, 9003 for what is no address or parameter, 9007. */
OUTBOX_API int outbox_message_add_recipient(
    OutboxMessage *message, int kind, const char *name, const char *address, const char *options);

/* How many there are, and number `i`, from 0; NULL behind the last. */
OUTBOX_API size_t outbox_message_recipient_count(const OutboxMessage *message);
OUTBOX_API const OutboxRecipient *outbox_message_recipient(const OutboxMessage *message, size_t i);

/* Removes all of them, also those of "SendTo", "Cc" and "BCc". */
OUTBOX_API void outbox_message_clear_recipients(OutboxMessage *message);

OUTBOX_END

#endif
