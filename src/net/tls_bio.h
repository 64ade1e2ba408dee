/* OpenSSL's way to a socket of ours, or to what stands in its place. */
#pragma once

#include <openssl/bio.h>

#include "net/tls.h"

/* The method for tls_bio_new(); one a context. NULL when memory is short; BIO_meth_free(). */
BIO_METHOD *tls_bio_method_new(void);

/* Both are borrowed; `carrier` NULL: the descriptor. NULL when memory is short. */
BIO *tls_bio_new(const BIO_METHOD *method, int fd, const TlsCarrier *carrier);
