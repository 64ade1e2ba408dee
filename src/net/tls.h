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
#include "base/worker.h"
#include "net/credentials.h"
#include "settings/relay.h"
#include "smtp/auth.h"

typedef struct TlsContext TlsContext;
typedef struct TlsStream TlsStream;
struct TlsaSet;

/* What stands in a socket's place: TLS over a proxy's TLS. As recv() and send() on a socket that
 * does not wait: a count, 0 at the end of data, or -1 and errno. */
typedef struct TlsCarrier {
    ssize_t (*read)(void *user, char *data, size_t n);
    ssize_t (*write)(void *user, const char *data, size_t n);
    void *user;
} TlsCarrier;

/* Loads what the relay's settings name; the client certificate was loaded before, or is NULL: there
 * is none. Expensive; made when first needed, not for relays without TLS. 0 or a negative errno
 * with a Failure (27x, 28x) that names the file and what to do. */
int tls_context_new(const RelayConfig *relay, Credentials *client, TlsContext **ret, Failure *f);
/* The same, to see whether it can be made: nothing is written, and no file is made. */
int tls_context_try(const RelayConfig *relay, Credentials *client, TlsContext **ret, Failure *f);
TlsContext *tls_context_ref(TlsContext *context);
TlsContext *tls_context_unref(TlsContext *context); /* accepts NULL; returns NULL */

/* `fd` is borrowed; `now` is monotonic. */
int tls_stream_new(TlsContext *context, int fd, usec_t now, TlsStream **ret, Failure *f);
/* The same over a carrier, borrowed too. */
int tls_stream_new_over(
    TlsContext *context, const TlsCarrier *carrier, usec_t now, TlsStream **ret, Failure *f);
void tls_stream_free(TlsStream *stream);

/* Before the handshake. Where the key of our own certificate lives on a token, which may take long
 * to sign, the handshake is done by jobs of `worker` (borrowed; it outlives the stream). */
void tls_stream_sign_beside(TlsStream *stream, Worker *worker);
/* Readable when the job under way has ended: what tls_stream_handshake() waits for; -1: there is
 * none. And how many there have been: with each it is another descriptor. */
int tls_stream_signing_fd(const TlsStream *stream);
unsigned tls_stream_signings(const TlsStream *stream);

/* After a fatal error nothing is written, nor read where TLS itself failed: OpenSSL's state is then
 * not to be relied on. Each returns a byte count (handshake: 1 when done), -EAGAIN when
 * tls_stream_wants() must be waited for, 0 at the peer's end of data (read), or another negative
 * errno with a Failure: ERROR_TLS_HANDSHAKE, ERROR_CONNECTION_DROPPED, and of the handshake
 * ERROR_TLS_CREDENTIALS (REASON_TLS_CLIENT_KEY) where a token does not sign. */
ssize_t tls_stream_handshake(TlsStream *stream, Failure *f);
ssize_t tls_stream_read(TlsStream *stream, void *data, size_t n, Failure *f);
ssize_t tls_stream_write(TlsStream *stream, const void *data, size_t n, Failure *f);

/* What the handshake and the bytes are watched by: `text` is one line. Before the handshake; NULL
 * watches nothing. With `packets` each message of the handshake is told too: its kind and its size,
 * and nothing of what is in it. */
typedef void (*TlsStatus)(void *user, const char *text);
void tls_stream_watch(TlsStream *stream, TlsStatus status, bool packets, void *user);

/* Whether the server may be spoken to: chain and name of its certificate (net/trust.h), unless the
 * settings say otherwise; one that was judged before, for a session that was resumed. 1, or a
 * negative errno with a Failure: ERROR_CERTIFICATE_VERIFY and the like. It decides nothing:
 * tls_stream_decide() does, and nothing may be read or written before. */
int tls_stream_judge(TlsStream *stream, Failure *f);
/* The same by TLSA records, of which one at least is of use: they decide, unless it is pinned. */
int tls_stream_judge_dane(TlsStream *stream, const struct TlsaSet *set, Failure *f);
const char *tls_stream_name(const TlsStream *stream); /* the server's, in ASCII; borrowed */
bool tls_stream_verifies(const TlsStream *stream);    /* whether the settings want that */

/* The chain that was verified, a STACK_OF(X509); NULL: none was, for the certificate is pinned, or
 * nothing is verified, or the session is resumed. The OCSP answer that the server sent with it;
 * NULL: none. Borrowed. */
struct stack_st_X509 *tls_stream_verified(const TlsStream *stream);
const unsigned char *tls_stream_stapled(const TlsStream *stream, size_t *ret_n);

/* What came of it: whether the certificate is trusted, and whether the connection goes on. A
 * session is resumed later only where both are so: who accepts a certificate in spite of a
 * judgement does so for one connection. */
void tls_stream_decide(TlsStream *stream, bool trusted, bool accepted);

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

/* What was negotiated, each in OpenSSL's or IANA's words and "" where it cannot be told. */
typedef struct TlsNegotiated {
    char version[16];           /* "TLSv1.3" */
    char suite[64];             /* IANA's name: "TLS_AES_256_GCM_SHA384" */
    char cipher[32];            /* what encrypts the bytes: "aes-256-gcm" */
    unsigned cipher_bits;       /* of its key */
    char key_exchange[16];      /* "ECDHE", "DHE", "RSA" */
    char group[40];             /* of the key exchange: "x25519", "secp256r1", "ffdhe2048" */
    unsigned key_exchange_bits; /* of the server's key in it; 0: cannot be told any more */
    bool resumed;               /* the certificate is that of the former session */
} TlsNegotiated;

/* After the handshake; borrowed from the stream. */
const TlsNegotiated *tls_stream_negotiated(const TlsStream *stream);

/* The server's certificate, or NULL; borrowed. Of a resumed session, that of the session. */
struct x509_st *tls_stream_certificate(const TlsStream *stream);

/* Of the server's certificate and our own, those that end within `span` from `now` (realtime): a
 * line each. NULL: none, or no memory. Caller frees. */
char *tls_stream_expiring(const TlsStream *stream, usec_t now, usec_t span);

/* When the server's certificate ends (realtime); 0: it cannot be told. */
usec_t tls_stream_certificate_ends(const TlsStream *stream);

/* PEM of the server's certificate, and where `whole` of all that it sent. In words, a line for each
 * but its own. NULL: none, or no memory. Caller frees. */
char *tls_stream_pem(const TlsStream *stream, bool whole);
char *tls_stream_describe_chain(const TlsStream *stream);

/* The server's certificate in words, a few lines: subject, issuer, names, validity, fingerprint.
 * Caller frees. */
char *tls_stream_describe_certificate(const TlsStream *stream);

/* The same for a program, with what the server sent along as its chain; of a resumed session, which
 * shows none, that of the first. NULL: there is none, or memory is short. The caller's. */
Certificate *tls_stream_shown(const TlsStream *stream);

DEFINE_CLEANUP(TlsStream, tls_stream_free);

/* For programs, before anything else of TLS: OpenSSL takes nothing down when the process ends, for
 * a thread may still be at work with it then. A library must not ask for that. */
void tls_keep_at_exit(void);
