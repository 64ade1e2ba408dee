/* Names from the command line. Must never set anything. */
#include "settings/target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

int target_parse(const char *text, Target *ret)
{
    const char *dot = strchr(text, '.'), *last = strrchr(text, '.');
    _cleanup_free_
    char *section = NULL;

    *ret = (Target){.section = SECTION_ANY, .setting = text};
    if (!dot)
        return 0;
    section = strndup(text, (size_t)(dot - text));
    if (!section)
        return -ENOMEM;
    ret->section = section_find(section);
    ret->setting = last + 1;
    if (last > dot && ret->section == SECTION_RELAYS) {
        ret->relay = strndup(dot + 1, (size_t)(last - dot - 1));
        return ret->relay ? 0 : -ENOMEM;
    }
    return ret->section == SECTION_ANY || last > dot ? -EINVAL : 0;
}

void target_done(Target *target)
{
    free(target->relay);
}

bool target_selects(const Target *target, const Config *config, size_t relay)
{
    const RelayConfig *wanted = config->relays[relay];
    char host_port[300];

    if (!target->relay)
        return true;
    for (size_t i = 0; i < config->n_relays; i++)
        if (text_equal(config->relays[i]->name, target->relay))
            return text_equal(wanted->name, target->relay);
    snprintf(host_port, sizeof(host_port), "%s:%u", wanted->host ?: "", wanted->port);
    return text_equal(host_port, target->relay) || text_equal(wanted->host, target->relay);
}
