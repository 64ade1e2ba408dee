/* TLS over OpenSSL: one TlsContext a relay (certificates, policy, cached session), one TlsStream a
 * connection.
 *
 * The certificate is judged in a step of its own, behind the handshake: nothing may be read or
 * written before. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/failure.h"
#include "settings/relay.h"
#include "smtp/auth.h"

typedef struct TlsContext TlsContext;
typedef struct TlsStream TlsStream;

/* What stands in a socket's place: TLS over a proxy's TLS. As recv() and send() on a socket that
 * does not wait: a count, 0 at the end of data, or -1 and errno. */
typedef struct TlsCarrier {
    ssize_t (*read)(void *user, char *data, size_t n);
    ssize_t (*write)(void *user, const char *data, size_t n);
    void *user;
} TlsCarrier;

/* Loads what the relay's settings name. Expensive; made when first needed, not for relays without
 * TLS. 0 or a negative errno with a Failure (27x, 28x) that names the file and what to do. */
int tls_context_new(
    const RelayConfig *relay, const Secret *key_password, TlsContext **ret, Failure *f);
TlsContext *tls_context_ref(TlsContext *context);
TlsContext *tls_context_unref(TlsContext *context); /* accepts NULL; returns NULL */

/* `fd` is borrowed; `now` is monotonic. */
int tls_stream_new(TlsContext *context, int fd, usec_t now, TlsStream **ret, Failure *f);
/* The same over a carrier, borrowed too. */
int tls_stream_new_over(
    TlsContext *context, const TlsCarrier *carrier, usec_t now, TlsStream **ret, Failure *f);
void tls_stream_free(TlsStream *stream);

/* After a fatal error nothing is written, nor read where TLS itself failed: OpenSSL's state is then
 * not to be relied on. Each returns a byte count (handshake: 1 when done), -EAGAIN when
 * tls_stream_wants() must be waited for, 0 at the peer's end of data (read), or another negative
 * errno with a Failure: ERROR_TLS_HANDSHAKE, ERROR_CONNECTION_DROPPED. */
ssize_t tls_stream_handshake(TlsStream *stream, Failure *f);
ssize_t tls_stream_read(TlsStream *stream, void *data, size_t n, Failure *f);
ssize_t tls_stream_write(TlsStream *stream, const void *data, size_t n, Failure *f);

/* Whether the server may be spoken to: chain and name of its certificate (net/trust.h), unless the
 * settings say otherwise; one that was judged before, for a session that was resumed. 1, or a
 * negative errno with a Failure: ERROR_CERTIFICATE_VERIFY and the like. */
int tls_stream_judge(TlsStream *stream, Failure *f);

/* The connection came to nothing: when its session had been resumed, that is not done again, for
 * the reason may be in it. */
void tls_stream_distrust(TlsStream *stream);

/* Whether a former session was offered to be resumed. */
bool tls_stream_offered(const TlsStream *stream);

/* POLLIN or POLLOUT: what the last -EAGAIN waits for. */
short tls_stream_wants(const TlsStream *stream);

/* Whether decrypted bytes wait inside, which no poll() tells. */
bool tls_stream_pending(const TlsStream *stream);

/* Sends close_notify as far as that goes without blocking. */
void tls_stream_shutdown(TlsStream *stream);

/* After the handshake; borrowed from the stream. */
const SmtpTlsInfo *tls_stream_info(const TlsStream *stream);

/* Whether a former session was resumed (RFC 8446, 2.2). */
bool tls_stream_resumed(const TlsStream *stream);

/* The server's certificate in words, a few lines: subject, issuer, names, validity, fingerprint.
 * Caller frees. */
char *tls_stream_describe_certificate(const TlsStream *stream);

DEFINE_CLEANUP(TlsStream, tls_stream_free);
