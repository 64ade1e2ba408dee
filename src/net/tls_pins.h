/* Certificates that are accepted whatever they say: what the setting tls_accept_certificate names.
 */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>

#include "base/failure.h"

#define TLS_PIN_BYTES 32 /* of SHA-256 */

typedef struct TlsPins {
    unsigned char (*sha256)[TLS_PIN_BYTES]; /* of certificates, or of their public keys */
    size_t n;
} TlsPins;

/* `text` is SHA-256 fingerprints and names of PEM files, with ';' between them. A fingerprint is of
 * a certificate or of a public key (SubjectPublicKeyInfo, RFC 7469), in hexadecimal digits with or
 * without colons, or in base64; "SHA256:" or "sha256//" may stand in front. 0, or a negative errno
 * with a Failure that names the one that is neither. */
int tls_pins_load(const char *text, TlsPins *ret, Failure *f);
void tls_pins_done(TlsPins *pins);

/* False when nothing is pinned. */
bool tls_pins_match(const TlsPins *pins, X509 *certificate);
