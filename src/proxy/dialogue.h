/* What is said to a proxy until it lets the bytes of both sides through, without I/O: HTTP CONNECT
 * (RFC 9110, 9.3.6) with basic (RFC 7617) and digest authentication (RFC 7616), NTLM (MS-NTHT) and
 * Negotiate (RFC 4559), SOCKS version 4 and 4a, and version 5 (RFC 1928) with user and password
 * (RFC 1929) or GSSAPI (RFC 1961).
 *
 * A proxy is a stranger: whatever it says costs bounded memory and ends. It gets no password that
 * it did not ask for, and none gets into a trace or a failure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "base/gssapi.h"
#include "base/secret.h"
#include "proxy/wrap.h"

typedef enum ProxyKind {
    PROXY_TUNNEL, /* HTTP CONNECT */
    PROXY_SOCKS4,
    PROXY_SOCKS4A, /* which looks names up itself */
    PROXY_SOCKS5,
} ProxyKind;

typedef enum ProxyLogin {
    PROXY_LOGIN_AUTO, /* whatever it wants that needs no tickets: digest, basic, NTLM, in this order
                       */
    PROXY_LOGIN_BASIC,
    PROXY_LOGIN_DIGEST,
    PROXY_LOGIN_NTLM,
    PROXY_LOGIN_GSSAPI, /* with HTTP it is called Negotiate */
} ProxyLogin;

/* A line of the dialogue, or of what its bytes mean; secrets are masked. */
typedef void (*ProxyTrace)(void *user, bool from_proxy, const char *line, size_t n);

/* Everything borrowed, and to outlive the dialogue. */
typedef struct ProxyOptions {
    ProxyKind kind;
    const char *proxy;        /* "proxy.example.com port 3128", for words */
    const char *host;         /* where to: a name in ASCII, or an address, as it is configured */
    const char *host_setting; /* what says so; NULL: host and port, as of a relay; "": no setting */
    uint16_t port;
    const unsigned char *address; /* where to, looked up here; NULL: the proxy looks up `host` */
    size_t address_bytes;         /* 4 or 16 */
    const char *user;             /* NULL: no login */
    const Secret *password;       /* or NULL */
    const Secret *data;           /* lines to add to the header of CONNECT, or NULL */
    ProxyLogin login;
    const Gssapi *gssapi; /* for PROXY_LOGIN_GSSAPI */
    usec_t realtime;      /* the wall clock's, for NTLM */
    ProxyTrace trace;     /* or NULL */
    void *trace_user;
} ProxyOptions;

typedef enum ProxyResult {
    PROXY_MORE,   /* bytes have to come, or to go out */
    PROXY_STANDS, /* what comes and goes from here on is the relay's */
    PROXY_ANEW,   /* this connection is of no use any more: proxy_dialogue_anew() over another */
} ProxyResult;

typedef enum ProxyPhase {
    PROXY_IS_GREETED, /* version 5 of SOCKS alone */
    PROXY_LOGS_IN,    /* SOCKS alone: HTTP does so with what it asks for */
    PROXY_CONNECTS,   /* it was asked to */
} ProxyPhase;

#define PROXY_LINE_MAX ((size_t)8 * 1024)    /* bytes of a line of HTTP */
#define PROXY_HEADER_MAX ((size_t)64 * 1024) /* of the headers of an answer, and of its body */

typedef struct ProxyDialogue ProxyDialogue;

/* 0; -EINVAL with a Failure where this kind of proxy cannot be asked for that (a name too long, an
 * address of the other family); or -ENOMEM. */
int proxy_dialogue_new(const ProxyOptions *options, ProxyDialogue **ret, Failure *f);
void proxy_dialogue_free(ProxyDialogue *dialogue); /* accepts NULL */

/* That the connection in use goes over TLS with the proxy, and what it is known by there (RFC 5929,
 * 4), which is copied; NULL: by nothing. */
void proxy_dialogue_bind(ProxyDialogue *dialogue, const void *end_point, size_t n);

/* What is to be sent, and that so much of it was: it is wiped then. */
const Buffer *proxy_dialogue_output(const ProxyDialogue *dialogue);
void proxy_dialogue_written(ProxyDialogue *dialogue, size_t n);

/* What has come: a ProxyResult, and how much of it was the proxy's; what is behind is the relay's
 * once the result is PROXY_STANDS. With PROXY_MORE all of it was, unless there is something to
 * send: then the rest was said before it was asked for. Or a negative errno: -ENOMEM, or with a
 * Failure (ERROR_FIREWALL, and a reason of base/reason.h). */
int proxy_dialogue_receive(
    ProxyDialogue *dialogue, const char *data, size_t n, size_t *ret_used, Failure *f);

/* Once the way stands: what is around all bytes from there on, and may hold some that have come
 * already; the caller's. NULL: they go as they are. */
ProxyWrap *proxy_dialogue_take_wrap(ProxyDialogue *dialogue);

/* The proxy has closed the connection: PROXY_ANEW, or a negative errno with a Failure. */
int proxy_dialogue_closed(ProxyDialogue *dialogue, Failure *f);

/* What the proxy has to answer to next. */
ProxyPhase proxy_dialogue_phase(const ProxyDialogue *dialogue);

/* Begins over a new connection, with what was learned over the former. 0; -ENOMEM; or another
 * negative errno with a Failure. */
int proxy_dialogue_anew(ProxyDialogue *dialogue, Failure *f);

DEFINE_CLEANUP(ProxyDialogue, proxy_dialogue_free);
