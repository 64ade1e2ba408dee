/* The life of a Config: references, and wiping it with the last. Must never be called on a Config
 * that is in use without a reference. */
#include "settings/config.h"

#include <stdlib.h>

#include "settings/table.h"
#include "settings/value.h"

Config *config_ref(Config *config)
{
    __atomic_add_fetch(&config->references, 1, __ATOMIC_RELAXED);
    return config;
}

void *value_group(const Config *config, SettingSection section, size_t relay)
{
    switch (section) {
    case SECTION_SPOOL: return (void *)&config->spool;
    case SECTION_RETRY: return (void *)&config->retry;
    case SECTION_BOUNCE: return (void *)&config->bounce;
    case SECTION_ALARM: return (void *)&config->alarm;
    case SECTION_DAEMON: return (void *)&config->daemon;
    case SECTION_MESSAGE: return (void *)&config->message;
    case SECTION_LOCAL: return (void *)&config->local;
    default: return config->relays[relay];
    }
}

Config *config_unref(Config *config)
{
    size_t n;
    const Setting *rows = settings_table(&n);

    if (!config || __atomic_sub_fetch(&config->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (rows[i].section != SECTION_RELAYS)
            value_done(&rows[i], value_group(config, rows[i].section, 0));
    for (size_t i = 0; i < config->n_relays; i++)
        (void)relay_config_unref(config->relays[i]);
    free(config->relays);
    free(config->path);
    free(config->notices);
    free(config);
    return NULL;
}
