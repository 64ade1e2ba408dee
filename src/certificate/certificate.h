/* A certificate, a key, or both, out of a store: loading, selecting, and what it says.
 *
 * A store is a file or bytes in one of the formats of CertificateStoreType, a directory of such
 * files, or a token that PKCS#11 reaches. A Certificate is immutable and counted; everything that
 * it gives is the caller's, unless said otherwise. Text is UTF-8; controls in names are escaped as
 * \XX (RFC 4514, 2.4), but a terminal may still obey some characters: print it as any stranger's
 * text. Nothing here logs, asks on a terminal, or writes.
 *
 * Loading reads files, derives keys from passwords and may talk to a token: it blocks, for seconds
 * at the worst (limits: certificate/limits.h), and belongs beside an event loop. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"
#include "base/secret.h"

typedef struct Certificate Certificate;

/* Where a certificate comes from. The numbers are the component's. */
typedef enum CertificateStoreType {
    CERTIFICATE_USER = 0,    /* the user's directory, or the authorities: certificate_directory() */
    CERTIFICATE_MACHINE = 1, /* the same of this machine */
    CERTIFICATE_PFX_FILE = 2, /* PKCS#12 (RFC 7292) */
    CERTIFICATE_PFX_BLOB = 3,
    CERTIFICATE_JKS_FILE = 4, /* Java's stores are refused by name */
    CERTIFICATE_JKS_BLOB = 5,
    CERTIFICATE_PEM_KEY_FILE = 6, /* RFC 7468: a key, certificates, or both */
    CERTIFICATE_PEM_KEY_BLOB = 7,
    CERTIFICATE_PUBLIC_KEY_FILE = 8, /* certificates or public keys, PEM or DER; no private key */
    CERTIFICATE_PUBLIC_KEY_BLOB = 9,
    CERTIFICATE_SSH_PUBLIC_KEY_BLOB = 10, /* OpenSSH's line, RFC 4716, or RFC 4253 in binary */
    CERTIFICATE_P7B_FILE = 11,            /* PKCS#7 (RFC 2315): certificates without keys */
    CERTIFICATE_P7B_BLOB = 12,
    CERTIFICATE_SSH_PUBLIC_KEY_FILE = 13,
    CERTIFICATE_PPK_FILE = 14, /* PuTTY's private keys, versions 2 and 3 */
    CERTIFICATE_PPK_BLOB = 15,
    CERTIFICATE_XML_FILE = 16, /* RSAKeyValue, X509Certificate (XML Signature, 4.5) */
    CERTIFICATE_XML_BLOB = 17,
    CERTIFICATE_JWK_FILE = 18, /* RFC 7517, also a set of them */
    CERTIFICATE_JWK_BLOB = 19,
    CERTIFICATE_BCFKS_FILE = 21,
    CERTIFICATE_BCFKS_BLOB = 22,
    CERTIFICATE_PKCS11 = 23, /* a URI (RFC 7512), or the path of a PKCS#11 module */
    CERTIFICATE_AUTO = 99,   /* file, directory, URI or content: whatever it is */
} CertificateStoreType;

/* "cstPFXFile"; NULL for a number that is none. */
const char *certificate_store_type_name(CertificateStoreType type);

/* By name, the component's ("cstPFXFile", any case) or without "cst", or by number. False: none. */
bool certificate_store_type_find(const char *text, CertificateStoreType *ret);

/* What to load; everything is borrowed and copied. */
typedef struct CertificateSource {
    CertificateStoreType type;
    /* A path, a URI, the content (a blob may also be base64), or of the stores of user and machine
     * a name: "MY" (or ""), "CA", "ROOT"; of `n_store` bytes, NULs may be in them. */
    const void *store;
    size_t n_store;
    const Secret *password; /* of the store or its keys, or the PIN; NULL: none */
    /* Which one. NULL or "": the one that has its key, else the first. "*": any. Else the whole
     * subject, as certificate_text() has it or in the reverse order, then a part of one; or
     * "Thumbprint=" and the hash by MD5, SHA-1 or SHA-256 in hexadecimal digits. */
    const char *subject;
    /* Or which one: a certificate itself, PEM or DER. Its key is searched in the store; the
     * certificate need not be there. NULL: not said so. */
    const void *encoded;
    size_t n_encoded;
} CertificateSource;

/* 0, -ENOMEM, or a negative errno with a Failure that says what, why and what to do: of number
 * ERROR_CERTIFICATE_STORE (it cannot be opened or read, or is of a kind that is refused),
 * ERROR_CERTIFICATE_NOT_FOUND (nothing in it is what was asked for), ERROR_TLS_CREDENTIALS (the
 * password is wrong or missing, or a key is damaged). */
int certificate_load(const CertificateSource *source, Certificate **ret, Failure *f);

