/* Certificates in words. Must never show a byte of a certificate that a terminal would act on. */
#include "net/certificate.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/text.h"
#include "certificate/handles.h"

#define NAMES_BYTES_MAX 500 /* of the names listed in a message */

bool certificate_digest(X509 *certificate, unsigned char out[static CERTIFICATE_SHA256_BYTES])
{
    return X509_digest(certificate, EVP_sha256(), out, NULL) == 1;
}

bool certificate_key_digest(X509 *certificate, unsigned char out[static CERTIFICATE_SHA256_BYTES])
{
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool good = n > 0 && EVP_Digest(der, (size_t)n, out, NULL, EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    return good;
}

/* ---- parts in words ---- */

char *certificate_name_text(const X509_NAME *name)
{
    _cleanup_bio_ BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    long n;

    if (!bio || X509_NAME_print_ex(bio, name, 0, (XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB)) < 0)
        return NULL;
    n = BIO_get_mem_data(bio, &data);
    return text_printable(data, n > 0 ? (size_t)n : 0, NAMES_BYTES_MAX);
}

const char *certificate_date_text(const ASN1_TIME *date, char text[static CERTIFICATE_DATE_MAX])
{
    struct tm tm;

    if (!date || ASN1_TIME_to_tm(date, &tm) != 1 ||
        strftime(text, CERTIFICATE_DATE_MAX, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        return "an unreadable date";
    return text;
}

/* An address has a kind of its own; written as a name it counts for nothing. */
static bool looks_like_address(const ASN1_STRING *string)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    int n = ASN1_STRING_length(string);

    if (n <= 0 || (size_t)n >= sizeof(text))
        return false;
    memcpy(text, ASN1_STRING_get0_data(string), (size_t)n);
    text[n] = '\0';
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* As bytes, whatever they are: whoever stopped at a NUL would show another name than there is. */
static int append_dns_name(Buffer *out, const ASN1_STRING *name)
{
    return buffer_append(
               out, (const char *)ASN1_STRING_get0_data(name), (size_t)ASN1_STRING_length(name))
               ?: buffer_append_string(
                      out, looks_like_address(name) ? " (as a name, which is none)" : "");
}

static int append_address(Buffer *out, const ASN1_STRING *address)
{
    char text[INET6_ADDRSTRLEN] = "";
    int n = ASN1_STRING_length(address);

    if (n != sizeof(struct in_addr) && n != sizeof(struct in6_addr))
        return buffer_append_string(out, "an address of a wrong length");
    (void)inet_ntop(n == sizeof(struct in_addr) ? AF_INET : AF_INET6,
        ASN1_STRING_get0_data(address), text, sizeof(text));
    return buffer_append_string(out, text);
}

static int append_general_name(Buffer *out, const GENERAL_NAME *name)
{
    if (name->type != GEN_DNS && name->type != GEN_IPADD)
        return 0;
    return buffer_append_string(out, buffer_size(out) > 0 ? ", " : "")
               ?: (name->type == GEN_DNS ? append_dns_name(out, name->d.dNSName)
                                         : append_address(out, name->d.iPAddress));
}

/* Whether it has a byte that no host's name has, and that makes it look like another. */
static bool deceives(const ASN1_STRING *name)
{
    const unsigned char *data = ASN1_STRING_get0_data(name);

    for (int i = 0; i < ASN1_STRING_length(name); i++)
        if (data[i] <= ' ' || data[i] == 0x7f || data[i] == ',')
            return true;
    return false;
}

bool certificate_deceives(X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        found = name->type == GEN_DNS && deceives(name->d.dNSName);
    }
    GENERAL_NAMES_free(names);
    return found;
}

/* The names that RFC 6125 compares: those of subjectAltName. */
char *certificate_names_text(X509 *certificate)
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
               ? strdup("")
               : text_printable(buffer_data(&out), buffer_size(&out), NAMES_BYTES_MAX);
}

const char *certificate_hex_text(const unsigned char *digest, char text[static CERTIFICATE_HEX_MAX])
{
    for (size_t i = 0; i < CERTIFICATE_SHA256_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return text;
}

/* ---- description ---- */

char *certificate_describe(X509 *certificate)
{
    _cleanup_free_
    char *subject = certificate_name_text(X509_get_subject_name(certificate));
    _cleanup_free_
    char *issuer = certificate_name_text(X509_get_issuer_name(certificate));
    _cleanup_free_
    char *names = certificate_names_text(certificate);
    unsigned char digest[CERTIFICATE_SHA256_BYTES] = {0}, key[CERTIFICATE_SHA256_BYTES] = {0};
    char hex[CERTIFICATE_HEX_MAX], key_hex[CERTIFICATE_HEX_MAX];
    char from[CERTIFICATE_DATE_MAX], to[CERTIFICATE_DATE_MAX];
    char *text = NULL;

    if (!subject || !issuer || !names || !certificate_digest(certificate, digest) ||
        !certificate_key_digest(certificate, key))
        return NULL;
    if (asprintf(&text,
            "subject: %s\n"
            "issuer: %s\n"
            "names: %s\n"
            "valid: %s to %s\n"
            "SHA-256 of the certificate: %s\n"
            "SHA-256 of its public key: %s\n",
            subject, issuer, names[0] ? names : "none",
            certificate_date_text(X509_get0_notBefore(certificate), from),
            certificate_date_text(X509_get0_notAfter(certificate), to),
            certificate_hex_text(digest, hex), certificate_hex_text(key, key_hex)) < 0)
        return NULL;
    return text;
}
