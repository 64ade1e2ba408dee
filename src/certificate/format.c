/* Which format a store is in. Must never leave behind a key that OpenSSL's legacy provider has
 * made. */
#include "certificate/format.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <string.h>

#include "base/errors.h"
#include "certificate/der.h"
#include "certificate/jwk.h"
#include "certificate/legacy.h"
#include "certificate/limits.h"
#include "certificate/pem.h"
#include "certificate/ppk.h"
#include "certificate/ssh.h"
#include "certificate/xml.h"

/* ---- formats ---- */

/* Base64 of something: at least as much as the shortest key takes. */
static bool is_base64(Bytes data)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n";

    for (size_t i = 0; i < data.n; i++)
        if (data.data[i] == '\0' || !strchr(alphabet, data.data[i]))
            return false;
    return data.n >= 32;
}

static bool is_java(Bytes data)
{
    return data.n >= 4 && (memcmp(data.data, "\xfe\xed\xfe\xed", 4) == 0 ||
                              memcmp(data.data, "\xce\xce\xce\xce", 4) == 0);
}

static int refuse_java(Bytes data, Bag *bag, Failure *f)
{
    (void)data;
    (void)bag;
    return bag_refused(f, "it is a key store of Java (JKS or BCFKS), which nothing but Java reads; "
                          "convert it: keytool -importkeystore -srckeystore STORE -destkeystore "
                          "STORE.p12 -deststoretype PKCS12");
}

static int read_base64(Bytes data, Bag *bag, Failure *f);

typedef struct Format {
    const char *name;
    bool (*is)(Bytes data);
    int (*read)(Bytes data, Bag *bag, Failure *f);
    CertificateStoreType type; /* AUTO: to be told by what is in it */
} Format;

/* In the order in which they are asked. */
static const Format formats[] = {
    {"PPK key", ppk_is, ppk_read, CERTIFICATE_PPK_FILE},
    {"public key of SSH", ssh_is_rfc4716, ssh_read_rfc4716, CERTIFICATE_SSH_PUBLIC_KEY_FILE},
    {"public key of SSH", ssh_is_line, ssh_read_lines, CERTIFICATE_SSH_PUBLIC_KEY_FILE},
    {"public key of SSH", ssh_is_blob, ssh_read_blob, CERTIFICATE_SSH_PUBLIC_KEY_FILE},
    {"key store of Java", is_java, refuse_java, CERTIFICATE_JKS_FILE},
    {"DER file", der_is, der_read, CERTIFICATE_AUTO},
    {"PEM file", pem_is, pem_read, CERTIFICATE_AUTO},
    {"XML file", xml_is, xml_read, CERTIFICATE_XML_FILE},
    {"JSON Web Key", jwk_is, jwk_read, CERTIFICATE_JWK_FILE},
    {"base64 text", is_base64, read_base64, CERTIFICATE_AUTO},
};

static const Format *detect(Bytes data)
{
    for (size_t i = 0; i < ELEMENTSOF(formats); i++)
        if (formats[i].is(data))
            return &formats[i];
    return NULL;
}

bool format_is_known(Bytes data)
{
    return detect(data);
}

/* ---- types ---- */

/* Of DER and PEM the reader of one type alone, so that nothing else passes for it. */
static int read_as(Bytes data, CertificateStoreType type, Bag *bag, Failure *f)
{
    const Format *format = detect(data);

    if (format && format->read == read_base64)
        return read_base64(data, bag, f);
    if (type == CERTIFICATE_PFX_FILE && format && format->read == der_read)
        return der_read_pkcs12(data, bag, f);
    if (type == CERTIFICATE_P7B_FILE && format && format->read == der_read)
        return der_read_pkcs7(data, bag, f);
    return format ? format->read(data, bag, f)
                  : bag_damaged(f, "certificate, key or store of a kind that is known");
}

static bool holds_private(const Bag *bag)
{
    for (size_t i = 0; i < bag->n_keys; i++)
        if (bag->keys[i].is_private)
            return true;
    return false;
}

static bool is_pkcs12(Bytes data)
{
    const unsigned char *p = data.data;
    PKCS12 *pkcs12 = d2i_PKCS12(NULL, &p, (long)data.n);

    ERR_clear_error();
    PKCS12_free(pkcs12);
    return pkcs12;
}

static bool is_pkcs7(Bytes data, const Format *format)
{
    static const char start[] = "-----BEGIN PKCS7-----";
    const unsigned char *p = data.data;
    PKCS7 *pkcs7;

    if (format->read == pem_read)
        return memmem(data.data, data.n, start, strlen(start));
    pkcs7 = d2i_PKCS7(NULL, &p, (long)data.n);
    ERR_clear_error();
    PKCS7_free(pkcs7);
    return pkcs7;
}

