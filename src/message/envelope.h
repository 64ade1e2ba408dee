/* Who a message is from and for (RFC 5321, 2.3.1), with the ESMTP parameters that its file gave. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

typedef struct EnvelopeRecipient {
    char *address;    /* bare addr-spec */
    char *parameters; /* "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b", or NULL */
} EnvelopeRecipient;

typedef struct Envelope {
    char *sender;            /* bare addr-spec; "" is the null reverse-path <> */
    char *sender_parameters; /* "RET=HDRS ENVID=42", or NULL */
    EnvelopeRecipient *recipients;
    size_t n_recipients;
    bool needs_utf8; /* an address has bytes above 127 */
} Envelope;

void envelope_done(Envelope *envelope);

/* Sets the sender (copied), checking address and parameters. -EINVAL with a Failure; -ENOMEM. */
int envelope_set_sender(Envelope *e, const char *address, const char *parameters, Failure *f);

/* Adds a recipient (copied), checking address and parameters (esmtp-value syntax, RFC 5321, 4.1.2;
 * no CR, LF, NUL). A recipient that is in the envelope already, with the same parameters or none,
 * is not added twice. */
int envelope_add_recipient(Envelope *e, const char *address, const char *parameters, Failure *f);

/* Parses the value of an X-Sender or X-Receiver field: a mailbox, with or without display name and
 * angle brackets, then parameters. `ret_address` and `ret_parameters` (NULL when there are none)
 * are the caller's to free. */
int envelope_parse_field(
    const char *value, size_t n, char **ret_address, char **ret_parameters, Failure *f);
