/* Other addresses for the authors and senders that a header names. */
#pragma once

#include <stddef.h>

#include "base/buffer.h"

/* What is to be written instead of a whole addr-spec: NULL when it stays, else freed by who called.
 * 0 or -ENOMEM. */
typedef int (*AddressReplace)(void *user, const char *address, char **ret);

/* Appends the `n` bytes of a message, its whole header at least, with each address in From, Sender
 * and their Resent- forms that is to be replaced so. Names, comments and all else stay. What cannot
 * be read as an address list is left as it is, from where it cannot. 0 or -ENOMEM. */
int message_rewrite(const char *data, size_t n, AddressReplace replace, void *user, Buffer *out);
