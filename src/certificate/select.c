/* Selecting by subject, hash, or a certificate's key. Must never give a key that does not belong to
 * its certificate. */
#include "certificate/select.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "certificate/format.h"
#include "certificate/limits.h"
#include "certificate/names.h"

#define THUMBPRINT "Thumbprint="

/* ---- keys ---- */

static EVP_PKEY *private_key_of(const Bag *bag, X509 *x509)
{
    EVP_PKEY *public = X509_get0_pubkey(x509);

    for (size_t i = 0; public && i < bag->n_keys; i++)
        if (bag->keys[i].is_private && EVP_PKEY_eq(bag->keys[i].key, public) == 1)
            return bag->keys[i].key;
    return NULL;
}

static const BagKey *first_key(const Bag *bag)
{
    for (size_t i = 0; i < bag->n_keys; i++)
        if (bag->keys[i].is_private)
            return &bag->keys[i];
    return bag->n_keys > 0 ? &bag->keys[0] : NULL;
}

static bool holds_private(const Bag *bag)
{
    const BagKey *key = first_key(bag);

    return key && key->is_private;
}

static int take_key(EVP_PKEY *key, bool is_private, Certificate *certificate)
{
    if (key && EVP_PKEY_up_ref(key) != 1)
        return -ENOMEM;
    certificate->key = key;
    certificate->has_private_key = key && is_private;
    return 0;
}

/* ---- the chain ---- */

static X509 *issuer_of(const Bag *bag, X509 *x509, const STACK_OF(X509) * chain)
{
    for (int i = 0; i < sk_X509_num(bag->certificates); i++) {
        X509 *other = sk_X509_value(bag->certificates, i);
        bool known = X509_cmp(other, x509) == 0;

        for (int k = 0; k < sk_X509_num(chain) && !known; k++)
            known = X509_cmp(other, sk_X509_value(chain, k)) == 0;
        if (!known && X509_check_issued(other, x509) == X509_V_OK)
            return other;
    }
    return NULL;
}

static int take_x509(const Bag *bag, X509 *x509, Certificate *certificate)
{
    X509 *next = x509;

    if (X509_up_ref(x509) != 1)
        return -ENOMEM;
    certificate->x509 = x509;
    while (sk_X509_num(certificate->chain) < CHAIN_MAX &&
           X509_check_issued(next, next) != X509_V_OK &&
           (next = issuer_of(bag, next, certificate->chain))) {
        if (X509_up_ref(next) != 1)
            return -ENOMEM;
        if (sk_X509_push(certificate->chain, next) <= 0) {
            X509_free(next);
            return -ENOMEM;
        }
    }
    ERR_clear_error();
    return take_key(private_key_of(bag, x509), true, certificate);
}

/* ---- by what ---- */

/* What a subject asks for. */
typedef struct Wanted {
    const char *subject; /* or NULL */
    Octets hash;
    const EVP_MD *kind; /* of the hash; NULL: none is asked for */
} Wanted;

static const EVP_MD *hash_of_size(size_t n)
{
    return n == 16 ? EVP_md5() : n == 20 ? EVP_sha1() : n == 32 ? EVP_sha256() : NULL;
}

static int parse_thumbprint(const char *text, Wanted *ret, Failure *f)
{
    _cleanup_buffer_ Buffer digits = {0};
    int r = 0;

    for (; *text && r >= 0; text++)
        if (*text != ':' && *text != ' ')
            r = buffer_append(&digits, text, 1);
    if (r >= 0)
        r = octets_from_hex(buffer_data(&digits) ?: "", buffer_size(&digits), &ret->hash);
    if (r == -ENOMEM)
        return r;
    ret->kind = r < 0 ? NULL : hash_of_size(ret->hash.n);
    if (ret->kind)
        return 0;
    return failure_set(f, -EINVAL, ERROR_CERTIFICATE_NOT_FOUND,
        "a thumbprint has 32 (MD5), 40 (SHA-1) or 64 (SHA-256) hexadecimal digits, as in "
        "\"Thumbprint=30:7B:FA...\"");
}

static bool hash_matches(const Wanted *wanted, X509 *x509, EVP_PKEY *key)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n;

    return certificate_hash_of(x509, key, wanted->kind, digest, &n) && n == wanted->hash.n &&
           memcmp(digest, wanted->hash.data, n) == 0;
}

/* How well a subject fits: 0 not at all, 1 a part of it, 2 the whole. Or -ENOMEM. */
static int subject_fits(const char *subject, X509 *x509)
{
    int fits = 0;

    for (unsigned in_order = 0; in_order < 2; in_order++) {
        _cleanup_buffer_ Buffer text = {0};

        if (names_format(X509_get_subject_name(x509), in_order, &text) < 0 ||
            buffer_append(&text, "", 1) < 0)
            return -ENOMEM;
        if (text_equal_nocase(buffer_data(&text), subject))
            return 2;
        if (strcasestr(buffer_data(&text), subject))
            fits = 1;
    }
    return fits;
}

static bool is_valid_now(X509 *x509)
{
    return X509_cmp_current_time(X509_get0_notBefore(x509)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(x509)) > 0;
}

