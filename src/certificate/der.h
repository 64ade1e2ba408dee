/* What OpenSSL reads: DER and PKCS#12. */
#pragma once

#include "certificate/bag.h"

/* Each into the bag: 0, or a negative errno with a Failure. */
int der_read_certificate(Bytes der, Bag *bag, Failure *f);
int der_read_public_key(Bytes der, Bag *bag, Failure *f);            /* SubjectPublicKeyInfo */
int der_read_pkcs8(Bytes der, Bag *bag, Failure *f);                 /* PrivateKeyInfo (RFC 5958) */
int der_read_encrypted_pkcs8(Bytes der, Bag *bag, Failure *f);       /* EncryptedPrivateKeyInfo */
int der_read_traditional(int type, Bytes der, Bag *bag, Failure *f); /* EVP_PKEY_RSA, EVP_PKEY_EC */
int der_read_pkcs7(Bytes der, Bag *bag, Failure *f);
int der_read_pkcs12(Bytes der, Bag *bag, Failure *f);

/* Whichever of them it is. */
int der_read(Bytes der, Bag *bag, Failure *f);

/* Whether it is one whole element of ASN.1, a SEQUENCE. */
bool der_is(Bytes data);

/* Of a kind that TLS knows; else -EOPNOTSUPP with a Failure. */
int der_add_pkcs8(const PKCS8_PRIV_KEY_INFO *info, Bag *bag, Failure *f);

/* Counts what a derivation by this algorithm costs (PBES1, PBES2, PKCS#12's). 0, -E2BIG, or
 * -EBADMSG with a Failure. */
int der_spend(const X509_ALGOR *algorithm, Bag *bag, Failure *f);
