/* DER. Must never decrypt before it is known what that costs. */
#include "certificate/der.h"

#include <errno.h>
#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/errors.h"
#include "certificate/handles.h"
#include "certificate/legacy.h"
#include "certificate/limits.h"

static void encrypted_p(X509_SIG **encrypted)
{
    X509_SIG_free(*encrypted);
}

static void pkcs7_p(PKCS7 **pkcs7)
{
    PKCS7_free(*pkcs7);
}

static int damaged(Failure *f, const char *what)
{
    ERR_clear_error();
    return bag_damaged(f, what);
}

/* ---- what a derivation costs ---- */

static bool is_count(const ASN1_INTEGER *number, uint64_t *ret)
{
    return number && ASN1_INTEGER_get_uint64(ret, number) == 1;
}

static int spend_pbe(const X509_ALGOR *algorithm, Bag *bag, Failure *f)
{
    PBEPARAM *param = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
    uint64_t rounds = 0;
    bool good = param && is_count(param->iter, &rounds) &&
                ASN1_STRING_length(param->salt) <= SALT_BYTES_MAX;

    PBEPARAM_free(param);
    return good ? bag_spend(bag, rounds, f) : damaged(f, "encrypted key");
}

static int spend_pbkdf2(const X509_ALGOR *algorithm, Bag *bag, Failure *f)
{
    PBKDF2PARAM *param =
        ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), algorithm->parameter);
    uint64_t rounds = 0;
    bool good = param && is_count(param->iter, &rounds) &&
                param->salt->type == V_ASN1_OCTET_STRING &&
                ASN1_STRING_length(param->salt->value.octet_string) <= SALT_BYTES_MAX;

    PBKDF2PARAM_free(param);
    return good ? bag_spend(bag, rounds, f) : damaged(f, "encrypted key");
}

static int spend_scrypt(const X509_ALGOR *algorithm, Bag *bag, Failure *f)
{
    SCRYPT_PARAMS *param =
        ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), algorithm->parameter);
    uint64_t n = 0, r = 0, p = 0;
    bool good = param && is_count(param->costParameter, &n) && is_count(param->blockSize, &r) &&
                is_count(param->parallelizationParameter, &p) &&
                ASN1_STRING_length(param->salt) <= SALT_BYTES_MAX;

    SCRYPT_PARAMS_free(param);
    if (!good)
        return damaged(f, "encrypted key");
    if (n > ROUNDS_MAX || r > ROUNDS_MAX || p > ROUNDS_MAX || n * r > ROUNDS_MAX)
        return bag_spend(bag, UINT64_MAX, f);
    return bag_spend(bag, SCRYPT_ROUNDS(n, r, p), f);
}

int der_spend_pbes2(const X509_ALGOR *algorithm, Bag *bag, Failure *f)
{
    PBE2PARAM *param = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
    int kind, r;

    if (!param)
        return damaged(f, "encrypted key");
    kind = OBJ_obj2nid(param->keyfunc->algorithm);
    if (kind == NID_id_pbkdf2)
        r = spend_pbkdf2(param->keyfunc, bag, f);
    else if (kind == NID_id_scrypt)
        r = spend_scrypt(param->keyfunc, bag, f);
    else
        r = bag_refused(f, "its encryption derives the key in a way that OpenSSL does not know; "
                           "encrypt it anew: openssl pkcs8 -topk8");
    PBE2PARAM_free(param);
    return r;
}

int der_spend(const X509_ALGOR *algorithm, Bag *bag, Failure *f)
{
    return OBJ_obj2nid(algorithm->algorithm) == NID_pbes2 ? der_spend_pbes2(algorithm, bag, f)
                                                          : spend_pbe(algorithm, bag, f);
}

/* ---- keys ---- */

/* DSA and DH are computed with when they are read, and their numbers may be of any length. */
static bool is_known(const PKCS8_PRIV_KEY_INFO *info)
{
    static const int known[] = {NID_rsaEncryption, NID_rsassaPss, NID_X9_62_id_ecPublicKey,
        NID_ED25519, NID_ED448, NID_X25519, NID_X448};
    const ASN1_OBJECT *object = NULL;
    int kind;

    if (PKCS8_pkey_get0(&object, NULL, NULL, NULL, info) != 1)
        return false;
    kind = OBJ_obj2nid(object);
    for (size_t i = 0; i < ELEMENTSOF(known); i++)
        if (known[i] == kind)
            return true;
    return false;
}

int der_add_pkcs8(const PKCS8_PRIV_KEY_INFO *info, Bag *bag, Failure *f)
{
    EVP_PKEY *key;

    if (!is_known(info))
        return bag_refused(f, "a private key in it is of a kind that no TLS server takes, such as "
                              "DSA; use an RSA, ECDSA or Ed25519 key");
    key = EVP_PKCS82PKEY(info);
    return key ? bag_add_key(bag, key, true, f) : damaged(f, "private key");
}

