/* What a certificate says, field by field. Must never print what a terminal would act on into a
 * name: certificate/names.h. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/text.h"
#include "certificate/handles.h"
#include "certificate/internal.h"
#include "certificate/names.h"
#include "certificate/ssh.h"

EVP_PKEY *certificate_public(const Certificate *certificate)
{
    return certificate->x509 ? X509_get0_pubkey(certificate->x509) : certificate->key;
}

/* ---- hashes ---- */

static bool hash_of_key(EVP_PKEY *key, const EVP_MD *kind, unsigned char *digest, unsigned *ret_n)
{
    _cleanup_octets_ Octets blob = {0};
    unsigned char *der = NULL;
    bool good;
    int n;

    if (ssh_format_public(key, &blob) == 0)
        return EVP_Digest(blob.data, blob.n, digest, ret_n, kind, NULL) == 1;
    n = i2d_PUBKEY(key, &der);
    good = n > 0 && EVP_Digest(der, (size_t)n, digest, ret_n, kind, NULL) == 1;
    OPENSSL_free(der);
    return good;
}

bool certificate_hash_of(X509 *x509, EVP_PKEY *key, const EVP_MD *kind,
    unsigned char digest[static EVP_MAX_MD_SIZE], unsigned *ret_n)
{
    if (x509)
        return X509_digest(x509, kind, digest, ret_n) == 1;
    return key && hash_of_key(key, kind, digest, ret_n);
}

bool certificate_hash(const Certificate *certificate, const EVP_MD *kind,
    unsigned char digest[static EVP_MAX_MD_SIZE], unsigned *ret_n)
{
    return certificate_hash_of(certificate->x509, certificate->key, kind, digest, ret_n);
}

static int put_hex(Buffer *out, const unsigned char *bytes, size_t n, bool colons)
{
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++)
        r = buffer_appendf(out, colons ? "%s%02x" : "%s%02X", colons && i > 0 ? ":" : "", bytes[i]);
    return r;
}

static int put_hash(Buffer *out, const Certificate *c, const EVP_MD *kind, bool colons)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    return certificate_hash(c, kind, digest, &n) ? put_hex(out, digest, n, colons) : 0;
}

/* ---- single fields ---- */

/* Local time, English months, whatever the locale. */
static int put_date(Buffer *out, const ASN1_TIME *date)
{
    static const char *const months[] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm, local;
    time_t seconds;

    if (!date || ASN1_TIME_to_tm(date, &tm) != 1)
        return 0;
    seconds = timegm(&tm);
    if (!localtime_r(&seconds, &local))
        return 0;
    return buffer_appendf(out, "%02d-%s-%04d %02d:%02d:%02d", local.tm_mday, months[local.tm_mon],
        local.tm_year + 1900, local.tm_hour, local.tm_min, local.tm_sec);
}

static int put_object(Buffer *out, const ASN1_OBJECT *object, bool as_name)
{
    int kind = OBJ_obj2nid(object);
    char oid[128];

    if (as_name && kind != NID_undef)
        return buffer_append_string(out, OBJ_nid2ln(kind));
    return OBJ_obj2txt(oid, sizeof(oid), object, 1) > 0 ? buffer_append_string(out, oid) : 0;
}

static int put_extended_usage(Buffer *out, X509 *x509)
{
    EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(x509, NID_ext_key_usage, NULL, NULL);
    int r = 0;

    for (int i = 0; i < sk_ASN1_OBJECT_num(usage) && r >= 0; i++) {
        r = i > 0 ? buffer_append_string(out, ",") : 0;
        if (r >= 0)
            r = put_object(out, sk_ASN1_OBJECT_value(usage, i), false);
    }
    EXTENDED_KEY_USAGE_free(usage);
    return r;
}

static int put_usage(Buffer *out, unsigned flags)
{
    static const char *const names[] = {"Encipher Only", "CRL Signing", "Certificate Signing",
        "Key Agreement", "Data Encipherment", "Key Encipherment", "Non-Repudiation",
        "Digital Signature"};
    size_t start = buffer_size(out);
    int r = 0;

    for (unsigned i = ELEMENTSOF(names); i-- > 0 && r >= 0;)
        if (flags & 1U << i)
            r = buffer_appendf(out, "%s%s", buffer_size(out) > start ? "," : "", names[i]);
    return r;
}

