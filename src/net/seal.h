/* A secret text sealed with a key, to be kept on a disk: AES-256-GCM, by a key, a nonce and a name
 * of the key that HKDF-SHA256 (RFC 5869) makes of the given one and of random bytes, anew for each
 * sealing. One line of text:
 *
 *   sealed:1:SALT:KEY-NAME:BYTES          (hexadecimal; the last 16 bytes are the tag)
 *
 * Nothing of it can be changed without being found out. */
#pragma once

#include <stdbool.h>

#include "base/secret.h"

#define SEAL_KEY_MIN 32 /* characters: 128 bits, were they hexadecimal */

/* Whether the text is a sealed one, of whatever version. */
bool seal_is_sealed(const char *text);

/* `purpose` has to be the same when it is opened. 0 with the line, which the caller frees;
 * -EKEYREJECTED when the key is too short; -ENOMEM; -EIO when OpenSSL fails. */
int seal_close(const Secret *key, const char *purpose, const Secret *plain, char **ret);

/* 0; -EKEYREJECTED when it was sealed with another key; -EBADMSG when it is damaged, or none;
 * -EPROTONOSUPPORT when it is of a version that this one does not know; -ENOMEM. */
int seal_open(const Secret *key, const char *purpose, const char *text, Secret **ret);
