/* What a certificate says, in words. */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>

#include "base/failure.h"

#define CERTIFICATE_SHA256_BYTES 32

bool certificate_digest(
    X509 *certificate, unsigned char out[static CERTIFICATE_SHA256_BYTES]); /* false: no memory */
bool certificate_key_digest(
    X509 *certificate, unsigned char out[static CERTIFICATE_SHA256_BYTES]); /* its public key's */

/* Parts in words, printable. Caller frees what is not written into `text`, which is returned; NULL
 * when memory is short. */
#define CERTIFICATE_DATE_MAX 32
#define CERTIFICATE_HEX_MAX (2 * CERTIFICATE_SHA256_BYTES + 1)
char *certificate_name_text(const X509_NAME *name);
char *certificate_names_text(X509 *certificate); /* of subjectAltName; "" when it has none */

/* Whether a name in its subjectAltName has a NUL, another control character, a blank or a comma in
 * it, which no host's name has: the certificate is malformed, or made to be taken for another's. */
bool certificate_deceives(X509 *certificate);
const char *certificate_date_text(const ASN1_TIME *date, char text[static CERTIFICATE_DATE_MAX]);
const char *certificate_hex_text(
    const unsigned char *digest, char text[static CERTIFICATE_HEX_MAX]);

/* A few lines: subject, issuer, names, validity, fingerprints. NULL when memory is short. Caller
 * frees. */
char *certificate_describe(X509 *certificate);
