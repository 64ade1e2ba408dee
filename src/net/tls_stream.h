/* The inside of a TlsStream, for net/tls*.c alone. */
#pragma once

#include "base/buffer.h"
#include "base/worker.h"
#include "net/tls_context.h"
#include "net/tls_error.h"

#define TLS_FINISHED_BYTES_MAX 64
#define TLS_EXPORTER_BYTES 32
#define TLS_DESCRIPTION_MAX 96

struct TlsSigning;

struct TlsStream {
    TlsContext *context;
    SSL *ssl;
    Worker *worker;             /* borrowed: the handshake is beside the loop; or NULL */
    struct TlsSigning *signing; /* it is there just now: nobody else may look at anything here */
    unsigned n_jobs;            /* so often it has been */
    ssize_t shaken;             /* what came of the last */
    Buffer told;                /* status lines of that thread, each with its NUL */
    short wants;
    bool broken;               /* the session must not be resumed */
    bool dead;                 /* after a fatal error OpenSSL must not be asked for anything more */
    bool unwritable;           /* the same of writing; what has come may still be read */
    bool offered;              /* a session, to be resumed */
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

/* What an operation that got nowhere means: -EAGAIN, 0 at the end of data, or a failure. On the
 * thread that called OpenSSL. */
ssize_t tls_stream_judge_result(TlsStream *stream, int result, TlsMoment moment, Failure *f);

/* Frees it, on any thread. */
void tls_stream_dispose(TlsStream *stream);

/* Behind the handshake. */
void tls_stream_note_negotiated(TlsStream *stream);