/* What it has turned out to be. */
static CertificateStoreType type_of(Bytes data, const Bag *bag)
{
    const Format *format = detect(data);
    _cleanup_octets_ Octets inner = {0};

    if (!format || format->type != CERTIFICATE_AUTO)
        return format ? format->type : CERTIFICATE_AUTO;
    if (format->read == read_base64)
        return bag->nesting < STORE_NESTING_MAX &&
                       octets_from_base64((const char *)data.data, data.n, false, &inner) == 0 &&
                       detect(octets_bytes(&inner)) && detect(octets_bytes(&inner)) != format
                   ? type_of(octets_bytes(&inner), bag)
                   : CERTIFICATE_AUTO;
    if (format->read == der_read && is_pkcs12(data))
        return CERTIFICATE_PFX_FILE;
    if (holds_private(bag))
        return CERTIFICATE_PEM_KEY_FILE;
    if (is_pkcs7(data, format))
        return CERTIFICATE_P7B_FILE;
    return CERTIFICATE_PUBLIC_KEY_FILE;
}

/* ---- in the open, and with old algorithms ---- */

static int read_base64(Bytes data, Bag *bag, Failure *f)
{
    _cleanup_octets_ Octets inner = {0};
    int r;

    if (bag->nesting >= STORE_NESTING_MAX)
        return bag_damaged(f, "certificate, key or store of a kind that is known");
    r = octets_from_base64((const char *)data.data, data.n, false, &inner);
    if (r == -EINVAL)
        return bag_damaged(f, "base64 text");
    if (r < 0)
        return r;
    bag->nesting++;
    r = read_as(octets_bytes(&inner), CERTIFICATE_AUTO, bag, f);
    bag->nesting--;
    return r;
}

/* A key that OpenSSL's legacy context has made is written down, to be read in the usual one. */
static int write_key(const BagKey *key, Octets *ret)
{
    PKCS8_PRIV_KEY_INFO *info = key->is_private ? EVP_PKEY2PKCS8(key->key) : NULL;
    unsigned char *der = NULL;
    int n = key->is_private ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : i2d_PUBKEY(key->key, &der);

    PKCS8_PRIV_KEY_INFO_free(info);
    *ret = (Octets){der, n > 0 ? (size_t)n : 0};
    return n > 0 ? 0 : -ENOMEM;
}

typedef struct Written {
    Octets *items;
    bool *is_private;
    size_t n_keys, n;
} Written;

static void written_done(Written *written)
{
    for (size_t i = 0; i < written->n; i++)
        octets_done(&written->items[i]);
    free(written->items);
    free(written->is_private);
}

/* Keys first, then certificates. */
static int write_bag(const Bag *bag, Written *ret)
{
    size_t n_certificates = (size_t)sk_X509_num(bag->certificates);
    int r = 0;

    ret->items = calloc(bag->n_keys + n_certificates + 1, sizeof(Octets));
    ret->is_private = calloc(bag->n_keys + 1, sizeof(bool));
    if (!ret->items || !ret->is_private)
        return -ENOMEM;
    for (; ret->n_keys < bag->n_keys && r >= 0; ret->n_keys++) {
        ret->is_private[ret->n_keys] = bag->keys[ret->n_keys].is_private;
        r = write_key(&bag->keys[ret->n_keys], &ret->items[ret->n++]);
    }
    for (size_t i = 0; i < n_certificates && r >= 0; i++) {
        unsigned char *der = NULL;
        int n = i2d_X509(sk_X509_value(bag->certificates, (int)i), &der);

        r = n > 0 ? 0 : -ENOMEM;
        ret->items[ret->n++] = (Octets){der, n > 0 ? (size_t)n : 0};
    }
    return r;
}

static int read_written(const Written *written, Bag *bag, Failure *f)
{
    int r = 0;

    for (size_t i = 0; i < written->n && r >= 0; i++) {
        Bytes der = octets_bytes(&written->items[i]);

        if (i >= written->n_keys)
            r = der_read_certificate(der, bag, f);
        else
            r = written->is_private[i] ? der_read_pkcs8(der, bag, f)
                                       : der_read_public_key(der, bag, f);
    }
    return r;
}

static int read_with_legacy(Bytes data, CertificateStoreType type, Bag *bag, Failure *f)
{
    OSSL_LIB_CTX *context = legacy_enter();
    _cleanup_(written_done) Written written = {0};
    Bag inner = {0};
    int r;

    if (!context)
        return legacy_lacking(f);
    r = bag_init(&inner, bag->password);
    inner.rounds = bag->rounds;
    if (r >= 0)
        r = read_as(data, type, &inner, f);
    if (r >= 0)
        r = write_bag(&inner, &written);
    bag->rounds = inner.rounds;
    bag_done(&inner);
    legacy_leave(context);
    return r < 0 ? r : read_written(&written, bag, f);
}

