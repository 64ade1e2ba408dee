/* What the connections of one relay share. Must never make the TLS context before it is needed. */
#include "net/shared.h"

#include <errno.h>

int connection_shared_new(
    Config *config, size_t relay_index, Worker *worker, ConnectionShared **ret)
{
    ConnectionShared *shared = calloc(1, sizeof(ConnectionShared));

    if (!shared)
        return -ENOMEM;
    shared->references = 1;
    shared->config = config_ref(config);
    shared->worker = worker_ref(worker);
    shared->relay = &config->relays[relay_index];
    *ret = shared;
    return 0;
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
    (void)tls_context_unref(shared->tls);
    (void)config_unref(shared->config);
    (void)worker_unref(shared->worker);
    free(shared->host_name);
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

int connection_shared_tls(ConnectionShared *shared, const Secret *key_password, Failure *f)
{
    return shared->tls ? 0 : tls_context_new(shared->relay, key_password, &shared->tls, f);
}
