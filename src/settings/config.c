/* The life of a Config: references, and wiping it with the last. Must never be called on a Config
 * that is in use without a reference. */
#include "settings/config.h"

#include <stdlib.h>

#include "settings/table.h"
#include "settings/value.h"

Config *config_ref(Config *config)
{
    config->references++;
    return config;
}

static void section_done(SettingSection section, void *group)
{
    size_t n;
    const Setting *rows = settings_table(&n);

    for (size_t i = 0; i < n; i++)
        if (rows[i].section == section)
            value_done(&rows[i], group);
}

Config *config_unref(Config *config)
{
    if (!config || --config->references > 0)
        return NULL;
    section_done(SECTION_SPOOL, &config->spool);
    section_done(SECTION_RETRY, &config->retry);
    section_done(SECTION_DAEMON, &config->daemon);
    for (size_t i = 0; i < config->n_relays; i++)
        section_done(SECTION_RELAYS, &config->relays[i]);
    free(config->relays);
    free(config->path);
    free(config);
    return NULL;
}