static void bag_truncate(Bag *bag, int n_certificates, size_t n_keys)
{
    while (sk_X509_num(bag->certificates) > n_certificates)
        X509_free(sk_X509_pop(bag->certificates));
    while (bag->n_keys > n_keys)
        EVP_PKEY_free(bag->keys[--bag->n_keys].key);
}

/* ---- reading ---- */

static CertificateStoreType type_of_file(CertificateStoreType type)
{
    static const CertificateStoreType blobs[][2] = {
        {CERTIFICATE_PFX_BLOB, CERTIFICATE_PFX_FILE},
        {CERTIFICATE_JKS_BLOB, CERTIFICATE_JKS_FILE},
        {CERTIFICATE_PEM_KEY_BLOB, CERTIFICATE_PEM_KEY_FILE},
        {CERTIFICATE_PUBLIC_KEY_BLOB, CERTIFICATE_PUBLIC_KEY_FILE},
        {CERTIFICATE_SSH_PUBLIC_KEY_BLOB, CERTIFICATE_SSH_PUBLIC_KEY_FILE},
        {CERTIFICATE_P7B_BLOB, CERTIFICATE_P7B_FILE},
        {CERTIFICATE_PPK_BLOB, CERTIFICATE_PPK_FILE},
        {CERTIFICATE_XML_BLOB, CERTIFICATE_XML_FILE},
        {CERTIFICATE_JWK_BLOB, CERTIFICATE_JWK_FILE},
        {CERTIFICATE_BCFKS_BLOB, CERTIFICATE_BCFKS_FILE},
    };

    for (size_t i = 0; i < ELEMENTSOF(blobs); i++)
        if (blobs[i][0] == type)
            return blobs[i][1];
    return type;
}

/* PEM and DER are one family, within which a store's type says little. */
static bool fits(CertificateStoreType wanted, CertificateStoreType found)
{
    static const CertificateStoreType family[] = {
        CERTIFICATE_PEM_KEY_FILE, CERTIFICATE_PUBLIC_KEY_FILE, CERTIFICATE_P7B_FILE};
    bool both[2] = {false, false};

    for (size_t i = 0; i < ELEMENTSOF(family); i++) {
        both[0] |= family[i] == wanted;
        both[1] |= family[i] == found;
    }
    return wanted == CERTIFICATE_AUTO || wanted == found || (both[0] && both[1]);
}

/* A store of public keys gives none that is private. */
static int drop_private(Bag *bag, size_t from, Failure *f)
{
    for (size_t i = from; i < bag->n_keys; i++) {
        unsigned char *der = NULL;
        const unsigned char *p;
        int n = bag->keys[i].is_private ? i2d_PUBKEY(bag->keys[i].key, &der) : 0;
        EVP_PKEY *public;

        if (!bag->keys[i].is_private)
            continue;
        p = der;
        public = n > 0 ? d2i_PUBKEY(NULL, &p, n) : NULL;
        OPENSSL_free(der);
        if (!public)
            return bag_damaged(f, "public key");
        EVP_PKEY_free(bag->keys[i].key);
        bag->keys[i] = (BagKey){public, false};
    }
    return 0;
}

int format_read(
    Bytes data, CertificateStoreType given, Bag *bag, CertificateStoreType *ret_type, Failure *f)
{
    CertificateStoreType type = type_of_file(given);
    int n_certificates = sk_X509_num(bag->certificates), r;
    size_t n_keys = bag->n_keys;

    if (type == CERTIFICATE_JKS_FILE || type == CERTIFICATE_BCFKS_FILE)
        return refuse_java(data, bag, f);
    if (bag->password && secret_size(bag->password) > PASSWORD_BYTES_MAX)
        return failure_set(f, -EKEYREJECTED, ERROR_TLS_CREDENTIALS,
            "a password of more than %d bytes opens nothing", PASSWORD_BYTES_MAX);
    r = read_as(data, type, bag, f);
    if (r == -ENOTSUP) {
        bag_truncate(bag, n_certificates, n_keys);
        r = read_with_legacy(data, type, bag, f);
    }
    ERR_clear_error();
    if (r < 0)
        return r;
    *ret_type = type_of(data, bag);
    if (!fits(type, *ret_type))
        return failure_set(f, -EBADMSG, ERROR_CERTIFICATE_STORE,
            "it is not a store of the type %s but one of %s; say so, or leave the type to be "
            "detected",
            certificate_store_type_name(type), certificate_store_type_name(*ret_type));
    return type == CERTIFICATE_PUBLIC_KEY_FILE ? drop_private(bag, n_keys, f) : 0;
}
