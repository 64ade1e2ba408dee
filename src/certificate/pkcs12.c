/* PKCS#12 (RFC 7292). Must never decrypt before the cost of it is known, nor go into safes within
 * safes without an end; OpenSSL's PKCS12_parse() does both. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <string.h>

#include "certificate/der.h"
#include "certificate/handles.h"
#include "certificate/legacy.h"
#include "certificate/limits.h"

#define WHAT "PKCS#12 file"

static void pkcs12_p(PKCS12 **pkcs12)
{
    PKCS12_free(*pkcs12);
}

static int damaged(Failure *f)
{
    ERR_clear_error();
    return bag_damaged(f, WHAT);
}

/* What is wrong where something could not be decrypted. */
static int locked(const Bag *bag, Failure *f)
{
    return legacy_is_wanted() ? legacy_lacking(f) : bag_locked(bag, f, "the store");
}

/* The password as OpenSSL takes it: "" and none are two things in this format. */
typedef struct Pass {
    const char *text;
    int n;
} Pass;

static int add_shrouded(const PKCS12_SAFEBAG *safe, Pass pass, Bag *bag, Failure *f)
{
    const X509_SIG *encrypted = PKCS12_SAFEBAG_get0_pkcs8(safe);
    _cleanup_pkcs8_ PKCS8_PRIV_KEY_INFO *info = NULL;
    const X509_ALGOR *algorithm;
    int r;

    if (!encrypted)
        return damaged(f);
    X509_SIG_get0(encrypted, &algorithm, NULL);
    r = der_spend(algorithm, bag, f);
    if (r < 0)
        return r;
    info = PKCS12_decrypt_skey(safe, pass.text, pass.n);
    return info ? der_add_pkcs8(info, bag, f) : locked(bag, f);
}

static int add_safe(const PKCS12_SAFEBAG *safe, Pass pass, unsigned depth, Bag *bag, Failure *f);

static int add_safes(
    const STACK_OF(PKCS12_SAFEBAG) * safes, Pass pass, unsigned depth, Bag *bag, Failure *f)
{
    int r = 0;

    if (depth > STORE_NESTING_MAX)
        return damaged(f);
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(safes) && r >= 0; i++)
        r = add_safe(sk_PKCS12_SAFEBAG_value(safes, i), pass, depth, bag, f);
    return r;
}

static int add_safe(const PKCS12_SAFEBAG *safe, Pass pass, unsigned depth, Bag *bag, Failure *f)
{
    X509 *certificate;

    switch (PKCS12_SAFEBAG_get_nid(safe)) {
    case NID_keyBag:
        return PKCS12_SAFEBAG_get0_p8inf(safe)
                   ? der_add_pkcs8(PKCS12_SAFEBAG_get0_p8inf(safe), bag, f)
                   : damaged(f);
    case NID_pkcs8ShroudedKeyBag: return add_shrouded(safe, pass, bag, f);
    case NID_certBag:
        if (PKCS12_SAFEBAG_get_bag_nid(safe) != NID_x509Certificate)
            return 0;
        certificate = PKCS12_SAFEBAG_get1_cert(safe);
        return certificate ? bag_add_certificate(bag, certificate, f) : damaged(f);
    case NID_safeContentsBag:
        return add_safes(PKCS12_SAFEBAG_get0_safes(safe), pass, depth + 1, bag, f);
    default: return 0; /* revocation lists, secrets */
    }
}

static int add_content(PKCS7 *content, Pass pass, Bag *bag, Failure *f)
{
    STACK_OF(PKCS12_SAFEBAG) *safes = NULL;
    int r = 0;

    if (PKCS7_type_is_data(content)) {
        safes = content->d.data ? PKCS12_unpack_p7data(content) : NULL;
        if (!safes)
            return damaged(f);
    } else if (PKCS7_type_is_encrypted(content) && content->d.encrypted) {
        r = der_spend(content->d.encrypted->enc_data->algorithm, bag, f);
        if (r < 0)
            return r;
        safes = PKCS12_unpack_p7encdata(content, pass.text, pass.n);
        if (!safes)
            return locked(bag, f);
    } else
        return bag_refused(
            f, "a part of it is encrypted for a certificate and not with a password");
    r = add_safes(safes, pass, 0, bag, f);
    sk_PKCS12_SAFEBAG_pop_free(safes, PKCS12_SAFEBAG_free);
    return r;
}

/* A MAC whose key PBKDF2 derives (RFC 9579), by parameters of its own. */
static bool is_pbmac1(const X509_ALGOR *algorithm)
{
    char oid[64];

    return OBJ_obj2txt(oid, sizeof(oid), algorithm->algorithm, 1) > 0 &&
           strcmp(oid, "1.2.840.113549.1.5.14") == 0;
}

static int spend_mac(const PKCS12 *pkcs12, Bag *bag, Failure *f)
{
    const X509_ALGOR *algorithm = NULL;
    const ASN1_INTEGER *count = NULL;
    const ASN1_OCTET_STRING *salt = NULL;
    uint64_t rounds = 1;

    PKCS12_get0_mac(NULL, &algorithm, &salt, &count, pkcs12);
    if ((count && ASN1_INTEGER_get_uint64(&rounds, count) != 1) || !salt ||
        ASN1_STRING_length(salt) > SALT_BYTES_MAX)
        return damaged(f);
    if (!is_pbmac1(algorithm))
        return bag_spend(bag, rounds > ROUNDS_MAX ? rounds : 2 * rounds, f);
    if (OpenSSL_version_num() < 0x30400000L)
        return bag_refused(f, "its MAC is of a kind (PBMAC1) that OpenSSL knows since 3.4; make it "
                              "anew without: openssl pkcs12 -export");
    return der_spend_pbes2(algorithm, bag, f);
}

/* The MAC says whether the password is right, as far as there is one. */
static int check_mac(PKCS12 *pkcs12, Pass *pass, Bag *bag, Failure *f)
{
    int r;

    if (!PKCS12_mac_present(pkcs12))
        return 0;
    r = spend_mac(pkcs12, bag, f);
    if (r < 0)
        return r;
    if (PKCS12_verify_mac(pkcs12, pass->text, pass->n) == 1)
        return 0;
    if (pass->n == 0 && PKCS12_verify_mac(pkcs12, NULL, 0) == 1) {
        *pass = (Pass){NULL, 0};
        return 0;
    }
    return locked(bag, f);
}

int der_read_pkcs12(Bytes der, Bag *bag, Failure *f)
{
    const unsigned char *p = der.data;
    _cleanup_(pkcs12_p) PKCS12 *pkcs12 = d2i_PKCS12(NULL, &p, (long)der.n);
    STACK_OF(PKCS7) * contents;
    size_t n;
    const char *password = bag_password(bag, &n);
    Pass pass = {password, (int)n};
    int r;

    if (!pkcs12)
        return damaged(f);
    r = check_mac(pkcs12, &pass, bag, f);
    if (r < 0)
        return r;
    contents = PKCS12_unpack_authsafes(pkcs12);
    if (!contents)
        return damaged(f);
    for (int i = 0; i < sk_PKCS7_num(contents) && r >= 0; i++)
        r = add_content(sk_PKCS7_value(contents, i), pass, bag, f);
    sk_PKCS7_pop_free(contents, PKCS7_free);
    return r;
}
