/* Mail addresses: the Mailbox of an envelope (RFC 5321, 4.1.2, and RFC 6531) and the address lists
 * of a header (RFC 5322, 3.4). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

#define ADDRESS_LOCAL_MAX 64 /* bytes, quotes included (RFC 5321, 4.5.3.1.1) */
#define ADDRESS_DOMAIN_MAX 255
#define ADDRESS_MAX (ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX)

/* Whether `n` bytes are one Mailbox: local-part "@" (domain or address literal), or, with
 * `allow_bare`, a local part alone ("postmaster"). Quoted local parts and UTF-8 are allowed;
 * control characters, blanks outside quotes, CR, LF and NUL never. 0 or -EINVAL with a Failure
 * (ERROR_MESSAGE) that shows the address and says what is wrong with it. */
int address_check(const char *address, size_t n, bool allow_bare, Failure *f);

/* True when a byte above 127 occurs: the address needs SMTPUTF8, or an A-label domain. */
bool address_is_utf8(const char *address);

/* True for the characters of an atom: atext (RFC 5322, 3.2.3) and every byte above 127. */
bool address_is_atext(char c);

/* One call an address found; `address` is the bare addr-spec, NUL-terminated, borrowed. A negative
 * result stops the parse. */
typedef int (*AddressHandler)(void *user, const char *address, size_t n);

/* Walks an RFC 5322 address-list: display names, groups (whose members count, and which may be
 * empty), comments, folded lines, quoted strings, source routes (dropped), the obsolete forms
 * of 4.4, encoded words in display names (skipped). Empty list elements are allowed. Addresses are
 * handed over in the form of RFC 5321, without comments and with no more quotes than they need; a
 * local part alone ("root") is handed over too, for the handler to judge. 0, -EINVAL with a Failure
 * (ERROR_MESSAGE) that shows the place, or what the handler returned. */
int address_list_parse(const char *text, size_t n, AddressHandler handler, void *user, Failure *f);
