/* A handshake whose key lives on a token, beside the loop: a card takes its time to sign, and one
 * that hangs must hold up nothing but its own relay. For net/tls.c alone.
 *
 * While a job is under way, the stream is its thread's, and nobody else looks into it: what comes
 * and goes waits in the BIO (net/tls_bio.h), and what OpenSSL tells is told behind it. */
#pragma once

#include "base/worker.h"
#include "net/tls_stream.h"

typedef struct TlsSigning TlsSigning;

/* Has SSL_do_handshake() called. 0, or a negative errno with a Failure. */
int tls_signing_start(TlsStream *stream, Worker *worker, Failure *f);

bool tls_signing_has_ended(const TlsSigning *signing);
int tls_signing_fd(const TlsSigning *signing); /* readable then; as job_fd() */

/* What came of it, as tls_stream_handshake() has it; the job is over. */
ssize_t tls_signing_end(TlsStream *stream, Failure *f);

/* Nobody waits for it any more: the stream goes with the job. */
void tls_signing_abandon(TlsStream *stream);
