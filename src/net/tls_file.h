/* Files of certificates and revocation lists that settings name. Only regular ones are read, whole
 * and bounded: a pipe or a device would be waited for, or read without an end. */
#pragma once

#include <openssl/x509.h>

#include "net/tls_error.h"

#define TLS_FILE_BYTES_MAX ((size_t)20 * 1024 * 1024) /* authorities have lists of some of ten */

/* A BIO over its content, which the caller frees; NULL: `reason` says why not, in words that go
 * behind a colon. */
BIO *tls_file_open(const char *path, char reason[static TLS_ERROR_MAX]);

/* Adds the certificates and lists of a PEM file. How many certificates there were; -ENOMEM; or
 * -EINVAL with the reason. */
int tls_file_add(X509_STORE *store, const char *path, char reason[static TLS_ERROR_MAX]);