int der_read_pkcs8(Bytes der, Bag *bag, Failure *f)
{
    const unsigned char *p = der.data;
    _cleanup_pkcs8_ PKCS8_PRIV_KEY_INFO *info =
        der.n <= KEY_DER_MAX ? d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.n) : NULL;

    return info ? der_add_pkcs8(info, bag, f) : damaged(f, "private key");
}

int der_read_encrypted_pkcs8(Bytes der, Bag *bag, Failure *f)
{
    const unsigned char *p = der.data;
    _cleanup_(encrypted_p) X509_SIG *encrypted =
        der.n <= KEY_DER_MAX ? d2i_X509_SIG(NULL, &p, (long)der.n) : NULL;
    _cleanup_pkcs8_ PKCS8_PRIV_KEY_INFO *info = NULL;
    const X509_ALGOR *algorithm;
    const char *password;
    size_t n;
    int r;

    if (!encrypted)
        return damaged(f, "encrypted private key");
    if (!bag->password)
        return bag_locked(bag, f, "the key");
    X509_SIG_get0(encrypted, &algorithm, NULL);
    r = der_spend(algorithm, bag, f);
    if (r < 0)
        return r;
    password = bag_password(bag, &n);
    info = PKCS8_decrypt(encrypted, password, (int)n);
    if (!info)
        return legacy_is_wanted() ? legacy_lacking(f) : bag_locked(bag, f, "the key");
    return der_add_pkcs8(info, bag, f);
}

int der_read_traditional(int type, Bytes der, Bag *bag, Failure *f)
{
    const unsigned char *p = der.data;
    EVP_PKEY *key = der.n <= KEY_DER_MAX ? d2i_PrivateKey(type, NULL, &p, (long)der.n) : NULL;

    return key ? bag_add_key(bag, key, true, f) : damaged(f, "private key");
}

int der_read_public_key(Bytes der, Bag *bag, Failure *f)
{
    const unsigned char *p = der.data;
    EVP_PKEY *key = der.n <= KEY_DER_MAX ? d2i_PUBKEY(NULL, &p, (long)der.n) : NULL;

    return key ? bag_add_key(bag, key, false, f) : damaged(f, "public key");
}

/* ---- certificates ---- */

int der_read_certificate(Bytes der, Bag *bag, Failure *f)
{
    const unsigned char *p = der.data;
    X509 *certificate = d2i_X509_AUX(NULL, &p, (long)der.n);

    return certificate ? bag_add_certificate(bag, certificate, f) : damaged(f, "certificate");
}

int der_read_pkcs7(Bytes der, Bag *bag, Failure *f)
{
    const unsigned char *p = der.data;
    _cleanup_(pkcs7_p) PKCS7 *pkcs7 = d2i_PKCS7(NULL, &p, (long)der.n);
    STACK_OF(X509) *certificates = NULL;
    int r = 0;

    if (!pkcs7)
        return damaged(f, "PKCS#7 file");
    if (PKCS7_type_is_signed(pkcs7) && pkcs7->d.sign)
        certificates = pkcs7->d.sign->cert;
    else if (PKCS7_type_is_signedAndEnveloped(pkcs7) && pkcs7->d.signed_and_enveloped)
        certificates = pkcs7->d.signed_and_enveloped->cert;
    for (int i = 0; i < sk_X509_num(certificates) && r >= 0; i++) {
        X509 *certificate = sk_X509_value(certificates, i);

        r = X509_up_ref(certificate) == 1 ? bag_add_certificate(bag, certificate, f) : -ENOMEM;
    }
    return r;
}

/* ---- whichever ---- */

bool der_is(Bytes data)
{
    const unsigned char *p = data.data;
    long n;
    int tag, class;
    bool good = data.n > 0 && data.n <= STORE_BYTES_MAX &&
                (ASN1_get_object(&p, &n, &tag, &class, (long)data.n) & 0x80) == 0 &&
                tag == V_ASN1_SEQUENCE && class == V_ASN1_UNIVERSAL;

    ERR_clear_error();
    return good;
}

/* A reader that does not know it leaves everything to the next; one that knows it and cannot has
 * the last word. */
int der_read(Bytes der, Bag *bag, Failure *f)
{
    static int (*const readers[])(Bytes, Bag *, Failure *) = {der_read_certificate, der_read_pkcs12,
        der_read_pkcs7, der_read_pkcs8, der_read_encrypted_pkcs8, der_read_public_key};
    static const int types[] = {EVP_PKEY_RSA, EVP_PKEY_EC};
    int r = -EBADMSG;

    for (size_t i = 0; i < ELEMENTSOF(readers) && r == -EBADMSG; i++)
        r = readers[i](der, bag, f);
    for (size_t i = 0; i < ELEMENTSOF(types) && r == -EBADMSG; i++)
        r = der_read_traditional(types[i], der, bag, f);
    return r == -EBADMSG ? bag_damaged(f, "certificate, key or store in DER") : r;
}
