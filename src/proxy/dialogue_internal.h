/* The inside of a ProxyDialogue, for proxy/ alone. */
#pragma once

#include "proxy/challenge.h"
#include "proxy/dialogue.h"

#define PROXY_TARGET_MAX 300 /* "[address]:port", or a name of 255 bytes */

/* The longest answer of SOCKS: that of version 5, with a name in it (RFC 1928, 6). */
#define SOCKS_ANSWER_MAX (4 + 1 + 255 + 2)

typedef enum SocksState { SOCKS_METHOD, SOCKS_LOGIN, SOCKS_REPLY } SocksState;

typedef struct Socks {
    SocksState state; /* version 4 has the last one only */
    unsigned char answer[SOCKS_ANSWER_MAX];
    size_t n;
} Socks;

typedef enum TunnelState { TUNNEL_STATUS, TUNNEL_FIELDS, TUNNEL_BODY } TunnelState;

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
    size_t body;
    Buffer challenges; /* the values of Proxy-Authenticate, with commas between them */
    /* Of the login, over all connections. */
    Challenge challenge;  /* what is answered; of scheme NONE: nothing yet */
    unsigned n_stale;     /* how often a nonce was too old */
    char *authentication; /* the value of Proxy-Authorization; a secret; or NULL */
} Tunnel;

struct ProxyDialogue {
    ProxyOptions options;
    char target[PROXY_TARGET_MAX]; /* "smtp.example.com:587", "[2001:db8::1]:587" */
    Buffer output;
    union {
        Socks socks;
        Tunnel tunnel;
    };
};

void proxy_trace(const ProxyDialogue *dialogue, bool from_proxy, const char *format, ...)
    _printf_(3, 4);

/* "the proxy PROXY ", then the words. Returns `error`. */
int proxy_fail(const ProxyDialogue *dialogue, int error, FaultReason reason, Failure *f,
    const char *format, ...) _printf_(5, 6);

/* As text_printable(), of what a proxy said: with asterisks over the secrets that it was told. */
char *proxy_printable(const ProxyDialogue *dialogue, const char *data, size_t n, size_t max);

/* What came is none of the protocol that is spoken. */
int proxy_fail_garbage(const ProxyDialogue *dialogue, const char *data, size_t n, Failure *f);

/* Wipes and frees a secret text, and forgets it; NULL is none. */
void proxy_wipe(char **secret);

/* Makes room for a secret that is then appended without moving. 0 or -ENOMEM. */
int proxy_reserve(Buffer *output, size_t n);

int socks_check(const ProxyDialogue *dialogue, Failure *f); /* 0 or -EINVAL */
int socks_begin(ProxyDialogue *dialogue);
int socks_receive(
    ProxyDialogue *dialogue, const char *data, size_t n, size_t *ret_used, Failure *f);

int tunnel_begin(ProxyDialogue *dialogue);
int tunnel_receive(
    ProxyDialogue *dialogue, const char *data, size_t n, size_t *ret_used, Failure *f);
void tunnel_done(Tunnel *tunnel);

/* The header of a 407 has come: 0 when there is something to answer, or a negative errno. */
int tunnel_answer_challenge(ProxyDialogue *dialogue, Failure *f);

/* The header of an answer that is no 2xx, nor a 407 to be answered. Negative. */
int tunnel_refused(const ProxyDialogue *dialogue, Failure *f);
