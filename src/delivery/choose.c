/* Which message a connection gets: one that is held already, or the next of the source. Must never
 * take more than can be put to use. */
#include <limits.h>

#include "delivery/active.h"
#include "delivery/held.h"
#include "delivery/lanes.h"
#include "delivery/split.h"
#include "delivery/ways.h"

/* So many more are taken than there is room for, to find one that a relay is to be tried with. */
#define SPARES_MAX 4

/* So many are taken in one go that go elsewhere, or wait. */
#define TRIES_MAX 32

/* How often the relay has stumbled over the message. */
static unsigned count_met(const Engine *engine, const HeldMessage *message, const Relay *relay)
{
    const Suspect *suspect =
        suspects_find(&engine->suspects, message->id, relay_place(engine->relays, relay));

    return suspect ? suspect->times : 0;
}

/* The message of the lane, which is not empty, that the relay has stumbled over least often; the
 * first of those. */
static HeldMessage **find_plainest(Engine *engine, const Relay *relay, unsigned *ret_met)
{
    HeldMessage **plainest = &engine->lane.first;
    unsigned fewest = UINT_MAX;

    for (HeldMessage **at = plainest; at != engine->lane.end && fewest > 0; at = &(*at)->next) {
        unsigned met = count_met(engine, *at, relay);

        if (met < fewest) {
            fewest = met;
            plainest = at;
        }
    }
    *ret_met = fewest;
    return plainest;
}

/* Whether a relay that is to be tried has none to be tried with but what it stumbled over. */
static bool needs_plain(Engine *engine)
{
    const RelaySet *set = engine->relays;
    unsigned met = 0;

    for (size_t i = 0; i < set->n_relays && met == 0 && engine->lane.n > 0; i++)
        if (set->relays[i].state == RELAY_STATE_PROBING)
            (void)find_plainest(engine, &set->relays[i], &met);
    return met > 0;
}

bool engine_fill_lane(Engine *engine, size_t n)
{
    Lane *lane = &engine->lane;

    while (lane->n < MIN(n, (size_t)LANE_MAX) ||
           (lane->n < MIN(n + SPARES_MAX, (size_t)LANE_MAX) && needs_plain(engine))) {
        HeldMessage *message = engine_take(engine);

        if (!message)
            return false;
        held_append(lane, message);
    }
    return true;
}

static bool may_take(Engine *engine, HeldMessage *message, size_t place)
{
    if (engine->config->rules)
        return split_turn_to(engine->relays, engine->config->rules, message, place);
    return place < PLAN_ELSEWHERE_RELAYS && !(message->unfit_for >> place & 1);
}

static bool is_by_rule(const Engine *engine, size_t place)
{
    const RouteRules *rules = engine->config->rules;

    return rules && !(route_rules_way(rules, ROUTES_BY_DEFAULT)->mask >> place & 1);
}

/* The first of those that another relay could not take, and that this one may. One that is being
 * tried gets none that it has stumbled over while there are others. */
static HeldMessage *next_elsewhere(Engine *engine, const Relay *relay)
{
    Lane *lane = &engine->elsewhere;
    size_t place = relay_place(engine->relays, relay);

    for (HeldMessage **at = &lane->first; lane->n > 0 && at != lane->end; at = &(*at)->next)
        if (may_take(engine, *at, place) &&
            (relay->state != RELAY_STATE_PROBING || engine->lane.n == 0 ||
                is_by_rule(engine, place) || count_met(engine, *at, relay) == 0))
            return held_remove(lane, at);
    return NULL;
}

/* One that comes from the source now, and may go there. */
static HeldMessage *take_for(Engine *engine, size_t place)
{
    for (unsigned n = 0; n < TRIES_MAX; n++) {
        HeldMessage *message = engine_take(engine);

        if (!message || split_turn_to(engine->relays, engine->config->rules, message, place))
            return message;
        engine_keep(engine, message);
    }
    engine_wake(engine);
    return NULL;
}

/* ---- by lanes ---- */

static bool goes_by(Engine *engine, HeldMessage *message, size_t place, bool elsewhere)
{
    return elsewhere ? may_take(engine, message, place) : !is_by_rule(engine, place);
}

/* The first of the lane that may go there; NULL in `at` and no list: there is none. */
static Lane *find_held(Engine *engine, size_t place, unsigned lane, HeldMessage ***ret_at)
{
    Lane *lists[] = {&engine->elsewhere, &engine->lane};

    for (size_t i = 0; i < ELEMENTSOF(lists); i++)
        for (HeldMessage **at = &lists[i]->first; lists[i]->n > 0 && at != lists[i]->end;
             at = &(*at)->next)
            if ((*at)->lane == lane && goes_by(engine, *at, place, i == 0)) {
                *ret_at = at;
                return lists[i];
            }
    return NULL;
}

static void count_held(Engine *engine, size_t place, PlanLane *lanes)
{
    const Lane *lists[] = {&engine->elsewhere, &engine->lane};

    for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
        HeldMessage *message = lists[i]->first;

        for (size_t n = lists[i]->n; n > 0; n--, message = message->next)
            lanes[message->lane].held += goes_by(engine, message, place, i == 0);
    }
}

static HeldMessage *take_held(Engine *engine, size_t place, unsigned lane)
{
    HeldMessage **at, *message;
    Lane *list = find_held(engine, place, lane, &at);

    if (!list)
        return NULL;
    message = held_remove(list, at);
    if (engine->config->rules)
        ways_bring(engine, message->routes ? split_way_number(message) : ROUTES_BY_DEFAULT);
    return message;
}

/* Whoever is first may stand in the source still, behind no message but those on their way. */
static HeldMessage *next_by_lane(Engine *engine, size_t place)
{
    PlanLane lanes[LANES_MAX];
    unsigned n = lanes_view(engine, lanes, lanes_passed(engine)), lane;

    count_held(engine, place, lanes);
    for (unsigned tries = 0; tries < TRIES_MAX && (lane = plan_lane(lanes, n)) < n; tries++) {
        bool held = lanes[lane].held > 0;
        HeldMessage *message = held ? take_held(engine, place, lane) : engine_take_of(engine, lane);

        if (message && !held && engine->config->rules &&
            !split_turn_to(engine->relays, engine->config->rules, message, place)) {
            engine_keep(engine, message);
            continue;
        }
        if (message) {
            plan_lane_turn(lanes, n, lane);
            lanes_note_turn(engine, lanes);
            return message;
        }
        lanes[lane].waiting = 0;
        lanes[lane].held = 0;
    }
    return engine->config->rules ? take_for(engine, place) : engine_take(engine);
}

HeldMessage *engine_next_message(Engine *engine, const Relay *relay)
{
    Lane *lane = &engine->lane;
    HeldMessage **at = &lane->first, *message;
    unsigned met;

    if (engine->lanes && relay && relay->state != RELAY_STATE_PROBING)
        return next_by_lane(engine, relay_place(engine->relays, relay));
    message = relay ? next_elsewhere(engine, relay) : NULL;
    if (message) {
        if (message->routes)
            ways_bring(engine, split_way_number(message));
        return message;
    }
    if (relay && engine->config->rules &&
        (lane->n == 0 || is_by_rule(engine, relay_place(engine->relays, relay))))
        return take_for(engine, relay_place(engine->relays, relay));
    if (lane->n == 0)
        return engine_take(engine);
    if (relay && relay->state == RELAY_STATE_PROBING)
        at = find_plainest(engine, relay, &met);
    message = held_remove(lane, at);
    if (engine->config->rules)
        ways_bring(engine, ROUTES_BY_DEFAULT);
    return message;
}
