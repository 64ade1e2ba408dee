/* Certificates and keys (the component's Certificate type): of a server, as events and
 * outbox_server_certificate() give them, or out of a store.
 *
 * Stores are told by the component's names, with or without "cst", or numbers: "PFXFile",
 * "PEMKeyFile", "PublicKeyFile", "P7BFile", "SSHPublicKeyFile", "PPKFile", "XMLFile", "JWKFile" and
 * the same with "Blob" for content in memory, "User", "Machine", "PKCS11" (a URI of RFC 7512), and
 * "Auto" (99), which finds out. */
#ifndef OUTBOX_CERTIFICATE_H
#define OUTBOX_CERTIFICATE_H

#include <outbox/base.h>

OUTBOX_BEGIN

/* What to load. NULL stands for what is not said. */
typedef struct OutboxStore {
    size_t size;          /* sizeof(OutboxStore) */
    const char *type;     /* NULL: "Auto" */
    const void *store;    /* a path, a URI or the content */
    size_t n;             /* its bytes; 0: up to its NUL */
    const char *password; /* of the store or its keys, or the PIN */
    const char *subject;  /* the whole subject, or a part of one; "*": any; "Thumbprint=HEX"; NULL:
                           * the one  that has its key, else the first */
    const void *encoded;  /* or the certificate itself, PEM or DER, whose key is looked for */
    size_t n_encoded;
} OutboxStore;

/* Reads files, and may ask a token: it blocks. The certificate is the caller's to free. NULL:
 * *ret_error (outbox_free(); NULL: not wanted) has the words, *ret_number the number: 271, the
 * store cannot be opened; 272, nothing in it is what was asked for; 273, a wrong password or a
 * damaged key. */
OUTBOX_API OutboxCertificate *outbox_certificate_load(
    const OutboxStore *store, int *ret_number, char **ret_error);

/* Accepts NULL. Not for those that were only lent. */
OUTBOX_API void outbox_certificate_free(OutboxCertificate *certificate);

/* For text that a call says is to be freed so. */
OUTBOX_API void outbox_free(void *pointer);

/* A field by the component's name: "Subject", "Issuer", "EffectiveDate", "ExpirationDate",
 * "ExtendedKeyUsage", "Fingerprint", "FingerprintSHA1", "FingerprintSHA256", "ThumbprintMD5",
 * "ThumbprintSHA1", "ThumbprintSHA256", "PublicKey", "PublicKeyAlgorithm", "PublicKeyLength",
 * "PrivateKey" (PEM, unencrypted; "" where it cannot leave its store), "PrivateKeyAvailable",
 * "PrivateKeyContainer", "SerialNumber", "SignatureAlgorithm", "SubjectAltNames", "Usage",
 * "UsageFlags", "Version", "Encoded" (PEM), "Store", "StoreType". "" for what it has not got; NULL
 * for a name that there is not. Borrowed from the certificate. */
OUTBOX_API const char *outbox_certificate_get(
    const OutboxCertificate *certificate, const char *field);

/* The certificates behind it, its issuer first: how many, and number `i`, which is the caller's to
 * free; NULL behind the last. */
OUTBOX_API size_t outbox_certificate_chain_count(const OutboxCertificate *certificate);
OUTBOX_API OutboxCertificate *outbox_certificate_chain(
    const OutboxCertificate *certificate, size_t i);

OUTBOX_END

#endif
