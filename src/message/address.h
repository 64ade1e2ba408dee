/* Mail addresses: the Mailbox of an envelope (RFC 5321, 4.1.2, and RFC 6531) and the address lists
 * of a header (RFC 5322, 3.4). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/failure.h"

/* Bytes. RFC 5321 (4.5.3.1) names 64 for a local part and 256 for the whole as what everybody must
 * be able to take; addresses that are made for one sending (VERP, SRS) are longer, and whether one
 * is too long is the relay's to say. An address must fit into a line of a command with what else
 * stands there. */
#define ADDRESS_MAX 900
#define ADDRESS_DOMAIN_MAX 255

/* Whether `n` bytes are one Mailbox: local-part "@" (domain or address literal), or, with
 * `allow_bare`, a local part alone ("postmaster"). Quoted local parts and UTF-8 are allowed;
 * control characters, blanks outside quotes, CR, LF and NUL never. 0 or -EINVAL with a Failure
 * (ERROR_MESSAGE) that shows the address and says what is wrong with it. */
int address_check(const char *address, size_t n, bool allow_bare, Failure *f);

/* What stands behind the "@" between local part and domain; NULL when there is none. Borrowed. */
const char *address_domain(const char *address);

/* True when the local part has a byte above 127, so that SMTPUTF8 is needed (RFC 6531): a domain
 * can be written in A-labels. */
bool address_needs_utf8(const char *address);

/* local-part "@" domain, the local part quoted where it has to be. Caller frees; NULL when memory
 * is short. */
char *address_join(const char *local, const char *domain);

/* How a list is read. */
typedef enum AddressMode {
    ADDRESS_RECIPIENTS,  /* what could be one more address is never passed over */
    ADDRESS_ORIGINATORS, /* From, Sender, Reply-To: whatever stands around <...> is a name */
} AddressMode;

typedef enum AddressItemKind {
    ADDRESS_MAILBOX,
    ADDRESS_GROUP, /* a group begins; its members are the mailboxes up to its end */
    ADDRESS_GROUP_END,
} AddressItemKind;

/* One thing found in a list. Everything is borrowed until the handler returns. */
typedef struct AddressItem {
    AddressItemKind kind;
    const char *address; /* the bare addr-spec, NUL-terminated; mailboxes only */
    size_t n_address;
    const char
        *name; /* the display name as it stands in the text: words, or a comment; NULL: none */
    size_t n_name;
    const char
        *gap; /* where in the text the domain belongs that the address lacks; NULL: it has one
               */
    const char *start, *end; /* where in the text the address stands, as it is written there */
} AddressItem;

/* One call for each. A negative result stops the parse. */
typedef int (*AddressHandler)(void *user, const AddressItem *item);

/* Walks an RFC 5322 address-list: display names, groups (whose members count, and which may be
 * empty), comments, folded lines, quoted strings, source routes (dropped), the obsolete forms of
 * 4.4, encoded words (which are names, and never part of an address). Empty list elements are
 * allowed, and a semicolon separates as a comma does. Addresses are handed over in the form of RFC
 * 5321, without comments, with the quotes they need and no others, and without a dot behind the
 * domain; a local part alone ("root") is handed over too, for the handler to judge. 0, -EINVAL with
 * a Failure (ERROR_MESSAGE) that shows the place, or what the handler returned. doc/addresses.md
 * tells why each is read as it is. */
int address_list_parse(
    const char *text, size_t n, AddressMode mode, AddressHandler handler, void *user, Failure *f);

/* Appends the display name of an item for a person to read: quotes, comments' parentheses and folds
 * taken off, words with one blank between them, encoded words as they are. 0 or -ENOMEM. */
int address_append_name(const AddressItem *item, Buffer *out);
