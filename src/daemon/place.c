/* Where the queue is. Must never tell a password. */
#include "daemon/place.h"

#include <stdio.h>
#include <string.h>

#include "base/conninfo.h"

char *place_name(const Config *config)
{
    _cleanup_free_
    char *shown = NULL;
    char *name;

    if (!config->spool.database)
        return strdup(config->spool.directory);
    shown = conninfo_shown(config->spool.database);
    return shown && asprintf(&name, "the database %s", shown) >= 0 ? name : NULL;
}
