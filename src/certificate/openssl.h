/* A Certificate for OpenSSL: what src/net makes a handshake with. */
#pragma once

#include <openssl/x509.h>

#include "certificate/certificate.h"

/* Borrowed; NULL where there is none. A key of a token is good for as long as the Certificate
 * is. */
X509 *certificate_x509(const Certificate *certificate);
EVP_PKEY *certificate_key(const Certificate *certificate); /* the private one alone */

/* Whether the private key is on a token: to sign is to wait for whatever that is. */
bool certificate_is_on_token(const Certificate *certificate);

/* The certificates behind it, its issuer first. Borrowed; may be empty, never NULL. */
STACK_OF(X509) * certificate_chain(const Certificate *certificate);

/* All certificates in a file, of any format that needs no password. 0 with at least one, which the
 * caller frees; -ENOMEM, or another negative errno with a Failure: ERROR_CERTIFICATE_STORE. */
int certificate_load_all(const char *path, STACK_OF(X509) * *ret, Failure *f);

/* One that a server showed, with what came with it (may be NULL). NULL when memory is short. */
Certificate *certificate_from_x509(X509 *x509, STACK_OF(X509) * sent);
