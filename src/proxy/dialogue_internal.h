/* The inside of a ProxyDialogue, for proxy/ alone. */
#pragma once

#include <string.h>

#include "proxy/challenge.h"
#include "proxy/dialogue.h"
#include "proxy/wrap.h"

#define PROXY_TARGET_MAX 300 /* "[address]:port", or a name of 255 bytes */

/* The longest answer of SOCKS: that of version 5, with a name in it (RFC 1928, 6). */
#define SOCKS_ANSWER_MAX (4 + 1 + 255 + 2)

typedef enum SocksState {
    SOCKS_METHOD,
    SOCKS_LOGIN,
    SOCKS_TOKEN, /* of GSSAPI (RFC 1961, 3) */
    SOCKS_LEVEL, /* how what follows is protected (4) */
    SOCKS_REPLY,
} SocksState;

typedef struct Socks {
    SocksState state; /* version 4 has the last one only */
    unsigned char answer[SOCKS_ANSWER_MAX];
    size_t n;
    /* Of GSSAPI. */
    void *context;     /* or NULL */
    unsigned n_rounds; /* words of the proxy's */
    Buffer frame;      /* as far as it has come */
    ProxyWrap *wrap;   /* NULL: what follows is as it stands */
} Socks;

typedef enum TunnelState {
    TUNNEL_STATUS,
    TUNNEL_FIELDS,
    TUNNEL_BODY,
    TUNNEL_CHUNK_SIZE, /* of a body in chunks (RFC 9112, 7.1) */
    TUNNEL_CHUNK,
    TUNNEL_CHUNK_END,
    TUNNEL_TRAILERS,
} TunnelState;

/* A login of several messages, which belongs to its connection. */
typedef enum BoundState {
    BOUND_NOT,     /* it is none */
    BOUND_BEGINS,  /* its first message is to be said with the next request */
    BOUND_BEGUN,   /* and was; another connection can begin anew */
    BOUND_ANSWERS, /* it goes on where the proxy's word came, or not at all */
} BoundState;

typedef struct Tunnel {
    TunnelState state;
    Buffer line;   /* as far as it has come */
    size_t header; /* bytes of all headers of this connection */
    bool used;     /* this is not the first request of this connection */
    /* Of the answer. */
    unsigned code;
    char *status;         /* "403 Forbidden", printable */
    bool keeps;           /* the connection goes on behind the body */
    bool length_is_known; /* of the body: `body` bytes */
    bool chunked;         /* likewise, piece by piece: `body` is what is left of one */
    size_t body;
    Buffer challenges; /* the values of Proxy-Authenticate, with commas between them */
    /* Of the login, over all connections. */
    Challenge challenge;  /* what is answered; of scheme NONE: nothing yet */
    unsigned n_stale;     /* how often a nonce was too old */
    char *authentication; /* the value of Proxy-Authorization; a secret; or NULL */
    BoundState bound;
    unsigned n_rounds; /* answers of a bound login */
    void *context;     /* of Negotiate; or NULL */
} Tunnel;

struct ProxyDialogue {
    ProxyOptions options;
    char target[PROXY_TARGET_MAX]; /* "smtp.example.com:587", "[2001:db8::1]:587" */
    unsigned char end_point[64];   /* of TLS, for NTLM: the longest hash there is */
    size_t end_point_size;         /* 0: there is none */
    Buffer output;
    union {
        Socks socks;
        Tunnel tunnel;
    };
};

#define PROXY_ASK_OWNER "ask who runs it to let this machine go to that host and port"
#define PROXY_ADVICE_MAX 160

/* What to look at where the proxy does not get to the target. Returns `ret`. */
const char *proxy_advise_on_target(
    const ProxyDialogue *dialogue, char ret[static PROXY_ADVICE_MAX]);

void proxy_trace(const ProxyDialogue *dialogue, bool from_proxy, const char *format, ...)
    _printf_(3, 4);

/* "the proxy PROXY ", then the words. Returns `error`. */
int proxy_fail(const ProxyDialogue *dialogue, int error, FaultReason reason, Failure *f,
    const char *format, ...) _printf_(5, 6);

/* As text_printable(), of what a proxy said: with asterisks over the secrets that it was told. */
char *proxy_printable(const ProxyDialogue *dialogue, const char *data, size_t n, size_t max);

/* The same, with the words of `why`, which must have a Failure unless `error` is -ENOMEM. */
int proxy_fail_login(const ProxyDialogue *dialogue, int error, const Failure *why, Failure *f);

/* What came is none of the protocol that is spoken. */
int proxy_fail_garbage(const ProxyDialogue *dialogue, const char *data, size_t n, Failure *f);

/* Wipes and frees a secret text, and forgets it; NULL is none. */
void proxy_wipe(char **secret);

/* A buffer that holds something secret. */
static inline void proxy_wipe_buffer(Buffer *b)
{
    if (b->memory)
        explicit_bzero(b->memory, b->allocated);
    buffer_done(b);
}
#define _cleanup_wiped_ _cleanup_(proxy_wipe_buffer)

/* Makes room for a secret that is then appended without moving. 0 or -ENOMEM. */
int proxy_reserve(Buffer *output, size_t n);

int socks_check(const ProxyDialogue *dialogue, Failure *f); /* 0 or -EINVAL */
int socks_begin(ProxyDialogue *dialogue, Failure *f);
int socks_receive(
    ProxyDialogue *dialogue, const char *data, size_t n, size_t *ret_used, Failure *f);

void socks_done(ProxyDialogue *dialogue);

/* Asks for the connection, once the login is done. */
int socks_request(ProxyDialogue *dialogue, Failure *f);
/* In words for a login that is not taken. */
int socks_fail_login(const ProxyDialogue *dialogue, Failure *f);

/* The first words of a context. 0, or a negative errno. */
int socks_gssapi_begin(ProxyDialogue *dialogue, Failure *f);
/* As socks_receive(), in the states of GSSAPI. */
int socks_gssapi_receive(
    ProxyDialogue *dialogue, const char *data, size_t n, size_t *ret_used, Failure *f);

/* 0, -ENOMEM, or another negative errno with a Failure. */
int tunnel_begin(ProxyDialogue *dialogue, Failure *f);
int tunnel_receive(
    ProxyDialogue *dialogue, const char *data, size_t n, size_t *ret_used, Failure *f);
void tunnel_done(ProxyDialogue *dialogue);

/* Whether another connection is worth it, this one having been closed. */
bool tunnel_is_worth_another(const ProxyDialogue *dialogue);
/* Whether an answer's body can be read over, so that the connection goes on behind it. */
bool tunnel_goes_on(const Tunnel *tunnel);

/* The header of a 407 has come: 0 when there is something to answer, or a negative errno. */
int tunnel_answer_challenge(ProxyDialogue *dialogue, Failure *f);

/* What is to be said before the request, in tunnel->authentication: the first message of a login
 * that is bound to its connection. 0, or a negative errno. */
int tunnel_begin_login(ProxyDialogue *dialogue, Failure *f);
void tunnel_end_login(ProxyDialogue *dialogue); /* forgets it */

/* The header of an answer that is no 2xx, nor a 407 to be answered. Negative. */
int tunnel_refused(const ProxyDialogue *dialogue, Failure *f);
