/* OpenSSL's way to a socket of ours. */
#pragma once

#include <openssl/bio.h>

/* The method for tls_bio_new(); one a context. NULL when memory is short; BIO_meth_free(). */
BIO_METHOD *tls_bio_method_new(void);

/* The descriptor is borrowed. NULL when memory is short. */
BIO *tls_bio_new(const BIO_METHOD *method, int fd);
