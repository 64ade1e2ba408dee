/* Addresses without a domain, as programs on one machine write them to each other ("root"). */
#pragma once

#include <stddef.h>

#include "base/buffer.h"

/* Appends the `n` bytes of a message, its whole header at least, with "@" and the domain behind
 * each address in From, Sender, Reply-To, To, Cc, Bcc and their Resent- forms that has none. What
 * cannot be read as an address list is left as it is, from where it cannot. 0 or -ENOMEM. */
int message_qualify(const char *data, size_t n, const char *domain, Buffer *out);
