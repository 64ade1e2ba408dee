/* Sharing limits with other processes. Must never keep more than this one's part for longer than
 * what is under way takes. */
#include "delivery/fleet.h"

#include "delivery/lanes.h"
#include "delivery/restrain.h"

/* ---- connections ---- */

static bool is_of(const Link *link, const Relay *relay)
{
    return link->relay == relay && !link->closed && !link->quitting && !link->spare;
}

static size_t count_links(const Engine *engine, const Relay *relay)
{
    size_t n = 0;

    for (const Link *link = engine->links; link; link = link->next)
        n += is_of(link, relay);
    return n;
}

static size_t spare_some(Engine *engine, const Relay *relay, bool busy, size_t n)
{
    for (Link *link = engine->links; link && n > 0; link = link->next)
        if (is_of(link, relay) && (link->n_attempts > 0) == busy) {
            link->spare = true;
            n--;
        }
    return n;
}

/* What is beyond the share is given up, when it has done what it does: first those that do nothing.
 */
static void spare_beyond(Engine *engine, const Relay *relay)
{
    size_t n = count_links(engine, relay),
           max = share_of(&engine->share, relay->config->connections);

    if (n > max)
        spare_some(engine, relay, true, spare_some(engine, relay, false, n - max));
}

/* ---- all of it ---- */

void fleet_apply(Engine *engine)
{
    for (size_t i = 0; i < engine->relays->n_relays; i++)
        if (engine->relays->relays[i].restraint)
            restraint_share(engine->relays->relays[i].restraint, &engine->share);
    lanes_share(engine);
}

static bool is_same(const Share *a, const Share *b)
{
    return a->place == b->place && a->count == b->count && a->known == b->known;
}

static void take_share(Engine *engine)
{
    Share share =
        engine->source->ops->share ? engine->source->ops->share(engine->source) : SHARE_WHOLE;

    if (is_same(&share, &engine->share))
        return;
    engine->share = share;
    fleet_apply(engine);
    for (Link *link = engine->links; link; link = link->next)
        link->spare = false;
    for (size_t i = 0; i < engine->relays->n_relays; i++)
        spare_beyond(engine, &engine->relays->relays[i]);
}

void fleet_look(Engine *engine)
{
    restrain_load_others(engine);
    take_share(engine);
}
