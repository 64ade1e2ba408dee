/* Digests, by OpenSSL: of what is to be unlike everything else. */
#pragma once

#include <stddef.h>

#include "base/buffer.h"

#define DIGEST_MAX 64 /* bytes of the longest */

/* Appends the digest of the bytes, in hexadecimal digits. `algorithm` is one of OpenSSL's names.
 * 0; -ELIBACC: OpenSSL's library is not installed; -EOPNOTSUPP: it does not give this one (a FIPS
 * provider has no MD5); -ENOMEM. */
int digest_append_hex(const char *algorithm, const void *data, size_t n, Buffer *out);
