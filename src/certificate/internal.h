/* The inside of a Certificate, for src/certificate alone. */
#pragma once

#include "certificate/bag.h"
#include "certificate/openssl.h"
#include "certificate/pkcs11.h"

struct Certificate {
    unsigned references;
    X509 *x509;           /* or NULL */
    EVP_PKEY *key;        /* private, or public where there is no x509; or NULL */
    bool has_private_key; /* `key` is one */
    STACK_OF(X509) * chain;
    CertificateStoreType type;
    Octets store; /* as it was given; of a URI without what is secret in it */
    Secret *password;
    char *container;
    Token *token; /* what `key` lives on, or NULL */
};

/* Empty, with one reference; NULL when memory is short. */
Certificate *certificate_new(void);

/* The public half of either; borrowed, or NULL. */
EVP_PKEY *certificate_public(const Certificate *certificate);

/* "Fingerprint" and "Thumbprint" are of this hash: false when it cannot be made. */
bool certificate_hash(const Certificate *certificate, const EVP_MD *kind,
    unsigned char digest[static EVP_MAX_MD_SIZE], unsigned *ret_n);
bool certificate_hash_of(X509 *x509, EVP_PKEY *key, const EVP_MD *kind,
    unsigned char digest[static EVP_MAX_MD_SIZE], unsigned *ret_n);