/* "RSA", "EC": by provider's names; of an unknown kind the OID in the certificate. */
static int put_algorithm(Buffer *out, const Certificate *c)
{
    EVP_PKEY *key = certificate_public(c);
    ASN1_OBJECT *object = NULL;

    if (key && EVP_PKEY_get0_type_name(key))
        return buffer_append_string(out, EVP_PKEY_get0_type_name(key));
    if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_NONE)
        return buffer_append_string(out, OBJ_nid2sn(EVP_PKEY_get_base_id(key)));
    if (c->x509 &&
        X509_PUBKEY_get0_param(&object, NULL, NULL, NULL, X509_get_X509_PUBKEY(c->x509)) == 1)
        return put_object(out, object, false);
    return 0;
}

static int put_serial(Buffer *out, const ASN1_INTEGER *serial)
{
    return put_hex(out, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial), false);
}

static int put_pem(Buffer *out, const Certificate *c, bool of_key)
{
    _cleanup_bio_ BIO *bio = BIO_new(BIO_s_mem());
    EVP_PKEY *key = of_key ? certificate_public(c) : NULL;
    char *data = NULL;
    long n;

    if (!bio)
        return -ENOMEM;
    if (of_key ? !key || PEM_write_bio_PUBKEY(bio, key) != 1
               : !c->x509 || PEM_write_bio_X509(bio, c->x509) != 1)
        return 0;
    n = BIO_get_mem_data(bio, &data);
    return n > 0 ? buffer_append(out, data, (size_t)n) : 0;
}

static unsigned usage_flags(const Certificate *c)
{
    uint32_t usage = c->x509 ? X509_get_key_usage(c->x509) : UINT32_MAX;

    return usage == UINT32_MAX ? 0 : usage & 0xff; /* all bits: there is no such extension */
}

static int put_store(Buffer *out, const Certificate *c)
{
    /* A blob of bytes is no text. */
    if (c->store.n == 0 || !text_is_utf8((const char *)c->store.data, c->store.n))
        return 0;
    return buffer_append(out, c->store.data, c->store.n);
}

/* ---- the table ---- */

static const char *const field_names[CERTIFICATE_FIELD_MAX] = {
    [CERTIFICATE_EFFECTIVE_DATE] = "EffectiveDate",
    [CERTIFICATE_EXPIRATION_DATE] = "ExpirationDate",
    [CERTIFICATE_EXTENDED_KEY_USAGE] = "ExtendedKeyUsage",
    [CERTIFICATE_FINGERPRINT] = "Fingerprint",
    [CERTIFICATE_FINGERPRINT_SHA1] = "FingerprintSHA1",
    [CERTIFICATE_FINGERPRINT_SHA256] = "FingerprintSHA256",
    [CERTIFICATE_ISSUER] = "Issuer",
    [CERTIFICATE_PRIVATE_KEY_CONTAINER] = "PrivateKeyContainer",
    [CERTIFICATE_PUBLIC_KEY] = "PublicKey",
    [CERTIFICATE_PUBLIC_KEY_ALGORITHM] = "PublicKeyAlgorithm",
    [CERTIFICATE_SERIAL_NUMBER] = "SerialNumber",
    [CERTIFICATE_SIGNATURE_ALGORITHM] = "SignatureAlgorithm",
    [CERTIFICATE_STORE] = "Store",
    [CERTIFICATE_SUBJECT_ALT_NAMES] = "SubjectAltNames",
    [CERTIFICATE_THUMBPRINT_MD5] = "ThumbprintMD5",
    [CERTIFICATE_THUMBPRINT_SHA1] = "ThumbprintSHA1",
    [CERTIFICATE_THUMBPRINT_SHA256] = "ThumbprintSHA256",
    [CERTIFICATE_USAGE] = "Usage",
    [CERTIFICATE_VERSION] = "Version",
    [CERTIFICATE_SUBJECT] = "Subject",
    [CERTIFICATE_ENCODED] = "Encoded",
    [CERTIFICATE_PRIVATE_KEY_AVAILABLE] = "PrivateKeyAvailable",
    [CERTIFICATE_PUBLIC_KEY_LENGTH] = "PublicKeyLength",
    [CERTIFICATE_STORE_TYPE] = "StoreType",
    [CERTIFICATE_USAGE_FLAGS] = "UsageFlags",
};

const char *certificate_field_name(CertificateField field)
{
    return field_names[field];
}

