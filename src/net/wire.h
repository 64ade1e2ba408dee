/* The way of the bytes between a socket and what is above it: straight, or through TLS with a
 * proxy, or in envelopes of GSSAPI to one of SOCKS5; in front of it, what came early behind a
 * proxy's last answer. */
#pragma once

#include "base/buffer.h"
#include "net/tls.h"
#include "proxy/wrap.h"

typedef struct Wire {
    int fd;         /* borrowed */
    TlsStream *tls; /* with the proxy; NULL: none */
    Buffer early;
    ProxyWrap *wrap; /* NULL: none */
    Buffer envelope; /* what is left of one of ours */
    size_t enclosed; /* bytes to be written that are in it already */
    short wants;     /* what the last -EAGAIN waits for */
    TlsCarrier carrier;
} Wire;

/* As recv() and send(), with negative errno values and -EAGAIN; a Failure with all but that. What
 * is written after -EAGAIN begins with the same bytes, for these may be on their way. */
ssize_t wire_read(Wire *wire, char *data, size_t n, Failure *f);
ssize_t wire_write(Wire *wire, const char *data, size_t n, Failure *f);

/* What TLS is to go over, valid as long as the wire is where it is; NULL: the socket itself. */
const TlsCarrier *wire_carrier(Wire *wire);

/* Whether bytes wait inside, which no poll() tells. */
bool wire_pending(const Wire *wire);

/* Ends the TLS without a word, and forgets what came early. The descriptor stays open. */
void wire_done(Wire *wire);