/* Of several that fit: the whole subject before a part of it, then one with its key, then one that
 * is valid, then the one that will be for longest, as after a renewal. */
typedef struct Rank {
    int fits;
    bool has_key, is_valid;
    const ASN1_TIME *end;
} Rank;

static bool is_better(const Rank *a, const Rank *b)
{
    if (a->fits != b->fits)
        return a->fits > b->fits;
    if (a->has_key != b->has_key)
        return a->has_key;
    if (a->is_valid != b->is_valid)
        return a->is_valid;
    return ASN1_TIME_compare(a->end, b->end) > 0;
}

static int find_by_wanted(const Bag *bag, const Wanted *wanted, X509 **ret)
{
    Rank best = {0};

    *ret = NULL;
    for (int i = 0; i < sk_X509_num(bag->certificates); i++) {
        X509 *x509 = sk_X509_value(bag->certificates, i);
        Rank rank = {.has_key = private_key_of(bag, x509),
            .is_valid = is_valid_now(x509),
            .end = X509_get0_notAfter(x509)};

        rank.fits =
            wanted->kind ? hash_matches(wanted, x509, NULL) : subject_fits(wanted->subject, x509);
        if (rank.fits < 0)
            return -ENOMEM;
        if (rank.fits > 0 && (!*ret || is_better(&rank, &best))) {
            best = rank;
            *ret = x509;
        }
    }
    return 0;
}

static int not_found(const Bag *bag, Failure *f, const char *what)
{
    _cleanup_free_
    char *shown = text_printable(what, strlen(what), 200);

    return failure_set(f, -ENOENT, ERROR_CERTIFICATE_NOT_FOUND,
        "there is nothing for \"%s\" among its %d certificates and %zu keys", shown ?: "",
        sk_X509_num(bag->certificates), bag->n_keys);
}

static int select_wanted(const Bag *bag, const char *subject, Certificate *certificate, Failure *f)
{
    Wanted wanted = {.subject = subject};
    X509 *x509;
    int r = 0;

    if (text_starts_nocase(subject, THUMBPRINT))
        r = parse_thumbprint(subject + strlen(THUMBPRINT), &wanted, f);
    if (r >= 0)
        r = find_by_wanted(bag, &wanted, &x509);
    if (r >= 0 && x509)
        r = take_x509(bag, x509, certificate);
    for (size_t i = 0; r >= 0 && wanted.kind && !x509 && i < bag->n_keys; i++)
        if (hash_matches(&wanted, NULL, bag->keys[i].key)) {
            octets_done(&wanted.hash);
            return take_key(bag->keys[i].key, bag->keys[i].is_private, certificate);
        }
    octets_done(&wanted.hash);
    return r >= 0 && !x509 ? not_found(bag, f, subject) : r;
}

/* The first certificate that has its key, else the first, which in a file with a chain is what the
 * chain is for; else a key. */
static int select_first(const Bag *bag, Certificate *certificate, Failure *f)
{
    const BagKey *key = first_key(bag);

    for (int i = 0; i < sk_X509_num(bag->certificates); i++)
        if (private_key_of(bag, sk_X509_value(bag->certificates, i)))
            return take_x509(bag, sk_X509_value(bag->certificates, i), certificate);
    if (sk_X509_num(bag->certificates) > 0)
        return take_x509(bag, sk_X509_value(bag->certificates, 0), certificate);
    if (key)
        return take_key(key->key, key->is_private, certificate);
    return failure_set(
        f, -ENOENT, ERROR_CERTIFICATE_NOT_FOUND, "it holds neither a certificate nor a key");
}

static int select_key_for(
    const Bag *bag, const CertificateSource *source, Certificate *certificate, Failure *f)
{
    _cleanup_bag_ Bag given = {0};
    CertificateStoreType type;
    int r = bag_init(&given, NULL);

    if (r >= 0)
        r = format_read(
            (Bytes){source->encoded, source->n_encoded}, CERTIFICATE_AUTO, &given, &type, f);
    if (r < 0)
        return r == -ENOMEM ? r : failure_prefix(f, r, "the certificate that was given");
    if (sk_X509_num(given.certificates) == 0)
        return failure_set(
            f, -ENOENT, ERROR_CERTIFICATE_NOT_FOUND, "what was given as a certificate is none");
    r = take_x509(bag, sk_X509_value(given.certificates, 0), certificate);
    if (r >= 0 && !certificate->key)
        r = failure_set(f, -ENOENT, ERROR_CERTIFICATE_NOT_FOUND, "%s",
            holds_private(bag) ? "the private key in it does not belong to the certificate: check "
                                 "both"
                               : "there is no private key in it");
    return r;
}

int select_certificate(
    const Bag *bag, const CertificateSource *source, Certificate *certificate, Failure *f)
{
    const char *subject = source->subject ?: "";

    if (source->encoded && source->n_encoded > 0)
        return select_key_for(bag, source, certificate, f);
    if (subject[0] == '\0' || strcmp(subject, "*") == 0)
        return select_first(bag, certificate, f);
    return select_wanted(bag, subject, certificate, f);
}
