/* Keys made of the numbers that PPK, JWK, XML and SSH write down. */
#pragma once

#include <openssl/evp.h>

#include "base/failure.h"
#include "certificate/octets.h"

/* Unsigned, the highest byte first, with or without zeros in front; `d`, `p` and `q` may be empty:
 * without `d` it is the public half. What follows from them is computed, whatever the file says. */
typedef struct RsaNumbers {
    Bytes n, e, d, p, q;
} RsaNumbers;

/* Each: 0, -ENOMEM, or -EBADMSG with a Failure. */
int numbers_rsa(const RsaNumbers *numbers, EVP_PKEY **ret, Failure *f);

/* A curve by its OpenSSL name; the point uncompressed (SEC 1, 2.3.3); `d` may be empty. */
int numbers_ec(const char *curve, Bytes point, Bytes d, EVP_PKEY **ret, Failure *f);

/* Of the kinds ED25519, ED448, X25519 and X448 (RFC 8032, RFC 7748): with `d` its public half must
 * be `x`. */
int numbers_edwards(const char *kind, Bytes x, Bytes d, EVP_PKEY **ret, Failure *f);
