/* What the connections of one relay share. Must never make the TLS context before it is needed. */
#include "net/shared.h"

#include <errno.h>
#include <string.h>

#include "base/idn.h"

/* What cannot be a name stays as it is, and is found out by whoever uses it. 0 or -ENOMEM. */
static int to_ascii(const char *name, char **ret)
{
    int r = domain_to_ascii(name, ret);

    if (r == -EINVAL || r == -ELIBACC)
        *ret = strdup(name);
    return *ret ? 0 : -ENOMEM;
}

int connection_shared_new(RelayConfig *relay, Worker *worker, ConnectionShared **ret)
{
    ConnectionShared *shared = calloc(1, sizeof(ConnectionShared));
    int r;

    if (!shared)
        return -ENOMEM;
    shared->references = 1;
    shared->relay = relay_config_ref(relay);
    shared->worker = worker ? worker_ref(worker) : NULL;
    r = to_ascii(relay_socket_path(relay) ? "localhost" : relay->host, &shared->host);
    if (r >= 0 && relay->hello)
        r = to_ascii(relay->hello, &shared->hello);
    if (r >= 0 && oauth_is_configured(relay))
        r = oauth_tokens_new(&shared->oauth);
    if (r < 0)
        (void)connection_shared_unref(shared);
    else
        *ret = shared;
    return r;
}

void connection_shared_inherit(ConnectionShared *shared, const ConnectionShared *former)
{
    if (!shared->oauth || !former->oauth || !oauth_is_same(shared->relay, former->relay))
        return;
    (void)oauth_tokens_unref(shared->oauth);
    shared->oauth = oauth_tokens_ref(former->oauth);
}

ConnectionShared *connection_shared_ref(ConnectionShared *shared)
{
    shared->references++;
    return shared;
}

ConnectionShared *connection_shared_unref(ConnectionShared *shared)
{
    if (!shared || --shared->references > 0)
        return NULL;
    (void)answer_unref(shared->addresses);
    (void)answer_unref(shared->secrets);
    (void)answer_unref(shared->name);
    (void)answer_unref(shared->tlsa);
    (void)answer_unref(shared->policy);
    (void)answer_unref(shared->next_policy);
    revocation_memory_done(&shared->revocation);
    (void)credentials_unref(shared->refused);
    (void)tls_context_unref(shared->tls);
    (void)tls_context_unref(shared->proxy_tls);
    (void)oauth_tokens_unref(shared->oauth);
    (void)relay_config_unref(shared->relay);
    (void)worker_unref(shared->worker);
    free(shared->host_name);
    free(shared->host);
    free(shared->hello);
    free(shared);
    return NULL;
}

const RelayConfig *connection_shared_relay(const ConnectionShared *shared)
{
    return shared->relay;
}

unsigned connection_shared_lacks(const ConnectionShared *shared)
{
    return shared->memory.lacks;
}

void connection_shared_forget_tls(ConnectionShared *shared)
{
    shared->tls = tls_context_unref(shared->tls);
}

int connection_shared_tls(ConnectionShared *shared, Credentials *client, Failure *f)
{
    return shared->tls ? 0 : tls_context_new(shared->relay, client, &shared->tls, f);
}

void connection_shared_forget_proxy_tls(ConnectionShared *shared)
{
    shared->proxy_tls = tls_context_unref(shared->proxy_tls);
}

/* As to a relay of the proxy's name, with what is set for both, and what is set for the proxy. */
RelayConfig connection_proxy_peer(const RelayConfig *relay)
{
    return (RelayConfig){
        .host = relay->proxy_host,
        .tls = TLS_MODE_IMPLICIT,
        .tls_verify = relay->proxy_tls_verify,
        .tls_ca_file = relay->proxy_tls_ca_file,
        .tls_ca_setting = "proxy_tls_ca_file",
        .tls_protocols = relay->tls_protocols,
        .tls_ciphers = relay->tls_ciphers,
        .tls_reuse_session = relay->tls_reuse_session,
    };
}

int connection_shared_proxy_tls(ConnectionShared *shared, Failure *f)
{
    const RelayConfig proxy = connection_proxy_peer(shared->relay);

    return shared->proxy_tls ? 0 : tls_context_new(&proxy, NULL, &shared->proxy_tls, f);
}
