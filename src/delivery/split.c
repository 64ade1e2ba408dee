/* Recipients by the way they go. Must never leave one out, nor give one to a relay that its rule
 * does not name. */
#include "delivery/split.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

Split *split_of(const HeldMessage *m)
{
    return m->routes;
}

static void on_field(
    void *query, const char *name, size_t n_name, const char *value, size_t n_value)
{
    route_query_field(query, name, n_name, value, n_value);
}

int split_ask(const RouteRules *rules, const Message *message, RouteQuery **ret)
{
    const Envelope *e = message_envelope(message);
    int r = route_query_new(rules, e->sender, e->lane, ret);

    if (r >= 0 && route_rules_ask_header(rules))
        message_fields(message, on_field, *ret);
    return r;
}

/* ---- finding out ---- */

static size_t recipient_at(const HeldMessage *m, size_t i)
{
    return m->pending ? m->pending[i] : i;
}

/* The way of each that is pending. */
static int find_ways(const RouteRules *rules, const HeldMessage *m, size_t *ret_ways)
{
    _cleanup_(route_query_free_p) RouteQuery *query = NULL;
    const Envelope *e = message_envelope(m->message);
    int r = split_ask(rules, m->message, &query);

    for (size_t i = 0; r >= 0 && i < m->n_pending; i++) {
        size_t rule;

        r = route_query_rule(query, e->recipients[recipient_at(m, i)].address, &rule);
        if (r >= 0)
            ret_ways[i] = route_rules_way_of(rules, rule);
    }
    return r;
}

/* The parts, in the order in which their first recipients stand; `places` is where each way has
 * its own, plus one. */
static int make_parts(const HeldMessage *m, const size_t *ways, size_t *places, Split **ret)
{
    size_t n = 0;
    Split *split;

    for (size_t i = 0; i < m->n_pending; i++)
        if (places[ways[i]] == 0)
            places[ways[i]] = ++n;
    split = calloc(1, sizeof(Split) + n * sizeof(SplitPart));
    if (!split)
        return -ENOMEM;
    split->n_parts = n;
    for (size_t i = 0; i < m->n_pending; i++) {
        SplitPart *part = &split->parts[places[ways[i]] - 1];

        part->way = ways[i];
        part->n++;
        part->n_lost += i >= m->n_pending - m->n_lost;
    }
    for (size_t i = 1; i < n; i++)
        split->parts[i].first = split->parts[i - 1].first + split->parts[i - 1].n;
    *ret = split;
    return 0;
}

/* In each part they keep their order. */
static int arrange(HeldMessage *m, const size_t *ways, const size_t *places, const Split *split)
{
    size_t *pending = malloc(m->n_pending * sizeof(size_t));
    _cleanup_free_
    size_t *used = calloc(split->n_parts, sizeof(size_t));

    if (!pending || !used) {
        free(pending);
        return -ENOMEM;
    }
    for (size_t i = 0; i < m->n_pending; i++) {
        size_t part = places[ways[i]] - 1;

        pending[split->parts[part].first + used[part]++] = recipient_at(m, i);
    }
    free(m->pending);
    m->pending = pending;
    return 0;
}

int split_message(const RouteRules *rules, HeldMessage *m)
{
    _cleanup_free_
    size_t *ways = NULL, *places = NULL;
    Split *split = NULL;
    int r;

    if (!rules || m->routes)
        return 0;
    ways = calloc(m->n_pending, sizeof(size_t));
    places = calloc(route_rules_ways(rules), sizeof(size_t));
    r = ways && places ? find_ways(rules, m, ways) : -ENOMEM;
    if (r >= 0)
        r = make_parts(m, ways, places, &split);
    if (r < 0)
        return r;
    if (split->n_parts == 1 && split->parts[0].way == ROUTES_BY_DEFAULT) {
        free(split);
        return 0;
    }
    r = split->n_parts > 1 ? arrange(m, ways, places, split) : 0;
    if (r < 0)
        free(split);
    else
        m->routes = split;
    return r;
}

/* ---- where it may go ---- */

/* Whether it takes nothing for a while: what is for it alone waits outside. */
static bool is_away(const Relay *relay)
{
    return relay->state == RELAY_STATE_HELD || relay->rests_until > 0;
}

/* As in the plan: a relay that works keeps the mail, one that is being tried, or says nothing, does
 * not keep the next from it. */
uint64_t split_usable(const RelaySet *relays, const RouteWay *way)
{
    uint64_t usable = 0;

    for (size_t i = 0; i < way->n_relays; i++) {
        const Relay *relay = &relays->relays[way->relays[i]];

        if (is_away(relay))
            continue;
        usable |= UINT64_C(1) << way->relays[i];
        if (relay->state == RELAY_STATE_WORKS && !relay->silence_told)
            break;
    }
    return usable;
}

