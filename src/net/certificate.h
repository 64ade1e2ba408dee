/* Server certificates: what is wrong with one, in words; which one is accepted whatever it is; and
 * what one says. */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>

#include "base/failure.h"

#define CERTIFICATE_SHA256_BYTES 32

/* What the setting tls_accept_certificate names. */
typedef struct CertificatePin {
    bool is_set;
    unsigned char sha256[CERTIFICATE_SHA256_BYTES]; /* of a certificate, or of its public key */
} CertificatePin;

/* `text` is a SHA-256 fingerprint in hexadecimal digits, with or without colons or "SHA256:" in
 * front, or the name of a PEM file with a certificate. 0, or a negative errno with a Failure. */
int certificate_pin_load(const char *text, CertificatePin *ret, Failure *f);

/* False when nothing is pinned. */
bool certificate_pin_matches(const CertificatePin *pin, X509 *certificate);

/* Fills `f` with why verification failed in `store`: which certificate, why, and what to do. */
void certificate_explain(X509_STORE_CTX *store, const char *host, Failure *f);

/* A few lines: subject, issuer, names, validity, fingerprints. NULL when memory is short. Caller
 * frees. */
char *certificate_describe(X509 *certificate);
