/* The inside of a TlsContext, for net/tls*.c alone. */
#pragma once

#include <openssl/ssl.h>

#include "net/tls.h"
#include "net/tls_bio.h"
#include "net/tls_parameters.h"
#include "net/tls_provider.h"
#include "net/trust.h"

struct TlsContext {
    unsigned references;
    char *host;            /* as in the setting */
    char *name;            /* of the server, for SNI and its certificate, in ASCII */
    TlsProvider *provider; /* or NULL: those of the process */
    SSL_CTX *ssl;
    Credentials *client; /* whose key may be on a token; or NULL */
    char *token;         /* its URI, when it is; or NULL */
    BIO_METHOD *bio;
    bool verify;
    bool is_strict; /* and forgives nothing: no tls_security_flags */
    Trust trust;
    TlsAllowed allowed;
    bool reuse_session, renegotiates, asks_status;
    SSL_SESSION *session;  /* the newest one, or NULL */
    usec_t session_judged; /* when the certificate that it goes back to was looked at */
    int key_log_fd;        /* -1: none */
};
