/* The life of a Config: references, and wiping it with the last. Must never be called on a Config
 * that is in use without a reference. */
#include "settings/config.h"

#include <stdlib.h>

#include "base/text.h"
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
    case SECTION_ROUTES: return config->routes[relay];
    case SECTION_LANES: return config->lanes[relay];
    default: return config->relays[relay];
    }
}

size_t value_groups(const Config *config, SettingSection section)
{
    return section == SECTION_RELAYS   ? config->n_relays
           : section == SECTION_ROUTES ? config->n_routes
           : section == SECTION_LANES  ? config->n_lanes
                                       : 1;
}

Config *config_unref(Config *config)
{
    size_t n;
    const Setting *rows = settings_table(&n);

    if (!config || __atomic_sub_fetch(&config->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0;
             rows[i].section != SECTION_RELAYS && k < value_groups(config, rows[i].section); k++)
            value_done(&rows[i], value_group(config, rows[i].section, k));
    for (size_t i = 0; i < config->n_routes; i++)
        free(config->routes[i]);
    free(config->routes);
    route_rules_free(config->rules);
    for (size_t i = 0; i < config->n_lanes; i++)
        free(config->lanes[i]);
    free(config->lanes);
    for (size_t i = 0; i < config->n_relays; i++)
        (void)relay_config_unref(config->relays[i]);
    free(config->relays);
    free(config->path);
    free(config->notices);
    free(config);
    return NULL;
}

const RelayConfig *config_find_relay(const Config *config, const char *name)
{
    for (size_t i = 0; config && name && i < config->n_relays; i++)
        if (text_equal(config->relays[i]->name, name))
            return config->relays[i];
    return NULL;
}

unsigned config_find_lane(const Config *config, const char *name)
{
    for (size_t i = 0; config && name && i < config->n_lanes; i++)
        if (config->lanes[i]->name && text_equal_nocase(config->lanes[i]->name, name))
            return (unsigned)i + 1;
    return LANE_NONE;
}
