/* One SMTP connection: lookup, connect, TLS, and a session over it, stepped without blocking.
 *
 * Every address of the relay is tried up to the point where a session is READY: whatever fails
 * before leads to the next one, but for a login that was refused for good and for faults of this
 * side. What fails later is the caller's to judge, and leads the next connection to another one
 * (doc/decisions/addresses-and-lookups.md).
 *
 * It is driven by delivery/drive_event.h over an sd-event loop, and by a client of the library with
 * an epoll descriptor (lib/contact.c). */
#pragma once

#include <poll.h>

#include "base/clock.h"
#include "base/failure.h"
#include "base/worker.h"
#include "net/address.h"
#include "net/tls.h"
#include "settings/relay.h"
#include "smtp/session.h"

typedef struct Connection Connection;

/* What a relay's connections share: its TLS context, made by the first that needs it, with the
 * cached TLS session; what its sessions learned of it; lookups and, for a short while, their
 * results; addresses that failed. For one thread. */
typedef struct ConnectionShared ConnectionShared;

/* Keeps references to both; the worker may be NULL for who looks up at once (net/transport.h). */
int connection_shared_new(RelayConfig *relay, Worker *worker, ConnectionShared **ret);

/* Takes over from the one for the settings before what is not to be lost with it: an OAuth refresh
 * token that is in no file yet. */
void connection_shared_inherit(ConnectionShared *shared, const ConnectionShared *former);
ConnectionShared *connection_shared_ref(ConnectionShared *shared);
ConnectionShared *connection_shared_unref(
    ConnectionShared *shared); /* accepts NULL; returns NULL */
/* SmtpCapability: what the relay offers, and refused when it was used. */
unsigned connection_shared_lacks(const ConnectionShared *shared);
const RelayConfig *connection_shared_relay(const ConnectionShared *shared);

/* Starts with the first connection_step(). `trace` may be NULL; it is told of the steps before the
 * session too. */
int connection_new(
    ConnectionShared *shared, SmtpTrace trace, void *trace_user, usec_t now, Connection **ret);
/* Lets the trace have secrets as they are where mask_secrets is false. Before the first step, for a
 * trace that goes to the user who runs the program, never for one that is kept: the daemon has no
 * call of it. */
void connection_show_secrets(Connection *connection);
void connection_free(Connection *connection); /* closes at once; accepts NULL */

/* Does what I/O can be done and returns 1 with a session event, 0 when it must wait, or -ENOMEM.
 * NEED_TLS never gets here: the connection answers it. A failure before READY is a CLOSED event
 * once no address is left: its outcome is CUT_OFF, with the cause, the stage and the error of the
 * address that came farthest, and what happened at the others in the text. CAUSE_OWN with
 * STAGE_CONNECT is a lack of descriptors or memory, or of an address to come from; with other
 * stages before the greeting it is the settings', a secret's or a file's. */
int connection_step(Connection *connection, usec_t now, SmtpEvent *ret);

/* What to wait for. The descriptor changes until READY (-1: nothing but time); the generation
 * tells, for a new descriptor may have the number of the one before. After a step that returned 0
 * the deadline is never past. */
int connection_fd(const Connection *connection);
unsigned connection_generation(const Connection *connection);
short connection_poll_events(const Connection *connection); /* POLLIN | POLLOUT */
usec_t connection_deadline(const Connection *connection);   /* monotonic; USEC_NEVER: none */

/* What poll() or epoll found at the descriptor: to be called before the step, which reads only
 * then. So a message costs one recv(), and no second one that finds nothing. */
void connection_ready(Connection *connection, short events);

/* To be told when a server has taken the connection and not greeted for a few seconds, for somebody
 * who watches. It goes on waiting. */
typedef void (*ConnectionSilence)(void *user, const Connection *connection);
void connection_on_silence(Connection *connection, ConnectionSilence callback, void *user);

/* To decide on the server's certificate, once for each handshake, when all that the settings ask
 * for has been looked at. `certificate->status` is "OK", or says why it is not to be trusted (or
 * that nobody looked: "not verified: ..."), and
 * *accept is the verdict, which the callback may override, in either direction. For a session that
 * is resumed it is asked too, with the certificate of that session; one that was accepted against
 * the verdict is not resumed. It must answer at once. All that it is given is borrowed. */
