/* Pins. Must never take a part of a fingerprint for the whole. */
#include "net/tls_pins.h"

#include <errno.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "certificate/handles.h"
#include "net/certificate.h"
#include "net/tls_error.h"
#include "net/tls_file.h"

/* Hexadecimal digits, colons between them. */
static bool parse_hex(const char *text, unsigned char out[static TLS_PIN_BYTES])
{
    size_t digits = 0;

    for (; *text != '\0'; text++) {
        unsigned value;

        if (*text == ':' && digits % 2 == 0)
            continue;
        if (!strchr("0123456789abcdefABCDEF", *text) || digits == 2 * TLS_PIN_BYTES)
            return false;
        value = (unsigned)OPENSSL_hexchar2int((unsigned char)*text);
        out[digits / 2] = (unsigned char)(digits % 2 == 0 ? value << 4 : out[digits / 2] | value);
        digits++;
    }
    return digits == 2 * TLS_PIN_BYTES;
}

/* 43 digits, and '=' where it is written. */
static bool parse_base64(const char *text, unsigned char out[static TLS_PIN_BYTES])
{
    unsigned char padded[45], bytes[34];
    size_t n = strlen(text);

    if (n == 44 && text[43] == '=')
        n = 43;
    if (n != 43)
        return false;
    memcpy(padded, text, n);
    memcpy(padded + n, "=", 2);
    if (EVP_DecodeBlock(bytes, padded, 44) != 33)
        return false;
    memcpy(out, bytes, TLS_PIN_BYTES);
    return true;
}

static bool parse_fingerprint(const char *text, unsigned char out[static TLS_PIN_BYTES])
{
    if (text_starts_nocase(text, "SHA256:"))
        text += strlen("SHA256:");
    else if (text_starts_nocase(text, "sha256//"))
        text += strlen("sha256//");
    return parse_hex(text, out) || parse_base64(text, out);
}

static int load_one(const char *text, unsigned char out[static TLS_PIN_BYTES], Failure *f)
{
    _cleanup_bio_ BIO *file = NULL;
    _cleanup_x509_ X509 *certificate = NULL;
    char reason[TLS_ERROR_MAX];

    if (parse_fingerprint(text, out))
        return 0;
    file = tls_file_open(text, reason);
    if (file) {
        ERR_clear_error();
        certificate = PEM_read_bio_X509(file, NULL, NULL, NULL);
        (void)tls_error_reason(reason);
    }
    if (certificate && certificate_digest(certificate, out))
        return 0;
    return failure_reason(f, REASON_TLS_PIN,
        failure_set(f, -EINVAL, ERROR_CERTIFICATE_NOT_FOUND,
            "tls_accept_certificate: \"%s\" is neither a SHA-256 fingerprint (64 hexadecimal "
            "digits, "
            "or sha256// and base64) nor a PEM file with a certificate: %s",
            text, reason));
}

int tls_pins_load(const char *text, TlsPins *ret, Failure *f)
{
    _cleanup_free_
    char *list = strdup(text);
    size_t most = 1;
    int r = 0;
    char *rest;

    *ret = (TlsPins){0};
    for (const char *p = text; *p; p++)
        most += *p == ';';
    ret->sha256 = calloc(most, sizeof(*ret->sha256));
    if (!list || !ret->sha256)
        return -ENOMEM;
    for (char *one = strtok_r(list, ";", &rest); one && r >= 0; one = strtok_r(NULL, ";", &rest)) {
        one += strspn(one, " ");
        r = load_one(one, ret->sha256[ret->n], f);
        ret->n += r >= 0;
    }
    return r;
}

void tls_pins_done(TlsPins *pins)
{
    free(pins->sha256);
    *pins = (TlsPins){0};
}

bool tls_pins_match(const TlsPins *pins, X509 *certificate)
{
    unsigned char digest[TLS_PIN_BYTES], key[TLS_PIN_BYTES];

    if (pins->n == 0 || !certificate || !certificate_digest(certificate, digest) ||
        !certificate_key_digest(certificate, key))
        return false;
    for (size_t i = 0; i < pins->n; i++)
        if (memcmp(digest, pins->sha256[i], sizeof(digest)) == 0 ||
            memcmp(key, pins->sha256[i], sizeof(key)) == 0)
            return true;
    return false;
}
