/* The life of one relay's settings. Must never leave a secret behind in memory. */
#include "settings/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "settings/host.h"
#include "settings/proxy.h"
#include "settings/proxy_environment.h"
#include "settings/secret_source.h"
#include "settings/table.h"
#include "settings/value.h"

RelayConfig *relay_config_new(void)
{
    RelayConfig *relay = calloc(1, sizeof(RelayConfig));

    if (relay)
        relay->references = 1;
    return relay;
}

RelayConfig *relay_config_ref(RelayConfig *relay)
{
    __atomic_add_fetch(&relay->references, 1, __ATOMIC_RELAXED);
    return relay;
}

RelayConfig *relay_config_unref(RelayConfig *relay)
{
    size_t n;
    const Setting *rows = settings_table(&n);

    if (!relay || __atomic_sub_fetch(&relay->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (rows[i].section == SECTION_RELAYS)
            value_done(&rows[i], relay);
    free(relay);
    return NULL;
}

static char *copy(const char *text, bool *failed)
{
    char *ret = text ? strdup(text) : NULL;

    *failed = *failed || (text && !ret);
    return ret;
}

/* The proxy looks a name up where it did the relay's, or would have if that were no address. */
static ProxyResolve resolve_of(const RelayConfig *peer, const RelayConfig *relay)
{
    bool made_for_that =
        relay->proxy_type == PROXY_MODE_TUNNEL || relay->proxy_type == PROXY_MODE_SOCKS4A;

    if (host_family(peer->host) != 0)
        return PROXY_RESOLVE_HERE;
    return host_family(relay->host) != 0 && made_for_that ? PROXY_RESOLVE_PROXY
                                                          : relay->proxy_resolve;
}

int relay_take_proxy(RelayConfig *peer, const RelayConfig *relay)
{
    const SecretSource *password = &relay->proxy_password;
    bool failed = false;
    int r = 0;

    if (relay->proxy_type == PROXY_MODE_NONE)
        return 0;
    peer->proxy_type = relay->proxy_type;
    peer->proxy_host = copy(relay->proxy_host, &failed);
    peer->proxy_port = relay->proxy_port;
    peer->proxy_user = copy(relay->proxy_user, &failed);
    peer->proxy_password = (SecretSource){
        .value = secret_ref(password->value),
        .file = copy(password->file, &failed),
        .command = copy(password->command, &failed),
        .credential = copy(password->credential, &failed),
        .queue = password->queue,
    };
    peer->name = copy(relay->name, &failed); /* that of the tickets in memory */
    peer->proxy_auth = relay->proxy_auth;
    peer->proxy_kerberos_service = copy(relay->proxy_kerberos_service, &failed);
    peer->kerberos_keytab = copy(relay->kerberos_keytab, &failed);
    peer->kerberos_ccache = copy(relay->kerberos_ccache, &failed);
    peer->proxy_data = secret_ref(relay->proxy_data);
    peer->proxy_tls = relay->proxy_tls;
    peer->proxy_tls_verify = relay->proxy_tls_verify;
    peer->proxy_tls_ca_file = copy(relay->proxy_tls_ca_file, &failed);
    peer->proxy_resolve = resolve_of(peer, relay);
    if (failed)
        return -ENOMEM;
    if (relay->proxy_exceptions)
        r = proxy_exceptions_have(relay->proxy_exceptions, peer->host, peer->port, false);
    if (r == 0 && relay->proxy_from_environment)
        r = proxy_environment_excepts(peer->host, peer->port);
    peer->proxy_bypassed = r > 0;
    return MIN(r, 0);
}

bool relay_identity_is_token(const RelayConfig *relay)
{
    return relay->authorization_identity && !relay->oauth_token_url &&
           !secret_source_is_set(&relay->password) &&
           (text_equal(relay->auth, "auto") || text_equal(relay->auth, "xoauth2") ||
               text_equal(relay->auth, "oauthbearer"));
}

bool relay_logs_in(const RelayConfig *relay)
{
    return !text_equal(relay->auth, "none") &&
           (relay->user || relay->authorization_identity || text_equal(relay->auth, "external") ||
               text_equal(relay->auth, "gssapi") || secret_source_is_set(&relay->password));
}

const char *relay_socket_path(const RelayConfig *relay)
{
    return host_is_unix(relay->host) ? relay->host + strlen(HOST_UNIX) : NULL;
}

bool relay_verifies(const RelayConfig *relay)
{
    return relay->tls_verify && (relay->tls != TLS_MODE_OPPORTUNISTIC || relay_logs_in(relay));
}
