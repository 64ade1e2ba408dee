/* One SMTP connection: lookup, connect, TLS, and a session over it, stepped without blocking.
 *
 * Every address of the relay is tried up to the point where a session is READY: whatever fails
 * before leads to the next one, but for a login that was refused for good and for faults of this
 * side. What fails later is the caller's to judge, and leads the next connection to another one
 * (doc/decisions/addresses-and-lookups.md).
 *
 * Two thin drivers use it: net/drive_poll.h, and delivery/drive_event.h over an sd-event loop.
 * Neither knows an SMTP word. */
#pragma once

#include <poll.h>

#include "base/clock.h"
#include "base/failure.h"
#include "base/worker.h"
#include "net/tls.h"
#include "settings/relay.h"
#include "smtp/session.h"

typedef struct Connection Connection;

/* What a relay's connections share: its TLS context, made by the first that needs it, with the
 * cached TLS session; what its sessions learned of it; lookups and, for a short while, their
 * results; addresses that failed. For one thread. */
typedef struct ConnectionShared ConnectionShared;

int connection_shared_new(
    RelayConfig *relay, Worker *worker, ConnectionShared **ret); /* keeps references to both */
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

/* For submitting transactions and content; NULL before the transport stands. Before READY another
 * may take its place with every step. */
SmtpSession *connection_session(Connection *connection);

const char *connection_address(
    const Connection *connection); /* "192.0.2.1:587", or "" before connecting */
const char *connection_proxy(
    const Connection *connection); /* "proxy.example.com port 1080", or NULL without one */
const char *connection_tls(
    const Connection *connection); /* "TLSv1.3 TLS_...", or NULL without TLS */

/* Where it is on its way to READY, or the session since. */
DeliveryStage connection_stage(const Connection *connection);

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
bool connection_tls_resumed(const Connection *connection);

DEFINE_CLEANUP(Connection, connection_free);
