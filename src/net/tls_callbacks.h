/* What a context has OpenSSL do and call for its streams. For net/tls.c and net/tls_context.c
 * alone.
 */
#pragma once

#include "net/tls_context.h"

/* Sets what streams rely on: modes, and what OpenSSL calls back. */
void tls_stream_prepare(TlsContext *context);

/* The one to resume from now on; takes the reference; NULL: none. `judged`: when the certificate
 * that it goes back to was looked at. */
void tls_context_keep_session(TlsContext *context, SSL_SESSION *session, usec_t judged);
