/* What a Connection tells of its TLS, and whom. */
#include <errno.h>

#include "net/transport.h"

void connection_on_certificate(Connection *c, ConnectionOnCertificate callback, void *user)
{
    c->on_certificate = callback;
    c->certificate_user = user;
}

void connection_on_tls_status(Connection *c, ConnectionTlsStatus callback, void *user)
{
    c->on_tls_status = callback;
    c->tls_status_user = user;
}

void transport_tell_tls(void *connection, const char *text)
{
    Connection *c = connection;

    if (c->relay->tls_log_packets)
        transport_trace(c, "TLS: %s", text);
    if (c->on_tls_status)
        c->on_tls_status(c->tls_status_user, c, text);
}

const char *connection_tls(const Connection *c)
{
    return c->tls ? tls_stream_info(c->tls)->description : NULL;
}

const TlsNegotiated *connection_negotiated(const Connection *c)
{
    const TlsNegotiated *negotiated = c->tls ? tls_stream_negotiated(c->tls) : NULL;

    return negotiated && negotiated->version[0] ? negotiated : NULL;
}

size_t connection_chain_size(const Connection *c)
{
    return c->tls ? tls_stream_chain_size(c->tls) : 0;
}

int connection_chain_der(const Connection *c, size_t i, unsigned char **ret, size_t *ret_n)
{
    return c->tls ? tls_stream_chain_der(c->tls, i, ret, ret_n) : -ENOENT;
}

char *connection_chain_pem(const Connection *c)
{
    return c->tls ? tls_stream_pem(c->tls, c->relay->tls_include_chain) : NULL;
}

char *connection_describe_chain(const Connection *c)
{
    return c->tls && c->relay->tls_include_chain ? tls_stream_describe_chain(c->tls) : NULL;
}

char *connection_describe_certificate(const Connection *c)
{
    return c->tls ? tls_stream_describe_certificate(c->tls) : NULL;
}

Certificate *connection_certificate(const Connection *c)
{
    return c->tls ? tls_stream_shown(c->tls) : NULL;
}

bool connection_tls_resumed(const Connection *c)
{
    return c->tls && tls_stream_resumed(c->tls);
}
