/* What the targets of src/certificate share: whatever a reader takes is a key that is one, and
 * whatever it does not take it says why. */
#pragma once

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "certificate/bag.h"
#include "certificate/der.h"
#include "certificate/limits.h"
#include "certificate/ssh.h"
#include "target.h"

typedef int (*CertificateReader)(Bytes data, Bag *bag, Failure *f);

/* Read by `reader`, the bytes are the same key. */
static inline void check_again(CertificateReader reader, Bytes data, EVP_PKEY *key)
{
    _cleanup_bag_ Bag bag = {0};

    if (bag_init(&bag, NULL) < 0)
        return;
    if (reader(data, &bag, NULL) < 0 || bag.n_keys != 1 || EVP_PKEY_eq(bag.keys[0].key, key) != 1)
        abort();
}

static inline void check_key(const BagKey *key)
{
    _cleanup_octets_ Octets blob = {0};
    PKCS8_PRIV_KEY_INFO *info = key->is_private ? EVP_PKEY2PKCS8(key->key) : NULL;
    unsigned char *der = NULL;
    int n = 0;

    if (EVP_PKEY_get_bits(key->key) > KEY_BITS_MAX)
        abort();
    if (ssh_format_public(key->key, &blob) == 0)
        check_again(ssh_read_blob, octets_bytes(&blob), key->key);
    if (info)
        n = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    if (n > 0)
        check_again(der_read_pkcs8, (Bytes){der, (size_t)n}, key->key);
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(info);
}

/* `spent`: rounds of key derivation that are taken for done. */
static inline void check_reader_within(
    CertificateReader reader, uint64_t spent, const uint8_t *data, size_t size)
{
    _cleanup_secret_ Secret *password = secret_new("sesame", strlen("sesame"));
    _cleanup_failure_ Failure f = {0};
    _cleanup_bag_ Bag bag = {0};
    int r;

    if (!password || bag_init(&bag, password) < 0)
        return;
    bag.rounds = spent;
    r = reader((Bytes){data, size}, &bag, &f);
    if (r < 0 && r != -ENOMEM &&
        (!f.text || (f.number != ERROR_CERTIFICATE_STORE && f.number != ERROR_TLS_CREDENTIALS)))
        abort();
    if (bag.n_keys > STORE_KEYS_MAX || bag.rounds > ROUNDS_MAX)
        abort();
    for (size_t i = 0; i < bag.n_keys; i++)
        check_key(&bag.keys[i]);
}

static inline void check_reader(CertificateReader reader, const uint8_t *data, size_t size)
{
    check_reader_within(reader, 0, data, size);
}
