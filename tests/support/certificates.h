/* Certificates for tests, made in the process. */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>

typedef struct TestCertificate {
    X509 *x509;
    EVP_PKEY *key;
} TestCertificate;

typedef struct TestCertificateSpec {
    const char *common_name;
    const char *names;             /* "DNS:mail.test, IP:127.0.0.1", or NULL */
    long from_seconds, to_seconds; /* from now; both 0: an hour around now */
    bool is_authority;
    const char *usage;       /* extended: "clientAuth"; NULL: any */
    const char *extra[3][2]; /* further extensions: short name and value */
} TestCertificateSpec;

/* Signed by `issuer`, or by itself. Ends the test when anything fails. */
TestCertificate test_certificate_new(
    const TestCertificateSpec *spec, const TestCertificate *issuer);
void test_certificate_done(TestCertificate *certificate);

/* PEM files; `password` encrypts the key, NULL does not. */
void test_certificate_save(const TestCertificate *certificate, const char *path,
    const char *key_path, const char *password);

/* SHA-256 in hexadecimal digits of the certificate, or of its public key. Caller frees. */
char *test_certificate_fingerprint(const TestCertificate *certificate, bool of_key);
