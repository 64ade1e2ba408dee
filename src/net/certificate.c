/* Certificates in words. Must never show a byte of a certificate that a terminal would act on. */
#include "net/certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/text.h"
#include "net/tls_error.h"

#define NAMES_BYTES_MAX 500 /* of the names listed in a message */
#define DATE_TEXT_MAX 32

static void x509_p(X509 **certificate)
{
    X509_free(*certificate);
}

static void bio_p(BIO **bio)
{
    BIO_free_all(*bio);
}

/* ---- pins ---- */

/* Hexadecimal digits, colons between them. */
static bool parse_fingerprint(const char *text, unsigned char out[static CERTIFICATE_SHA256_BYTES])
{
    size_t digits = 0;

    if (text_starts_nocase(text, "SHA256:"))
        text += strlen("SHA256:");
    for (; *text != '\0'; text++) {
        unsigned value;

        if (*text == ':' && digits % 2 == 0)
            continue;
        if (!strchr("0123456789abcdefABCDEF", *text) || digits == 2 * CERTIFICATE_SHA256_BYTES)
            return false;
        value = (unsigned)OPENSSL_hexchar2int((unsigned char)*text);
        out[digits / 2] = (unsigned char)(digits % 2 == 0 ? value << 4 : out[digits / 2] | value);
        digits++;
    }
    return digits == 2 * CERTIFICATE_SHA256_BYTES;
}

static bool digest_of(X509 *certificate, unsigned char out[static CERTIFICATE_SHA256_BYTES])
{
    return X509_digest(certificate, EVP_sha256(), out, NULL) == 1;
}

static bool digest_of_key(X509 *certificate, unsigned char out[static CERTIFICATE_SHA256_BYTES])
{
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool good = n > 0 && EVP_Digest(der, (size_t)n, out, NULL, EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    return good;
}

int certificate_pin_load(const char *text, CertificatePin *ret, Failure *f)
{
    _cleanup_(bio_p) BIO *file = NULL;
    _cleanup_(x509_p) X509 *certificate = NULL;
    char reason[TLS_ERROR_MAX];

    *ret = (CertificatePin){.is_set = true};
    if (parse_fingerprint(text, ret->sha256))
        return 0;
    ERR_clear_error();
    file = BIO_new_file(text, "r");
    if (file)
        certificate = PEM_read_bio_X509(file, NULL, NULL, NULL);
    if (!certificate || !digest_of(certificate, ret->sha256))
        return failure_set(f, -EINVAL, ERROR_CERTIFICATE_NOT_FOUND,
            "tls_accept_certificate = \"%s\" is neither a SHA-256 fingerprint (64 hexadecimal "
            "digits) nor a PEM file with a certificate: %s",
            text, tls_error_reason(reason));
    return 0;
}

bool certificate_pin_matches(const CertificatePin *pin, X509 *certificate)
{
    unsigned char digest[CERTIFICATE_SHA256_BYTES];

    if (!pin->is_set || !certificate)
        return false;
    if (digest_of(certificate, digest) && memcmp(digest, pin->sha256, sizeof(digest)) == 0)
        return true;
    return digest_of_key(certificate, digest) && memcmp(digest, pin->sha256, sizeof(digest)) == 0;
}

/* ---- parts in words ---- */

static char *name_text(const X509_NAME *name)
{
    _cleanup_(bio_p) BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    long n;

    if (!bio || X509_NAME_print_ex(bio, name, 0, (XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB)) < 0)
        return NULL;
    n = BIO_get_mem_data(bio, &data);
    return text_printable(data, n > 0 ? (size_t)n : 0, NAMES_BYTES_MAX);
}

static const char *date_text(const ASN1_TIME *date, char text[static DATE_TEXT_MAX])
{
    struct tm tm;

    if (!date || ASN1_TIME_to_tm(date, &tm) != 1 ||
        strftime(text, DATE_TEXT_MAX, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        return "an unreadable date";
    return text;
}

static int append_general_name(Buffer *out, const GENERAL_NAME *name)
{
    const char *comma = buffer_size(out) > 0 ? ", " : "";
    char address[INET6_ADDRSTRLEN];
    const ASN1_STRING *string;

    if (name->type == GEN_DNS) {
        string = name->d.dNSName;
        return buffer_appendf(out, "%s%.*s", comma, ASN1_STRING_length(string),
            (const char *)ASN1_STRING_get0_data(string));
    }
    string = name->d.iPAddress;
    if (name->type == GEN_IPADD && inet_ntop(ASN1_STRING_length(string) == 4 ? AF_INET : AF_INET6,
                                       ASN1_STRING_get0_data(string), address, sizeof(address)))
        return buffer_appendf(out, "%s%s", comma, address);
    return 0;
}

/* The names that RFC 6125 compares: those of subjectAltName. */
static char *names_text(X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    _cleanup_buffer_ Buffer out = {0};
    int r = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names) && r >= 0; i++)
        r = append_general_name(&out, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
    if (r < 0)
        return NULL;
    return buffer_size(&out) == 0
               ? strdup("no name at all")
               : text_printable(buffer_data(&out), buffer_size(&out), NAMES_BYTES_MAX);
}

static const char *hex_text(
    const unsigned char *digest, char text[static 2 * CERTIFICATE_SHA256_BYTES + 1])
{
    for (size_t i = 0; i < CERTIFICATE_SHA256_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return text;
}

/* ---- what is wrong ---- */

typedef struct VerifyRow {
    int error;
    int number;
    const char *advice;
} VerifyRow;

static const VerifyRow *verify_row(int error)
{
    static const VerifyRow rows[] = {
        /* clang-format off */
        {X509_V_ERR_HOSTNAME_MISMATCH, ERROR_CERTIFICATE_VERIFY, "check the setting host"},
        {X509_V_ERR_IP_ADDRESS_MISMATCH, ERROR_CERTIFICATE_VERIFY, "set host to one of these names"},
        {X509_V_ERR_CERT_HAS_EXPIRED, ERROR_CERTIFICATE_VERIFY, "the server's owner must renew it, unless this machine's clock is wrong"},
        {X509_V_ERR_CERT_NOT_YET_VALID, ERROR_CERTIFICATE_VERIFY, "check this machine's clock"},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, ERROR_CERTIFICATE_CHAIN, "if you know that it is right, set tls_accept_certificate to its fingerprint, or tls_ca_file to its file"},
        {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, ERROR_CERTIFICATE_CHAIN, "if you trust that authority, set tls_ca_file to the file of its certificate"},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, ERROR_CERTIFICATE_CHAIN_MISSING, "set tls_ca_file to the file of the authority's certificate"},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, ERROR_CERTIFICATE_CHAIN_MISSING, "install the system's authorities (ca-certificates) or set tls_ca_file to this authority's file, unless the server leaves out an intermediate certificate"},
        {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, ERROR_CERTIFICATE_CHAIN_MISSING, "install the system's authorities (ca-certificates) or set tls_ca_file to this authority's file"},
        /* clang-format on */
    };
    static const VerifyRow other = {
        0, ERROR_CERTIFICATE_CHAIN, "the server's owner must replace it"};

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        if (rows[i].error == error)
            return &rows[i];
    return &other;
}

