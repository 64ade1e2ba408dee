/* Bytes over a socket, or over TLS with a proxy. Must never block, nor raise SIGPIPE. */
#include "net/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

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

ssize_t wire_read(Wire *wire, char *data, size_t n, Failure *f)
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

ssize_t wire_write(Wire *wire, const char *data, size_t n, Failure *f)
{
    ssize_t r;

    if (wire->tls)
        return finish_tls(wire, tls_stream_write(wire->tls, data, n, f));
    do
        r = send(wire->fd, data, n, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    return finish(wire, r, POLLOUT, f);
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
    if (!wire->tls && buffer_size(&wire->early) == 0)
        return NULL;
    wire->carrier = (TlsCarrier){carrier_read, carrier_write, wire};
    return &wire->carrier;
}

bool wire_pending(const Wire *wire)
{
    return buffer_size(&wire->early) > 0 || (wire->tls && tls_stream_pending(wire->tls));
}

void wire_done(Wire *wire)
{
    tls_stream_free(wire->tls);
    buffer_done(&wire->early);
    *wire = (Wire){.fd = -1};
}
