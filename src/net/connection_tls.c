/* What a Connection tells of its TLS, and whom. */
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

char *connection_chain_pem(const Connection *c)
{
    return c->tls ? tls_stream_pem(c->tls, c->relay->tls_include_chain) : NULL;
}

char *connection_describe_chain(const Connection *c)
{
    return c->tls && c->relay->tls_include_chain ? tls_stream_describe_chain(c->tls) : NULL;
}

char *connection_expiring(const Connection *c, usec_t now)
{
    return c->tls ? tls_stream_expiring(c->tls, now, CONNECTION_EXPIRY) : NULL;
}

usec_t connection_certificate_ends(const Connection *c)
{
    return c->tls ? tls_stream_certificate_ends(c->tls) : 0;
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
