/* Counting descriptors. Must never ask the system: what it allows is a parameter. */
#include "delivery/limits.h"

#include <stdio.h>

#include "base/macros.h"

/* What there is besides connections. Standard streams, loop, timers and signals: 10; log and
 * service manager: 4; the directory, its watch and scan: 10; messages that are read ahead: 32; a
 * configuration that is read again, with its certificates: 8. */
#define FILES_OWN 64

/* A name lookup and a password command with its pipes, at the same time. */
#define FILES_EACH_RELAY 8

static size_t less(size_t from, size_t n)
{
    return from > n ? from - n : 0;
}

void limits_compute(size_t files, size_t reserved, const Config *config, Limits *ret)
{
    size_t own = FILES_OWN + reserved + config->n_relays * FILES_EACH_RELAY;

    *ret = (Limits){.files = files, .own = own, .descriptors = less(files, own)};
    for (size_t i = 0; i < config->n_relays; i++)
        ret->wanted += config->relays[i]->connections;
    ret->bearable = MAX(ret->descriptors / LIMITS_FILES_EACH, (size_t)1);
    ret->connections = MIN(ret->wanted, ret->bearable);
}

bool limits_are_short(const Limits *limits)
{
    return limits->connections < limits->wanted;
}

char *limits_format(const Limits *limits, char text[static LIMITS_TEXT_MAX])
{
    size_t needed = limits->own + limits->wanted * LIMITS_FILES_EACH;

    snprintf(text, LIMITS_TEXT_MAX,
        "at most %zu connection%s at a time, of %zu configured, because this process may have %zu "
        "open files; raise LimitNOFILE= (ulimit -n) to %zu, or lower `connections`",
        limits->connections, limits->connections == 1 ? "" : "s", limits->wanted, limits->files,
        needed);
    return text;
}
