/* Certificates for tests. */
#include "certificates.h"

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ck_assert_ptr_nonnull(extension);
    ck_assert_int_eq(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

TestCertificate test_certificate_new(const TestCertificateSpec *spec, const TestCertificate *issuer)
{
    static long serial; /* each certificate of an issuer needs its own */
    TestCertificate made = {X509_new(), EVP_EC_gen("P-256")};
    const TestCertificate *signer = issuer ? issuer : &made;
    bool has_times = spec->from_seconds != 0 || spec->to_seconds != 0;
    X509_NAME *name;

    ck_assert(made.x509 && made.key);
    X509_set_version(made.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.x509), 1000 + serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.x509), has_times ? spec->from_seconds : -1800);
    X509_gmtime_adj(X509_getm_notAfter(made.x509), has_times ? spec->to_seconds : 1800);
    X509_set_pubkey(made.x509, made.key);
    name = X509_get_subject_name(made.x509);
    X509_NAME_add_entry_by_txt(
        name, "CN", MBSTRING_UTF8, (const unsigned char *)spec->common_name, -1, -1, 0);
    X509_set_issuer_name(made.x509, X509_get_subject_name(signer->x509));
    add_extension(made.x509, signer->x509, NID_basic_constraints,
        spec->is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (spec->names)
        add_extension(made.x509, signer->x509, NID_subject_alt_name, spec->names);
    if (spec->usage)
        add_extension(made.x509, signer->x509, NID_ext_key_usage, spec->usage);
    for (size_t i = 0; i < 3 && spec->extra[i][0]; i++)
        add_extension(made.x509, signer->x509, OBJ_sn2nid(spec->extra[i][0]), spec->extra[i][1]);
    ck_assert_int_gt(X509_sign(made.x509, signer->key, EVP_sha256()), 0);
    return made;
}

void test_certificate_done(TestCertificate *certificate)
{
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
}

void test_certificate_save(const TestCertificate *certificate, const char *path,
    const char *key_path, const char *password)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(PEM_write_X509(file, certificate->x509), 1);
    fclose(file);
    if (!key_path)
        return;
    file = fopen(key_path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(
        PEM_write_PKCS8PrivateKey(file, certificate->key, password ? EVP_aes_128_cbc() : NULL,
            password, password ? (int)strlen(password) : 0, NULL, NULL),
        1);
    fclose(file);
}

char *test_certificate_fingerprint(const TestCertificate *certificate, bool of_key)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char *der = NULL;
    unsigned n = 0;
    char *text;
    int size;

    size = of_key ? i2d_PUBKEY(certificate->key, &der) : i2d_X509(certificate->x509, &der);
    ck_assert_int_gt(size, 0);
    ck_assert_int_eq(EVP_Digest(der, (size_t)size, digest, &n, EVP_sha256(), NULL), 1);
    OPENSSL_free(der);
    text = calloc(2 * n + 1, 1);
    ck_assert_ptr_nonnull(text);
    for (unsigned i = 0; i < n; i++)
        snprintf(text + 2 * (size_t)i, 3, "%02x", digest[i]);
    return text;
}
