/* Who a message is from and for (RFC 5321, 2.3.1), with the ESMTP parameters that its file gave. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "base/hash.h"

typedef struct EnvelopeRecipient {
    char *address;    /* bare addr-spec */
    char *mailbox;    /* the same with its domain in ASCII (base/idn.h); NULL: `address` is it */
    char *parameters; /* "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b", or NULL */
} EnvelopeRecipient;

typedef struct Envelope {
    char *sender;            /* bare addr-spec; "" is the null reverse-path <>; NULL: not set yet */
    char *sender_parameters; /* "RET=HDRS ENVID=42", or NULL */
    char *lane;              /* in small letters (base/lane.h), or NULL */
    EnvelopeRecipient *recipients;
    size_t n_recipients;
    usec_t not_before; /* realtime: it is not to be sent earlier; 0: it may go at once */
    bool needs_utf8;   /* a local part has bytes above 127: only SMTPUTF8 can carry it (RFC 6531) */
    /* envelope.c only: room in `recipients`, and the hash table that finds a recipient again. */
    size_t allocated;
    uint32_t *slots;
    size_t n_slots;
    HashKey key;
} Envelope;

void envelope_done(Envelope *envelope);

/* What tells it from other recipients, and is the same however the domain was written. */
const char *envelope_mailbox(const EnvelopeRecipient *recipient);

/* The index of the recipient that has this mailbox (envelope_mailbox()); SIZE_MAX: nobody has. */
size_t envelope_find(const Envelope *e, const char *mailbox);

/* Sets the sender (copied), checking address and parameters. -EINVAL with a Failure; -ENOMEM. */
int envelope_set_sender(Envelope *e, const char *address, const char *parameters, Failure *f);

/* Sets the lane (copied), `n` bytes of text that may have any case. -EINVAL with a Failure;
 * -ENOMEM.
 */
int envelope_set_lane(Envelope *e, const char *text, size_t n, Failure *f);

/* Adds a recipient (copied), checking address and parameters (esmtp-value syntax, RFC 5321, 4.1.2;
 * no CR, LF, NUL). The address needs a domain, but for "postmaster" (RFC 5321, 4.5.1). Nobody is a
 * recipient twice: an address that is in the envelope already, its domain in any case, in U-labels
 * or A-labels, only gives its parameters to one that had none. -EINVAL with a Failure; -ENOMEM. */
int envelope_add_recipient(Envelope *e, const char *address, const char *parameters, Failure *f);

/* Adds each of those, or where that fails, none. -EINVAL with a Failure; -ENOMEM. */
int envelope_add_all(Envelope *e, const Envelope *others, Failure *f);

/* Parameters that a field gives which another sender, or other recipients, take the place of: they
 * stay, unless those that were asked for say something of the same keyword. A recipient's stay with
 * its address, and are nobody's where it is none any more; a sender's are said of the whole
 * transaction (RET, ENVID, HOLDFOR ...). NULL: none. -EINVAL with a Failure; -ENOMEM. */
int envelope_inherit_sender(Envelope *e, const char *parameters, Failure *f);
int envelope_inherit_recipient(
    Envelope *e, const char *address, const char *parameters, Failure *f);

/* What every address of a list gets that comes from outside the list; NULL: nothing. */
typedef struct EnvelopeTerms {
    const char *parameters;
    const char *domain; /* for addresses that have none */
} EnvelopeTerms;

/* Adds all addresses of an address list (address_list_parse()) as recipients. `terms` may be NULL.
 * -EINVAL with a Failure; -ENOMEM. */
int envelope_add_list(
    Envelope *e, const char *list, size_t n, const EnvelopeTerms *terms, Failure *f);

/* Reads an address list as From and Sender have it. The first address is the sender, where none is
 * set: it speaks for all (RFC 5322, 3.6.2). How many there are; -EINVAL with a Failure; -ENOMEM. */
int envelope_add_originators(Envelope *e, const char *list, size_t n, Failure *f);

/* Sets the sender from the text that a person gives: as envelope_parse_field(), and nothing at all
 * is the null reverse-path. `terms` may be NULL: its parameters come before those in the text, of
 * which what has the same keyword is left out. */
int envelope_set_sender_text(Envelope *e, const char *text, const EnvelopeTerms *terms, Failure *f);

/* Parses the value of an X-Sender or X-Receiver field: a mailbox, with or without display name and
 * angle brackets ("<>" gives ""), then parameters. What follows a semicolon that ends a parameter
 * is no ESMTP parameter (Exchange's X-ExtendedProps) and is dropped. The parameters are not judged:
 * whoever takes the address does it. `ret_address` and
 * `ret_parameters` (NULL when there are none) are the caller's to free. 0, -EINVAL with a Failure,
 * -ENOMEM. */
int envelope_parse_field(
    const char *value, size_t n, char **ret_address, char **ret_parameters, Failure *f);

/* Whom a parameter is said of. */
typedef enum EnvelopeParty { ENVELOPE_SENDER, ENVELOPE_RECIPIENT } EnvelopeParty;

/* Whether the text is a list of parameters with single blanks between them (esmtp-param, RFC 5321,
 * 4.1.2, with the UTF-8 of RFC 6531), each of which may be said of this party, once, with a value
 * that it can have. Parameters that are not known here are judged by their form alone. 0 or -EINVAL
 * with a Failure. */
int envelope_check_parameters(const char *text, EnvelopeParty party, Failure *f);

/* For a list of parameters that a person has typed just now: -EINVAL with a Failure for one that is
 * not known here, and written nearly as one that may be said of this party. 0 otherwise. */
int envelope_check_spelling(const char *text, EnvelopeParty party, Failure *f);

/* Appends the text as xtext (RFC 3461, 4), as ENVID and ORCPT have theirs. 0 or -ENOMEM. */
int envelope_append_xtext(Buffer *out, const char *text);

/* Appends what that xtext stands for, which may be any bytes. 0 or -ENOMEM. */
int envelope_append_from_xtext(Buffer *out, const char *text, size_t n);

/* The value of the parameter of that keyword in a list (checked; NULL: none), `ret_n` bytes of it;
 * NULL when it is not there. Borrowed from the list. */
const char *envelope_parameter(const char *list, const char *keyword, size_t *ret_n);

/* Whether the sender wants to hear of it (RFC 3461, 4.1): `when` is "FAILURE", "DELAY" or
 * "SUCCESS"; `by_default` is for who has not said. */
bool envelope_wants_notice(const EnvelopeRecipient *recipient, const char *when, bool by_default);

/* Appends to `*list` (NULL: none yet) those of `more` (both checked) whose keyword is not
 * there. The caller frees. 0 or -ENOMEM. */
int envelope_merge_parameters(char **list, const char *more);

#define _cleanup_envelope_ _cleanup_(envelope_done)
