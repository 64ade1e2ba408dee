/* The inside of a Connection and the steps that bring its transport up, for net/ alone. */
#pragma once

#include "net/address.h"
#include "net/connection.h"
#include "net/lateness.h"
#include "net/lookup.h"
#include "net/proxied.h"
#include "net/rate.h"
#include "net/shared.h"
#include "net/silence.h"
#include "net/socket.h"
#include "net/tlsa.h"
#include "net/tries.h"
#include "net/wire.h"

struct Connection {
    ConnectionShared *shared;
    const RelayConfig *relay;
    SmtpTrace trace;
    void *trace_user;
    bool shows_secrets; /* the trace may, where the settings want it */

    /* The transport. */
    size_t step;    /* a row of transport.c's table; past its end the transport stands */
    usec_t started; /* connection_new() */
    Lateness late;  /* of the next step, where the last one had to wait */
    bool stirred;   /* something was found at the descriptor since then */
    usec_t begun;
    Lookup *lookup;
    LookupResult found;
    SocketDial *dial;                    /* until READY: it knows the addresses that are left */
    const struct sockaddr_storage *peer; /* likewise: the address in use, one of `found` */
    struct sockaddr_storage used;        /* the relay's, since READY; of no family where a proxy
                                            looked it up */
    Proxied proxied;
    Wire wire;              /* over socket_fd */
    TlsStream *tls;         /* over the wire */
    Answer *tlsa;           /* the server's TLSA records, once they were asked for */
    int tlsa_fd;            /* readable when they are there; -1: not waited for */
    usec_t tlsa_until;      /* so long they are waited for */
    Answer *policy;         /* the domain's MTA-STS policy, once it was asked for */
    int policy_fd;          /* readable when it is there; -1: not waited for */
    usec_t policy_until;    /* so long it is waited for */
    bool policy_waited;     /* a newer one than is known was waited for */
    char *policy_notice;    /* what it would not allow if it were enforced, or NULL */
    Revocation *revocation; /* while it is asked whether the certificate was revoked */
    int socket_fd;          /* connected, or -1 */
    char address[ADDRESS_TEXT_MAX];
    bool peer_is_loopback;
    Failure failure; /* why the transport failed */
    bool own;        /* it failed for a reason of this side's */
    usec_t limit;    /* of the TLS handshake */
    Tries tries;     /* the addresses before this one */
    char *tried;     /* the same in words, since READY; NULL: there were none */
    bool fresh;      /* a session that was to be resumed led to nothing */
    bool renewed;    /* a token that was refused has been renewed */
    bool clear;      /* opportunistic TLS has failed: without it */
    Silence silence; /* before the greeting */
    ConnectionSilence on_silence;
    void *silence_user;
    ConnectionOnCertificate on_certificate;
    void *certificate_user;
    ConnectionTlsStatus on_tls_status;
    void *tls_status_user;

    /* What is waited for until the transport stands; the descriptor holds afterwards too. */
    int fd;
    unsigned generation;
    short events;
    usec_t deadline;
    usec_t tell_at;   /* when what is waited for is told to who watches; 0: nothing is waited for */
    size_t tell_step; /* of the step */

    /* The session. */
    char literal[ADDRESS_TEXT_MAX]; /* what EHLO says when this host has no name */
    SmtpOptions options;
    SmtpSession *session;
    bool readable;     /* poll() said so */
    short read_wait;   /* what makes it readable: POLLIN, seldom POLLOUT */
    short write_wait;  /* what the output waits for; 0: nothing */
    Rate rate;         /* of what is written */
    bool throttled;    /* nothing may be written before the rate allows it */
    bool write_failed; /* only reading goes on, for the server's last words */
    bool lost;         /* no I/O any more */
    unsigned lessons;  /* SmtpMemory.lessons when it began */
    bool ready;        /* READY has been given: the address stays */
    bool closed;       /* CLOSED has been given */
    DeliveryOutcome outcome;
};

/* Goes on bringing the transport up: 1 when it stands, 0 when it must wait, or a negative errno
 * with `failure` set (but for -ENOMEM). */
int transport_step(Connection *connection, usec_t now);

/* Before the first step, for who may block and has no worker: its lookup is done at once. 1, or as
 * transport_step(). */
int transport_look_up(Connection *connection, usec_t now);

/* A step of it: whether the server may be spoken to. As transport_step(). */
int transport_run_certificate(Connection *connection, usec_t now);

/* A part of that step: the TLSA records that decide, in `*ret`, which is NULL where none do. As
 * transport_step(). */
int transport_find_tlsa(Connection *connection, usec_t now, const TlsaSet **ret);
void transport_forget_tlsa(Connection *connection);

/* The same for the domain's MTA-STS policy, and what it says of this server, whose certificate is
 * good: 1 that it may be used, or a negative errno with `failure` set (but for -ENOMEM). */
int transport_find_mta_sts(Connection *connection, usec_t now);
int transport_judge_mta_sts(Connection *connection, usec_t now);
void transport_forget_mta_sts(Connection *connection);

/* For the steps: what is waited for, and at which descriptor. */
void transport_wait_for(Connection *connection, short events, usec_t deadline);
void transport_use_fd(Connection *connection, int fd);

/* The step under way has to wait: tells whoever watches, when that lasts, for whom beside the
 * relay.
 */
void transport_tell_wait(Connection *connection, usec_t now);

/* Tells whoever watches what TLS says of itself. */
void transport_tell_tls(void *connection, const char *text);

/* The stage that is under way, or STAGE_NONE when the transport stands. */
DeliveryStage transport_stage(const Connection *connection);

/* TLS is to come up over the standing connection (STARTTLS). */
void transport_start_tls(Connection *connection);

/* Begins anew, with the lookup: what was found is forgotten, and looked for again. */
void transport_look_again(Connection *connection);

/* Gives up the address in use and goes on with those that are left. The session is the caller's to
 * end. */
void transport_start_again(Connection *connection, usec_t now);
/* The same with all addresses, those that failed too. */
void transport_start_over(Connection *connection);

/* The same with the address in use. */
void transport_start_anew(Connection *connection, usec_t now);
bool transport_can_start_again(const Connection *connection);

/* How long an address may keep silent before READY; 0: for ever. As long as others are left, a
 * minute at most, so that they have their turn. */
#define TRANSPORT_SHARE USEC_PER_MINUTE
usec_t transport_patience(const Connection *connection);

/* The address in use, or behind the proxy, has failed: it is tried last for a while. */
void transport_blame_address(Connection *connection, usec_t now);

/* The connection is this one from here on. */
void transport_settle(Connection *connection);

/* What the last -EAGAIN waits for; `plain` without TLS. */
short transport_wants(const Connection *connection, short plain);

/* Whether bytes wait inside, which no poll() tells. */
bool transport_pending(const Connection *connection);

/* As recv() and send(), with negative errno values and -EAGAIN; a Failure with all but that. */
ssize_t transport_read(Connection *connection, char *data, size_t n, Failure *f);
ssize_t transport_write(Connection *connection, const char *data, size_t n, Failure *f);

/* Tells the trace what the transport does. */
void transport_trace(Connection *connection, const char *format, ...) _printf_(2, 3);
