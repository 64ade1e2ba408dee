/* Bytes over a socket, over TLS with a proxy, or in envelopes to one. Must never block, nor raise
 * SIGPIPE. */
#include "net/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define PIECE_BYTES 16384

static ssize_t finish(Wire *wire, ssize_t r, short plain, Failure *f)
{
    if (r >= 0)
        return r;
    if (errno != EAGAIN)
        return failure_set_socket(f, -errno, "the connection broke");
    wire->wants = plain;
    return -EAGAIN;
}

static ssize_t finish_tls(Wire *wire, ssize_t r)
{
    if (r == -EAGAIN)
        wire->wants = tls_stream_wants(wire->tls);
    return r;
}

static ssize_t read_early(Wire *wire, char *data, size_t n)
{
    n = MIN(n, buffer_size(&wire->early));
    memcpy(data, buffer_data(&wire->early), n);
    buffer_consume(&wire->early, n);
    if (buffer_size(&wire->early) == 0)
        buffer_done(&wire->early);
    return (ssize_t)n;
}

static ssize_t read_below(Wire *wire, char *data, size_t n, Failure *f)
{
    ssize_t r;

    if (buffer_size(&wire->early) > 0)
        return read_early(wire, data, n);
    if (wire->tls)
        return finish_tls(wire, tls_stream_read(wire->tls, data, n, f));
    do
        r = recv(wire->fd, data, n, 0);
    while (r < 0 && errno == EINTR);
    return finish(wire, r, POLLIN, f);
}

static ssize_t write_below(Wire *wire, const char *data, size_t n, Failure *f)
{
    ssize_t r;

    if (wire->tls)
        return finish_tls(wire, tls_stream_write(wire->tls, data, n, f));
    do
        r = send(wire->fd, data, n, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    return finish(wire, r, POLLOUT, f);
}

/* ---- in envelopes ---- */

/* It ends: an envelope is of 64 KiB at most, and so many only may be empty. */
static ssize_t read_wrapped(Wire *wire, char *data, size_t n, Failure *f)
{
    Buffer *clear = proxy_wrap_clear(wire->wrap);
    char piece[PIECE_BYTES];

    while (buffer_size(clear) == 0) {
        ssize_t r = read_below(wire, piece, sizeof(piece), f);

        if (r > 0) {
            int wrapped = proxy_wrap_in(wire->wrap, piece, (size_t)r, f);

            r = wrapped != 0 ? wrapped : r;
        }
        if (r <= 0)
            return r;
    }
    n = MIN(n, buffer_size(clear));
    memcpy(data, buffer_data(clear), n);
    buffer_consume(clear, n);
    return (ssize_t)n;
}

/* 0 when nothing is left of it. */
static ssize_t flush_envelope(Wire *wire, Failure *f)
{
    while (buffer_size(&wire->envelope) > 0) {
        ssize_t r =
            write_below(wire, buffer_data(&wire->envelope), buffer_size(&wire->envelope), f);

        if (r < 0)
            return r;
        buffer_consume(&wire->envelope, (size_t)r);
    }
    return 0;
}

/* Bytes count as written once the envelope that they are in is. */
static ssize_t write_wrapped(Wire *wire, const char *data, size_t n, Failure *f)
{
    ssize_t r = 0;

    if (wire->enclosed == 0) {
        r = proxy_wrap_out(wire->wrap, data, n, &wire->envelope, f);
        if (r < 0)
            return r;
        wire->enclosed = (size_t)r;
    }
    r = flush_envelope(wire, f);
    if (r < 0)
        return r;
    n = MIN(n, wire->enclosed);
    wire->enclosed -= n;
    return (ssize_t)n;
}

ssize_t wire_read(Wire *wire, char *data, size_t n, Failure *f)
{
    return wire->wrap ? read_wrapped(wire, data, n, f) : read_below(wire, data, n, f);
}

ssize_t wire_write(Wire *wire, const char *data, size_t n, Failure *f)
{
    return wire->wrap ? write_wrapped(wire, data, n, f) : write_below(wire, data, n, f);
}

/* For OpenSSL, which goes by errno: none is an end of data. */
static ssize_t with_errno(ssize_t r)
{
    errno = r < 0 ? (int)-r : 0;
    return r < 0 ? -1 : r;
}

static ssize_t carrier_read(void *user, char *data, size_t n)
{
    return with_errno(wire_read(user, data, n, NULL));
}

static ssize_t carrier_write(void *user, const char *data, size_t n)
{
    return with_errno(wire_write(user, data, n, NULL));
}

const TlsCarrier *wire_carrier(Wire *wire)
{
    if (!wire->tls && !wire->wrap && buffer_size(&wire->early) == 0)
        return NULL;
    wire->carrier = (TlsCarrier){carrier_read, carrier_write, wire};
    return &wire->carrier;
}

bool wire_pending(const Wire *wire)
{
    if (wire->wrap && buffer_size(proxy_wrap_clear(wire->wrap)) > 0)
        return true;
    return buffer_size(&wire->early) > 0 || (wire->tls && tls_stream_pending(wire->tls));
}

void wire_done(Wire *wire)
{
    tls_stream_free(wire->tls);
    proxy_wrap_free(wire->wrap);
    buffer_done(&wire->early);
    buffer_done(&wire->envelope);
    *wire = (Wire){.fd = -1};
}