/* What one relay lacks, the next may have. */
static uint64_t usable_by(const RelaySet *relays, const RouteWay *way, uint64_t unfit_for)
{
    uint64_t usable = 0;

    if (unfit_for == 0)
        return split_usable(relays, way);
    for (size_t i = 0; i < way->n_relays; i++)
        if (!is_away(&relays->relays[way->relays[i]]))
            usable |= UINT64_C(1) << way->relays[i];
    return usable & ~unfit_for;
}

static uint64_t usable_for(const RelaySet *relays, const RouteRules *rules, const SplitPart *part)
{
    return part->done ? 0 : usable_by(relays, route_rules_way(rules, part->way), part->unfit_for);
}

uint64_t split_relays(const RelaySet *relays, const RouteRules *rules, const HeldMessage *m)
{
    const Split *split = split_of(m);
    uint64_t usable = 0;

    if (!split)
        return rules ? usable_by(relays, route_rules_way(rules, ROUTES_BY_DEFAULT), m->unfit_for)
                     : ~m->unfit_for;
    for (size_t i = 0; i < split->n_parts; i++)
        usable |= usable_for(relays, rules, &split->parts[i]);
    return usable;
}

bool split_turn_to(const RelaySet *relays, const RouteRules *rules, HeldMessage *m, size_t relay)
{
    Split *split = split_of(m);

    if (relay >= ROUTES_RELAYS_MAX)
        return false;
    if (!split)
        return split_relays(relays, rules, m) >> relay & 1;
    for (size_t i = 0; i < split->n_parts; i++)
        if (usable_for(relays, rules, &split->parts[i]) >> relay & 1) {
            split->current = i;
            return true;
        }
    return false;
}

bool split_has_next(const RelaySet *relays, const RouteRules *rules, size_t relay)
{
    for (size_t i = 0; i < route_rules_ways(rules); i++) {
        const RouteWay *way = route_rules_way(rules, i);
        bool behind = false;

        for (size_t k = 0; k < way->n_relays && relay < ROUTES_RELAYS_MAX; k++) {
            if (behind && relays->relays[way->relays[k]].state != RELAY_STATE_HELD)
                return true;
            behind = behind || way->relays[k] == relay;
        }
    }
    return false;
}

size_t split_way_number(const HeldMessage *m)
{
    const Split *split = split_of(m);

    return split ? split->parts[split->current].way : ROUTES_BY_DEFAULT;
}

uint64_t split_way(const RouteRules *rules, const HeldMessage *m)
{
    return rules ? route_rules_way(rules, split_way_number(m))->mask : UINT64_MAX;
}

uint64_t *split_unfit_for(HeldMessage *m)
{
    Split *split = split_of(m);

    return split ? &split->parts[split->current].unfit_for : &m->unfit_for;
}

size_t split_recipients(const HeldMessage *m, size_t *ret_first, size_t *ret_lost)
{
    const Split *split = split_of(m);
    const SplitPart *part = split ? &split->parts[split->current] : NULL;

    *ret_first = part ? part->first : 0;
    *ret_lost = part ? part->n_lost : m->n_lost;
    return part ? part->n : m->n_pending;
}

usec_t split_away_until(const Relay *relay)
{
    return MAX(relay->state == RELAY_STATE_HELD ? relay->until : 0, relay->rests_until);
}

static const Relay *sooner(
    const RelaySet *relays, const RouteWay *way, uint64_t unfit_for, const Relay *found)
{
    for (size_t i = 0; i < way->n_relays; i++) {
        const Relay *relay = &relays->relays[way->relays[i]];

        if (is_away(relay) && !(unfit_for >> way->relays[i] & 1) &&
            (!found || split_away_until(relay) < split_away_until(found)))
            found = relay;
    }
    return found;
}

static bool any_rests(const RelaySet *relays, const RouteWay *way)
{
    for (size_t i = 0; i < way->n_relays; i++)
        if (relays->relays[way->relays[i]].rests_until > 0)
            return true;
    return false;
}

bool split_rests(const RelaySet *relays, const RouteRules *rules, const HeldMessage *m)
{
    const Split *split = split_of(m);

    if (!split)
        return any_rests(relays, route_rules_way(rules, ROUTES_BY_DEFAULT));
    for (size_t i = 0; i < split->n_parts; i++)
        if (!split->parts[i].done && any_rests(relays, route_rules_way(rules, split->parts[i].way)))
            return true;
    return false;
}

const Relay *split_waits_for(const RelaySet *relays, const RouteRules *rules, const HeldMessage *m)
{
    const Split *split = split_of(m);
    const Relay *found = NULL;

    if (!split)
        return sooner(relays, route_rules_way(rules, ROUTES_BY_DEFAULT), m->unfit_for, NULL);
    for (size_t i = 0; i < split->n_parts; i++)
        if (!split->parts[i].done)
            found = sooner(relays, route_rules_way(rules, split->parts[i].way),
                split->parts[i].unfit_for, found);
    return found;
}
