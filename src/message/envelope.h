/* Who a message is from and for (RFC 5321, 2.3.1), with the ESMTP parameters that its file gave. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/hash.h"

typedef struct EnvelopeRecipient {
    char *address;    /* bare addr-spec */
    char *parameters; /* "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b", or NULL */
} EnvelopeRecipient;

typedef struct Envelope {
    char *sender;            /* bare addr-spec; "" is the null reverse-path <>; NULL: not set yet */
    char *sender_parameters; /* "RET=HDRS ENVID=42", or NULL */
    EnvelopeRecipient *recipients;
    size_t n_recipients;
    bool needs_utf8; /* an address or parameter has bytes above 127 */
    /* envelope.c only: room in `recipients`, and the hash table that finds a recipient again. */
    size_t allocated;
    uint32_t *slots;
    size_t n_slots;
    HashKey key;
} Envelope;

void envelope_done(Envelope *envelope);

/* Sets the sender (copied), checking address and parameters. -EINVAL with a Failure; -ENOMEM. */
int envelope_set_sender(Envelope *e, const char *address, const char *parameters, Failure *f);

/* Adds a recipient (copied), checking address and parameters (esmtp-value syntax, RFC 5321, 4.1.2;
 * no CR, LF, NUL). The address needs a domain, but for "postmaster" (RFC 5321, 4.5.1). Nobody is a
 * recipient twice: an address that is in the envelope already, its domain in any case, only gives
 * its parameters to one that had none. -EINVAL with a Failure; -ENOMEM. */
int envelope_add_recipient(Envelope *e, const char *address, const char *parameters, Failure *f);

/* Parses the value of an X-Sender or X-Receiver field: a mailbox, with or without display name and
 * angle brackets ("<>" gives ""), then parameters. What follows a semicolon that ends a parameter
 * is no ESMTP parameter (Exchange's X-ExtendedProps) and is dropped. `ret_address` and
 * `ret_parameters` (NULL when there are none) are the caller's to free. 0, -EINVAL with a Failure,
 * -ENOMEM. */
int envelope_parse_field(
    const char *value, size_t n, char **ret_address, char **ret_parameters, Failure *f);

/* Whether `n` bytes are "KEYWORD" or "KEYWORD=value" (esmtp-param, RFC 5321, 4.1.2, with the UTF-8
 * of RFC 6531). 0 or -EINVAL with a Failure. */
int envelope_check_parameter(const char *text, size_t n, Failure *f);

#define _cleanup_envelope_ _cleanup_(envelope_done)
