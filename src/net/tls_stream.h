/* The inside of a TlsStream, for net/tls.c and net/tls_watch.c alone. */
#pragma once

#include "net/tls_context.h"

#define TLS_FINISHED_BYTES_MAX 64
#define TLS_EXPORTER_BYTES 32
#define TLS_DESCRIPTION_MAX 96

struct TlsStream {
    TlsContext *context;
    SSL *ssl;
    short wants;
    bool broken;               /* the session must not be resumed */
    bool dead;                 /* after a fatal error OpenSSL must not be asked for anything more */
    bool unwritable;           /* the same of writing; what has come may still be read */
    bool offered;              /* a session, to be resumed */
    bool trusted;              /* the certificate was judged to be good */
    bool accepted;             /* and the connection goes on: its sessions may be kept */
    usec_t judged;             /* when a certificate was looked at */
    usec_t chain;              /* the same of the session that was offered to be resumed */
    SSL_SESSION *early;        /* one to keep when the certificate is accepted, or NULL */
    STACK_OF(X509) * verified; /* or NULL */
    X509 *peer;                /* who the server is, where it may renegotiate */
    TlsStatus status;          /* or NULL */
    void *status_user;
    TlsNegotiated negotiated;
    SmtpTlsInfo info;
    char description[TLS_DESCRIPTION_MAX];
    unsigned char exporter[TLS_EXPORTER_BYTES];
    unsigned char unique[TLS_FINISHED_BYTES_MAX];
    unsigned char end_point[EVP_MAX_MD_SIZE];
};

/* Behind the handshake. */
void tls_stream_note_negotiated(TlsStream *stream);
