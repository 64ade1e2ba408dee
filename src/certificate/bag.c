/* What a store holds. Must never grow past certificate/limits.h. */
#include "certificate/bag.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/errors.h"
#include "certificate/limits.h"

static void key_p(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void context_p(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

int bag_init(Bag *bag, const Secret *password)
{
    *bag = (Bag){.certificates = sk_X509_new_null(), .password = password};
    return bag->certificates ? 0 : -ENOMEM;
}

void bag_done(Bag *bag)
{
    sk_X509_pop_free(bag->certificates, X509_free);
    for (size_t i = 0; i < bag->n_keys; i++)
        EVP_PKEY_free(bag->keys[i].key);
    free(bag->keys);
    *bag = (Bag){0};
}

static int too_many(Failure *f, const char *what, unsigned max)
{
    return failure_set(
        f, -E2BIG, ERROR_CERTIFICATE_STORE, "it holds more than %u %s; take some out", max, what);
}

int bag_add_certificate(Bag *bag, X509 *certificate, Failure *f)
{
    int r = 0;

    if (!certificate)
        return -ENOMEM;
    if (sk_X509_num(bag->certificates) >= STORE_CERTIFICATES_MAX)
        r = too_many(f, "certificates", STORE_CERTIFICATES_MAX);
    else if (sk_X509_push(bag->certificates, certificate) <= 0)
        r = -ENOMEM;
    if (r < 0)
        X509_free(certificate);
    return r;
}

/* A private key takes the place of its public half. */
static bool replaces(Bag *bag, EVP_PKEY *key, bool is_private)
{
    for (size_t i = 0; i < bag->n_keys; i++) {
        BagKey *other = &bag->keys[i];

        if (EVP_PKEY_eq(other->key, key) != 1)
            continue;
        if (is_private && !other->is_private) {
            EVP_PKEY_free(other->key);
            *other = (BagKey){key, true};
        } else
            EVP_PKEY_free(key);
        return true;
    }
    return false;
}

int bag_add_key(Bag *bag, EVP_PKEY *given, bool is_private, Failure *f)
{
    _cleanup_(key_p) EVP_PKEY *key = given;
    BagKey *keys;

    if (!key)
        return -ENOMEM;
    if (EVP_PKEY_get_bits(key) > KEY_BITS_MAX)
        return bag_refused(f, "a key in it is longer than 16384 bits, which nobody takes");
    if (replaces(bag, key, is_private)) {
        key = NULL;
        return 0;
    }
    if (bag->n_keys >= STORE_KEYS_MAX)
        return too_many(f, "keys", STORE_KEYS_MAX);
    keys = reallocarray(bag->keys, bag->n_keys + 1, sizeof(BagKey));
    if (!keys)
        return -ENOMEM;
    bag->keys = keys;
    bag->keys[bag->n_keys++] = (BagKey){TAKE_PTR(key), is_private};
    return 0;
}

/* Edwards curves hash by themselves. */
static bool proves_itself(EVP_PKEY *key)
{
    static const unsigned char text[] = "outbox";
    _cleanup_(context_p) EVP_MD_CTX *context = EVP_MD_CTX_new();
    const char *hash =
        EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448") ? NULL : "SHA256";
    unsigned char signature[KEY_NUMBER_BYTES_MAX];
    size_t n = sizeof(signature);

    return context && EVP_DigestSignInit_ex(context, NULL, hash, NULL, NULL, key, NULL) == 1 &&
           EVP_DigestSign(context, signature, &n, text, sizeof(text)) == 1 &&
           EVP_MD_CTX_reset(context) == 1 &&
           EVP_DigestVerifyInit_ex(context, NULL, hash, NULL, NULL, key, NULL) == 1 &&
           EVP_DigestVerify(context, signature, n, text, sizeof(text)) == 1;
}

/* Keys that only agree on secrets are as they are: nothing can be signed with them. */
static bool signs(EVP_PKEY *key)
{
    return !EVP_PKEY_is_a(key, "X25519") && !EVP_PKEY_is_a(key, "X448");
}

int bag_add_proved_key(Bag *bag, EVP_PKEY *given, Failure *f)
{
    _cleanup_(key_p) EVP_PKEY *key = given;
    uint64_t kilobits = (uint64_t)EVP_PKEY_get_bits(key) / 1024;
    int r;

    if (kilobits > KEY_BITS_MAX / 1024)
        return bag_refused(f, "a key in it is longer than 16384 bits, which nobody takes");
    r = bag_spend(bag, (kilobits + 1) * kilobits * kilobits * 1000, f);
    if (r < 0)
        return r;
    if (signs(key) && !proves_itself(key))
        return failure_set(f, -EBADMSG, ERROR_TLS_CREDENTIALS,
            "the private key in it is damaged, or too short: it does not sign for its public half; "
            "export it anew");
    return bag_add_key(bag, TAKE_PTR(key), true, f);
}

int bag_spend(Bag *bag, uint64_t rounds, Failure *f)
{
    if (rounds > ROUNDS_MAX || bag->rounds + rounds > ROUNDS_MAX)
        return failure_set(f, -E2BIG, ERROR_CERTIFICATE_STORE,
            "to derive its keys from the password would take longer than %d rounds; encrypt it "
            "anew with fewer",
            ROUNDS_MAX);
    bag->rounds += rounds;
    return 0;
}

int bag_damaged(Failure *f, const char *what)
{
    return failure_set(
        f, -EBADMSG, ERROR_CERTIFICATE_STORE, "it is no %s, or is damaged; export it anew", what);
}

int bag_refused(Failure *f, const char *words)
{
    return failure_set(f, -EOPNOTSUPP, ERROR_CERTIFICATE_STORE, "%s", words);
}

int bag_locked(const Bag *bag, Failure *f, const char *what)
{
    if (!bag->password)
        return failure_set(f, -ENOKEY, ERROR_TLS_CREDENTIALS,
            "%s is encrypted, and there is no password for it", what);
    return failure_set(f, -EKEYREJECTED, ERROR_TLS_CREDENTIALS,
        "%s is encrypted, and the password does not open it: it is wrong, unless the file is "
        "damaged",
        what);
}

const char *bag_password(const Bag *bag, size_t *ret_n)
{
    *ret_n = bag->password ? secret_size(bag->password) : 0;
    return bag->password ? secret_text(bag->password) : "";
}
