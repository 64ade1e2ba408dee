/* The life of one relay's settings. Must never leave a secret behind in memory. */
#include "settings/relay.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "settings/host.h"
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
