/* What a store holds, while it is read: certificates and keys, and what reading them has cost. */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/secret.h"
#include "certificate/octets.h"

typedef struct BagKey {
    EVP_PKEY *key;
    bool is_private;
} BagKey;

typedef struct Bag {
    STACK_OF(X509) * certificates; /* never NULL */
    BagKey *keys;
    size_t n_keys;
    const Secret *password; /* borrowed, or NULL */
    uint64_t rounds;        /* of key derivation, so far */
    unsigned nesting;       /* of formats within formats */
} Bag;

/* 0 or -ENOMEM. */
int bag_init(Bag *bag, const Secret *password);
void bag_done(Bag *bag);

/* Each takes over what it is given, also where it fails; a key that is there already counts once.
 * 0, -ENOMEM, or -E2BIG with a Failure where there are too many. */
int bag_add_certificate(Bag *bag, X509 *certificate, Failure *f);
int bag_add_key(Bag *bag, EVP_PKEY *key, bool is_private, Failure *f);

/* A private key whose numbers somebody wrote down: it must sign for its public half. */
int bag_add_proved_key(Bag *bag, EVP_PKEY *key, Failure *f);

/* Counts work before it is done. 0, or -E2BIG with a Failure. */
int bag_spend(Bag *bag, uint64_t rounds, Failure *f);

/* Failures of reading. Each returns its negative errno: */

/* -EBADMSG, ERROR_CERTIFICATE_STORE: what it is ("a PPK file") is damaged. */
int bag_damaged(Failure *f, const char *what);

/* -EOPNOTSUPP, ERROR_CERTIFICATE_STORE: words and advice. */
int bag_refused(Failure *f, const char *words);

/* -ENOKEY where there is no password, else -EKEYREJECTED; ERROR_TLS_CREDENTIALS. `what`: "the key",
 * or "the store". */
int bag_locked(const Bag *bag, Failure *f, const char *what);

/* The password, "" where there is none; and its size. */
const char *bag_password(const Bag *bag, size_t *ret_n);

#define _cleanup_bag_ _cleanup_(bag_done)