static char *detail(int error, X509 *certificate)
{
    char date[DATE_TEXT_MAX];
    _cleanup_free_
    char *names = NULL;
    char *text = NULL;
    int r = 0;

    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        names = names_text(certificate);
        r = names ? asprintf(&text, "it is for %s", names) : -1;
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        r = asprintf(&text, "it expired on %s", date_text(X509_get0_notAfter(certificate), date));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        r = asprintf(
            &text, "it is valid from %s on", date_text(X509_get0_notBefore(certificate), date));
        break;
    default: text = strdup(X509_verify_cert_error_string(error));
    }
    return r < 0 ? NULL : text;
}

void certificate_explain(X509_STORE_CTX *store, const char *host, Failure *f)
{
    int error = X509_STORE_CTX_get_error(store);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    const VerifyRow *row = verify_row(error);
    _cleanup_free_
    char *subject = NULL, *issuer = NULL, *what = NULL;
    char hex[2 * CERTIFICATE_SHA256_BYTES + 1] = "unknown";
    unsigned char digest[CERTIFICATE_SHA256_BYTES];

    if (!certificate) {
        (void)failure_set(f, -EACCES, row->number, "the certificate of %s cannot be verified: %s",
            host, X509_verify_cert_error_string(error));
        return;
    }
    subject = name_text(X509_get_subject_name(certificate));
    issuer = name_text(X509_get_issuer_name(certificate));
    what = detail(error, certificate);
    if (digest_of(certificate, digest))
        hex_text(digest, hex);
    (void)failure_set(f, -EACCES, row->number,
        "the certificate of %s cannot be trusted: %s (subject \"%s\", issuer \"%s\", number %d in "
        "the server's chain, SHA-256 %s); %s",
        host, what ?: "", subject ?: "", issuer ?: "", X509_STORE_CTX_get_error_depth(store), hex,
        row->advice);
}

/* ---- description ---- */

char *certificate_describe(X509 *certificate)
{
    _cleanup_free_
    char *subject = name_text(X509_get_subject_name(certificate));
    _cleanup_free_
    char *issuer = name_text(X509_get_issuer_name(certificate));
    _cleanup_free_
    char *names = names_text(certificate);
    unsigned char digest[CERTIFICATE_SHA256_BYTES] = {0}, key[CERTIFICATE_SHA256_BYTES] = {0};
    char hex[2 * CERTIFICATE_SHA256_BYTES + 1], key_hex[2 * CERTIFICATE_SHA256_BYTES + 1];
    char from[DATE_TEXT_MAX], to[DATE_TEXT_MAX];
    char *text = NULL;

    if (!subject || !issuer || !names || !digest_of(certificate, digest) ||
        !digest_of_key(certificate, key))
        return NULL;
    if (asprintf(&text,
            "subject: %s\n"
            "issuer: %s\n"
            "names: %s\n"
            "valid: %s to %s\n"
            "SHA-256 of the certificate: %s\n"
            "SHA-256 of its public key: %s\n",
            subject, issuer, names, date_text(X509_get0_notBefore(certificate), from),
            date_text(X509_get0_notAfter(certificate), to), hex_text(digest, hex),
            hex_text(key, key_hex)) < 0)
        return NULL;
    return text;
}