/* Of a certificate, which is there. */
static int put_of_x509(Buffer *out, X509 *x509, CertificateField field)
{
    switch (field) {
    case CERTIFICATE_EFFECTIVE_DATE: return put_date(out, X509_get0_notBefore(x509));
    case CERTIFICATE_EXPIRATION_DATE: return put_date(out, X509_get0_notAfter(x509));
    case CERTIFICATE_EXTENDED_KEY_USAGE: return put_extended_usage(out, x509);
    case CERTIFICATE_ISSUER: return names_format(X509_get_issuer_name(x509), false, out);
    case CERTIFICATE_SUBJECT: return names_format(X509_get_subject_name(x509), false, out);
    case CERTIFICATE_SERIAL_NUMBER: return put_serial(out, X509_get0_serialNumber(x509));
    case CERTIFICATE_SIGNATURE_ALGORITHM:
        return put_object(out, X509_get0_tbs_sigalg(x509)->algorithm, true);
    case CERTIFICATE_SUBJECT_ALT_NAMES: return names_format_alternative(x509, out);
    case CERTIFICATE_VERSION: return buffer_appendf(out, "V%ld", X509_get_version(x509) + 1);
    default: return 0;
    }
}

static int put(Buffer *out, const Certificate *c, CertificateField field)
{
    switch (field) {
    case CERTIFICATE_FINGERPRINT: return put_hash(out, c, EVP_md5(), true);
    case CERTIFICATE_FINGERPRINT_SHA1: return put_hash(out, c, EVP_sha1(), true);
    case CERTIFICATE_FINGERPRINT_SHA256: return put_hash(out, c, EVP_sha256(), true);
    case CERTIFICATE_THUMBPRINT_MD5: return put_hash(out, c, EVP_md5(), false);
    case CERTIFICATE_THUMBPRINT_SHA1: return put_hash(out, c, EVP_sha1(), false);
    case CERTIFICATE_THUMBPRINT_SHA256: return put_hash(out, c, EVP_sha256(), false);
    case CERTIFICATE_PRIVATE_KEY_CONTAINER: return buffer_append_string(out, c->container ?: "");
    case CERTIFICATE_PUBLIC_KEY: return put_pem(out, c, true);
    case CERTIFICATE_PUBLIC_KEY_ALGORITHM: return put_algorithm(out, c);
    case CERTIFICATE_STORE: return put_store(out, c);
    case CERTIFICATE_USAGE: return put_usage(out, usage_flags(c));
    case CERTIFICATE_ENCODED: return put_pem(out, c, false);
    default: return c->x509 ? put_of_x509(out, c->x509, field) : 0;
    }
}

long certificate_number(const Certificate *c, CertificateField field)
{
    EVP_PKEY *key = certificate_public(c);

    switch (field) {
    case CERTIFICATE_PRIVATE_KEY_AVAILABLE: return c->has_private_key;
    case CERTIFICATE_PUBLIC_KEY_LENGTH: return key ? MAX(EVP_PKEY_get_bits(key), 0) : 0;
    case CERTIFICATE_STORE_TYPE: return c->type;
    case CERTIFICATE_USAGE_FLAGS: return usage_flags(c);
    default: return 0;
    }
}

char *certificate_text(const Certificate *certificate, CertificateField field)
{
    _cleanup_buffer_ Buffer out = {0};
    int r = field >= CERTIFICATE_FIRST_NUMBER
                ? buffer_appendf(&out, "%ld", certificate_number(certificate, field))
                : put(&out, certificate, field);

    ERR_clear_error();
    if (r < 0 || buffer_append(&out, "", 1) < 0)
        return NULL;
    return strdup(buffer_data(&out));
}

/* ---- bytes ---- */

int certificate_encoded(const Certificate *certificate, unsigned char **ret, size_t *ret_n)
{
    int n = certificate->x509 ? i2d_X509(certificate->x509, NULL) : 0;
    unsigned char *p = malloc((size_t)MAX(n, 0) + 1);

    if (!p || n < 0) {
        free(p);
        return -ENOMEM;
    }
    *ret = p;
    *ret_n = (size_t)n;
    if (n > 0)
        (void)i2d_X509(certificate->x509, &p);
    return 0;
}

int certificate_store(const Certificate *certificate, void **ret, size_t *ret_n)
{
    *ret = malloc(certificate->store.n + 1);
    *ret_n = certificate->store.n;
    if (!*ret)
        return -ENOMEM;
    if (*ret_n > 0)
        memcpy(*ret, certificate->store.data, *ret_n);
    return 0;
}

Secret *certificate_private_key(const Certificate *certificate)
{
    _cleanup_bio_ BIO *bio = BIO_new(BIO_s_secmem());
    char *data = NULL;
    Secret *secret = NULL;
    long n;

    if (bio && certificate->has_private_key && !certificate->token &&
        PEM_write_bio_PKCS8PrivateKey(bio, certificate->key, NULL, NULL, 0, NULL, NULL) == 1) {
        n = BIO_get_mem_data(bio, &data);
        if (n > 0)
            secret = secret_new(data, (size_t)n);
    }
    ERR_clear_error();
    return secret;
}