typedef struct ConnectionCertificate {
    struct x509_st *x509; /* an X509 of OpenSSL's; NULL: the server showed none */
    const unsigned char *der;
    size_t der_size;
    const char *pem; /* and, with tls_include_chain, whatever else the server sent, behind it */
    const char *status;
    bool resumed;
} ConnectionCertificate;
typedef void (*ConnectionOnCertificate)(void *user, const Connection *connection,
    const ConnectionCertificate *certificate, bool *accept);
void connection_on_certificate(
    Connection *connection, ConnectionOnCertificate callback, void *user);

/* To be told how TLS comes up, a line at a time: the states of the handshake and alerts; with
 * tls_log_packets each message of the handshake as well. */
typedef void (*ConnectionTlsStatus)(void *user, const Connection *connection, const char *text);
void connection_on_tls_status(Connection *connection, ConnectionTlsStatus callback, void *user);

/* For submitting transactions and content; NULL before the transport stands. Before READY another
 * may take its place with every step. */
SmtpSession *connection_session(Connection *connection);

const char *connection_address(
    const Connection *connection); /* "192.0.2.1:587", or "" before connecting */
const char *connection_proxy(
    const Connection *connection); /* "proxy.example.com port 1080", or NULL without one */
/* The addresses that were of no use so far, a line "192.0.2.1:587: Connection refused" each. NULL:
 * there are none, or no memory. Caller frees. */
char *connection_describe_tries(const Connection *connection);
/* This side's, as the system chose it: "192.0.2.7:40123", or "" before connecting. Returns `text`.
 */
const char *connection_local_address(
    const Connection *connection, char text[static ADDRESS_TEXT_MAX]);
const char *connection_tls(
    const Connection *connection); /* "TLSv1.3 TLS_...", or NULL without TLS */

/* Where it is on its way to READY, or the session since. */
DeliveryStage connection_stage(const Connection *connection);

/* What it waits for, where that is not the relay: the stage to which that belongs, what it is ("the
 * token server https://login.example.com", printable; "": it is the relay, or the stage says it),
 * and what to do about it, or NULL. */
#define CONNECTION_WAIT_MAX 240
typedef struct ConnectionWait {
    DeliveryStage stage;
    char what[CONNECTION_WAIT_MAX];
    const char *remedy; /* a constant */
} ConnectionWait;
ConnectionWait connection_waits_for(const Connection *connection);

/* What became of a message over the address in use, since READY: it was judged, or the server was
 * at fault. Those that were at fault are tried last for a while. True when the relay has an address
 * that has not failed since it last served. */
void connection_trust_address(Connection *connection);
bool connection_doubt_address(Connection *connection, usec_t now);

/* Whether more has been read than was made events of. */
bool connection_has_more(const Connection *connection);

/* Whether what ended the session is something that the next one does without, so that another
 * connection is worth while at once. Before READY it is tried without being asked for. */
bool connection_has_learned(const Connection *connection);

/* The server's certificate in words, or NULL without TLS. Caller frees. */
char *connection_describe_certificate(const Connection *connection);
Certificate *connection_certificate(const Connection *connection); /* the same; the caller's */
bool connection_tls_resumed(const Connection *connection);

/* Certificates that end within CONNECTION_EXPIRY, or have ended, the server's and our own: a line
 * each. NULL: none, or no memory. `now` is realtime, and looked at after the handshake. Caller
 * frees. */
#define CONNECTION_EXPIRY (21 * USEC_PER_DAY)
char *connection_expiring(const Connection *connection, usec_t now);

/* When the server's certificate ends (realtime); 0 without TLS, or where it cannot be told. */
usec_t connection_certificate_ends(const Connection *connection);

/* MTA-STS, once the certificate was judged: what the domain's policy would not allow if it were not
 * only tested, or NULL; borrowed. And in words, a line or two, which policy there is, or why there
 * is none; NULL: nobody asked, or no memory. `now` is realtime. Caller frees. */
const char *connection_policy_notice(const Connection *connection);
char *connection_describe_policy(const Connection *connection, usec_t now);

/* What is to be told of its secrets, whatever becomes of the connection: a new OAuth refresh token
 * that cannot be kept. NULL: nothing. Borrowed. */
const char *connection_secrets_notice(const Connection *connection);

/* What was negotiated; NULL without TLS, or before its handshake has ended. */
const TlsNegotiated *connection_negotiated(const Connection *connection);

/* PEM of what the server sent, its own certificate first and with tls_include_chain the others; and
 * of the others a line each. NULL: there is nothing, or no memory. Caller frees. */
char *connection_chain_pem(const Connection *connection);
char *connection_describe_chain(const Connection *connection);

DEFINE_CLEANUP(Connection, connection_free);
