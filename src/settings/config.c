/* The life of a Config: references, and wiping it with the last. Must never be called on a Config
 * that is in use without a reference. */
#include "settings/config.h"

#include <stdlib.h>

#include "base/text.h"
#include "settings/secret_source.h"
#include "settings/table.h"
#include "settings/value.h"

Config *config_ref(Config *config)
{
    __atomic_add_fetch(&config->references, 1, __ATOMIC_RELAXED);
    return config;
}

bool relay_identity_is_token(const RelayConfig *relay)
{
    return relay->authorization_identity && !secret_source_is_set(&relay->password) &&
           (text_equal(relay->auth, "auto") || text_equal(relay->auth, "xoauth2") ||
               text_equal(relay->auth, "oauthbearer"));
}

void *value_group(const Config *config, SettingSection section, size_t relay)
{
    switch (section) {
    case SECTION_SPOOL: return (void *)&config->spool;
    case SECTION_RETRY: return (void *)&config->retry;
    case SECTION_DAEMON: return (void *)&config->daemon;
    default: return &config->relays[relay];
    }
}

Config *config_unref(Config *config)
{
    size_t n;
    const Setting *rows = settings_table(&n);

    if (!config || __atomic_sub_fetch(&config->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < (rows[i].section == SECTION_RELAYS ? config->n_relays : 1); k++)
            value_done(&rows[i], value_group(config, rows[i].section, k));
    free(config->relays);
    free(config->path);
    free(config);
    return NULL;
}
