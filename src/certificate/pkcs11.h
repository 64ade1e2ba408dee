/* Certificates and keys on tokens, which a PKCS#11 module reaches: by OpenSSL's stores where a
 * provider knows such URIs (pkcs11-provider), else by libp11's engine. Neither is loaded before a
 * URI is opened. */
#pragma once

#include "certificate/bag.h"

/* What the keys of a token need for as long as they are used; counted with the Certificate that
 * holds it. */
typedef struct Token Token;

void token_free(Token *token); /* accepts NULL */

/* "pkcs11:" in front, in any case. */
bool pkcs11_is_uri(const char *text);

/* Without what is secret in it (pin-value), as it may be shown. NULL when memory is short. */
char *pkcs11_shown(const char *uri);

/* `uri` is a URI (RFC 7512), or the path of a module, which means all that its tokens have. The
 * bag's password is the PIN. 0, or a negative errno with a Failure. `ret` may be NULL afterwards.
 */
int pkcs11_read(const char *uri, Bag *bag, Token **ret, Failure *f);

static inline void token_free_p(Token **token)
{
    token_free(*token);
}
