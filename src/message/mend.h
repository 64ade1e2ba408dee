/* Messages as programs write them that hand mail to sendmail: what everybody understands, and no
 * relay takes, is written so that it can be sent. What can be sent already stays as it is.
 *
 * `data` is the start of a message, its whole header at least; results are 0 or -ENOMEM. */
#pragma once

#include <stddef.h>

#include "base/buffer.h"

/* Appends it with a header that ends where its text begins, which need not have an empty line
 * before it; a text alone gets an empty header. A field's name that has blanks in it, where the
 * header goes on behind it, is written with hyphens, unless mail systems would obey it then. A
 * second CR before a line end goes. Nothing in it is an envelope block any more:
 * X-Sender and its like are fields that somebody reads. */
int message_mend(const char *data, size_t n, Buffer *out);

/* Who is named where a field names nobody: bare addr-specs; NULL: the field stays. */
typedef struct MendPeople {
    const char *author; /* in From, Reply-To and their Resent- forms */
    const char *sender; /* in Sender and Resent-Sender */
} MendPeople;

/* Appends it, whose addresses have domains (qualify.h), with what names its originators in the form
 * of RFC 5322, 3.6.2, where an address can be found in it, or somebody else has to be named
 * instead: "Shop, Inc. <s@x>", "s@x Shop", "My Site", nothing. Recipients are written as others can
 * read them (mend_recipients.h). */
int message_mend_addresses(const char *data, size_t n, const MendPeople *people, Buffer *out);

/* Appends a field: one of the layer's names, a display name (NULL: none; one that no person could
 * have is left out), and an address. 0 or -ENOMEM. */
int message_append_originator(
    const char *field, const char *name, const char *address, Buffer *out);

/* A field of the header that names recipients. All borrowed. */
typedef struct RecipientField {
    size_t line; /* of the message, before it was mended */
    const char *name, *list;
    size_t n_name, n_list;
} RecipientField;

typedef int (*RecipientFieldHandler)(void *user, const RecipientField *field);

/* Hands over those of a message that message_mend() has written: To, Cc and Bcc, or of the topmost
 * Resent- forms of them. A negative result of the handler ends it, and is returned. */
int message_recipient_fields(const char *data, size_t n, RecipientFieldHandler handler, void *user);

/* One element of an address list. */
typedef int (*AddressElement)(void *user, const char *text, size_t n);

/* Hands over the elements of a list of which not all are addresses, one by one; what is between
 * commas and semicolons outside of quotes, comments and angle brackets, without blanks around it,
 * and not empty. A negative result of the handler ends it, and is returned. */
int address_list_split(const char *text, size_t n, AddressElement handler, void *user);
