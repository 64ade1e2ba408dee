/* One mailbox of a header (RFC 5322, 3.4): what address lists and envelope fields share.
 *
 * Inside the layer only; users call address_list_parse() and envelope_parse_field(). */
#pragma once

#include "base/failure.h"
#include "message/address.h"

typedef struct MailboxScanner {
    const char *at, *end;        /* what is still to be read; borrowed */
    const char *no_encoded_word; /* none that begins before this place is complete */
    const char *no_name;         /* what begins before this place and has commas is no name */
    /* Of the mailbox or group found last; places in the text. */
    const char *name; /* its display name as it stands there; NULL: none */
    size_t n_name;
    const char *comment; /* the last comment of those around it, with its parentheses */
    size_t n_comment;
    const char *gap;          /* where the domain belongs that is missing; NULL: it is there */
    const char *start, *stop; /* the address, from its local part to the end of its domain */
    size_t n_address;
    char address[ADDRESS_MAX + 1]; /* NUL-terminated */
} MailboxScanner;

typedef enum MailboxKind {
    MAILBOX_NONE,    /* "," ";" or the end stands here */
    MAILBOX_ADDRESS, /* an address, or a local part alone */
    MAILBOX_NULL,    /* "<>" */
    MAILBOX_GROUP,   /* the name of a group and its ":" */
} MailboxKind;

void mailbox_scanner_init(MailboxScanner *s, const char *text, size_t n);

/* Reads one mailbox, with the blanks and comments before it. A MailboxKind, or -EINVAL with a
 * Failure that shows the place. */
int mailbox_scan(MailboxScanner *s, Failure *f);

/* The same where nothing but the mailbox is wanted, and behind it nothing but the end of the
 * element stands: where what is there is not well formed, the <...> in it is the mailbox, and all
 * else its name. */
int mailbox_scan_loosely(MailboxScanner *s, Failure *f);

/* Skips blanks, line ends and comments. 0, or -EINVAL for a comment that does not end. */
int mailbox_skip_blanks(MailboxScanner *s, Failure *f);

/* -EINVAL with a Failure: where the scanner stands, and what is wrong there. */
int mailbox_fail(const MailboxScanner *s, Failure *f, const char *why);
