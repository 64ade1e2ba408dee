/* Which relays a message in the queue may still go to, by the rules of `routes`. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "settings/routes.h"
#include "spool/spool.h"

/* Sets of relays, a bit for each place in the configuration: one for each way that recipients go.
 */
typedef struct MessageWays {
    uint64_t *relays; /* owned */
    size_t n;
} MessageWays;

/* The ways of those recipients that have neither had the message nor been refused. 0; -ENOENT when
 * the message has gone meanwhile; another negative errno when it cannot be read. */
int message_ways_find(const Spool *spool, const char *id, SpoolState state, const RouteRules *rules,
    MessageWays *ret);
void message_ways_done(MessageWays *ways);
