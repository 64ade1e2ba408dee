/* The inside of a TlsContext, for net/tls_context.c and net/tls.c alone. */
#pragma once

#include <openssl/ssl.h>

#include "net/certificate.h"
#include "net/tls.h"
#include "net/tls_bio.h"

struct TlsContext {
    unsigned references;
    char *host; /* as in the setting */
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    CertificatePin pin;
    bool reuse_session;
    SSL_SESSION *session; /* the newest one, or NULL */
    int key_log_fd;       /* -1: none */
};

/* Sets what streams rely on: modes, verification, and what OpenSSL calls back. */
void tls_stream_prepare(TlsContext *context, bool verify);