/* As Certificate(encoded) of the component: the first certificate or key in bytes of any kind that
 * needs no password. */
int certificate_parse(const void *data, size_t n, Certificate **ret, Failure *f);

Certificate *certificate_ref(Certificate *certificate);   /* from any thread; NULL gives NULL */
Certificate *certificate_unref(Certificate *certificate); /* accepts NULL; returns NULL */

/* How many certificates come behind it on the way to its root, as far as the store has them. */
size_t certificate_chain_length(const Certificate *certificate);

/* One of them; 0 is the issuer. NULL when memory is short, or there is none; the caller's. */
Certificate *certificate_chain_get(const Certificate *certificate, size_t i);

/* The fields, by the component's names. Those of a certificate are "" where there is a key alone.
 */
typedef enum CertificateField {
    CERTIFICATE_EFFECTIVE_DATE, /* "23-Jan-2000 15:00:00", in the local time zone */
    CERTIFICATE_EXPIRATION_DATE,
    CERTIFICATE_EXTENDED_KEY_USAGE, /* OIDs, with commas between them */
    /* Hashes with colons, small letters; of the certificate, or where there is a key alone of its
     * public half as SSH has it (RFC 4253, 6.6) or, for kinds that SSH does not know, of its DER */
    CERTIFICATE_FINGERPRINT, /* MD5 */
    CERTIFICATE_FINGERPRINT_SHA1,
    CERTIFICATE_FINGERPRINT_SHA256,
    CERTIFICATE_ISSUER,
    CERTIFICATE_PRIVATE_KEY_CONTAINER, /* a URI without its PIN where a token keeps the key */
    CERTIFICATE_PUBLIC_KEY,            /* PEM */
    CERTIFICATE_PUBLIC_KEY_ALGORITHM,  /* "RSA", "EC", "ED25519", or an OID */
    CERTIFICATE_SERIAL_NUMBER,         /* pairs of hexadecimal digits */
    CERTIFICATE_SIGNATURE_ALGORITHM,   /* "sha256WithRSAEncryption", or an OID */
    CERTIFICATE_STORE,                 /* as it was given; of a PKCS#11 URI without the PIN */
    CERTIFICATE_SUBJECT_ALT_NAMES,     /* with commas between them */
    CERTIFICATE_THUMBPRINT_MD5,        /* the same hashes in capitals without colons */
    CERTIFICATE_THUMBPRINT_SHA1,
    CERTIFICATE_THUMBPRINT_SHA256,
    CERTIFICATE_USAGE,   /* "Digital Signature,Key Encipherment" */
    CERTIFICATE_VERSION, /* "V3" */
    CERTIFICATE_SUBJECT, /* "CN=www.server.com, OU=test, C=US": RFC 4514's order; quotes around
                            values with commas and the like */
    CERTIFICATE_ENCODED, /* PEM, the certificate alone */
    /* Numbers: */
    CERTIFICATE_PRIVATE_KEY_AVAILABLE, /* 0 or 1 */
    CERTIFICATE_PUBLIC_KEY_LENGTH,     /* bits */
    CERTIFICATE_STORE_TYPE,            /* as it turned out, where it was CERTIFICATE_AUTO */
    CERTIFICATE_USAGE_FLAGS,           /* the component's bits: 0x80 is Digital Signature */
    CERTIFICATE_FIELD_MAX,
} CertificateField;

#define CERTIFICATE_FIRST_NUMBER CERTIFICATE_PRIVATE_KEY_AVAILABLE

/* "EffectiveDate": the component's name. */
const char *certificate_field_name(CertificateField field);

/* Any field as text: of numbers the digits. NULL when memory is short. Caller frees. */
char *certificate_text(const Certificate *certificate, CertificateField field);

/* A number; 0 for a field that is text. */
long certificate_number(const Certificate *certificate, CertificateField field);

/* DER, and the content of the store; 0 or -ENOMEM. The bytes are the caller's to free. */
int certificate_encoded(const Certificate *certificate, unsigned char **ret, size_t *ret_n);
int certificate_store(const Certificate *certificate, void **ret, size_t *ret_n);

/* The private key as unencrypted PEM (PKCS#8). NULL where there is none, where it cannot leave its
 * token, or when memory is short. The caller's. */
Secret *certificate_private_key(const Certificate *certificate);

/* What the store was opened with: referenced for the caller, or NULL. */
Secret *certificate_store_password(const Certificate *certificate);

/* The directory of the user's store ($XDG_CONFIG_HOME/outbox/certificates) or the machine's
 * (/etc/outbox/certificates). NULL when memory is short, or the user has no home. Caller frees. */
char *certificate_directory(bool of_user);

static inline void certificate_unref_p(Certificate **certificate)
{
    (void)certificate_unref(*certificate);
}
#define _cleanup_certificate_ _cleanup_(certificate_unref_p)
