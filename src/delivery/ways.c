/* What waits for a rule's relays outside of the engine. Must never remember more than so many. */
#include "delivery/ways.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "delivery/active.h"
#include "delivery/split.h"
#include "delivery/view.h"

#define PARKED_MAX 65536 /* of all ways: others sleep, and come up by themselves */
#define BRING_BELOW 8    /* held of a way: more are wanted */
#define BRING_MAX 16
#define LOOK_EVERY (USEC_PER_SEC / 10)
#define FULL_MAX 256 /* of a way and lane, at a look */
#define AWAY_LONG USEC_PER_MINUTE
#define TOLD_MAX 1024
#define TAKEN_MAX 32 /* in one go */
#define AHEAD 8      /* held for a relay beyond what it could use now */

typedef struct Parked {
    struct Parked *next;
    usec_t until; /* it sleeps until then, and comes up by itself */
    bool deferred, full;
    char id[];
} Parked;

struct WayWaits {
    Parked *first, **end;
    size_t n_full; /* of them, for want of room */
};

struct Ways {
    HashKey key;
    size_t n_parked, n_waits;
    usec_t looked;           /* for those that nobody waits for */
    size_t n_lanes;          /* those of a way stand together, a list each */
    uint64_t told[TOLD_MAX]; /* ids, by their keyed hash */
    struct WayWaits waits[];
};

static size_t place_of(const Engine *engine, size_t way, unsigned lane)
{
    return way * engine->ways->n_lanes + MIN((size_t)lane, engine->ways->n_lanes - 1);
}

static void forget(struct Ways *ways, struct WayWaits *waits, Parked **at)
{
    Parked *parked = *at;

    *at = parked->next;
    if (!*at)
        waits->end = at;
    waits->n_full -= parked->full;
    ways->n_parked--;
    free(parked);
}

/* They stand in the order of their times. */
static void forget_awake(Engine *engine, size_t place)
{
    struct WayWaits *waits = &engine->ways->waits[place];
    const usec_t now = engine_now(engine);

    while (waits->first && waits->first->until <= now)
        forget(engine->ways, waits, &waits->first);
}

static void bring_this(Engine *engine, size_t place, Parked **at)
{
    engine->source->ops->bring(engine->source, (*at)->id, (*at)->deferred);
    forget(engine->ways, &engine->ways->waits[place], at);
}

static bool bring_one(Engine *engine, size_t place)
{
    struct WayWaits *waits = &engine->ways->waits[place];

    forget_awake(engine, place);
    if (!waits->first)
        return false;
    bring_this(engine, place, &waits->first);
    return true;
}

int ways_new(const Config *config, struct Ways **ret)
{
    size_t n_lanes = config->n_lanes + 1;
    size_t n = config->rules ? route_rules_ways(config->rules) * n_lanes : 0;
    struct Ways *ways;

    if (n == 0)
        return 0;
    ways = calloc(1, sizeof(*ways) + n * sizeof(struct WayWaits));
    if (!ways)
        return -ENOMEM;
    ways->n_waits = n;
    ways->n_lanes = n_lanes;
    hash_key_init(&ways->key);
    *ret = ways;
    return 0;
}

void ways_use(Engine *engine, struct Ways *ways)
{
    for (size_t i = 0; engine->ways && i < engine->ways->n_waits; i++)
        while (bring_one(engine, i))
            continue;
    free(engine->ways);
    engine->ways = ways;
}

void ways_free(struct Ways *ways)
{
    for (size_t i = 0; ways && i < ways->n_waits; i++)
        for (Parked *next, *at = ways->waits[i].first; at; at = next) {
            next = at->next;
            free(at);
        }
    free(ways);
}

static size_t count_list(const Lane *list, size_t way, unsigned lane)
{
    const HeldMessage *m = list->first;
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++, m = m->next)
        n += m->lane == lane && split_way_number(m) == way;
    return n;
}

static size_t count_held(const Engine *engine, size_t way, unsigned lane)
{
    return count_list(&engine->elsewhere, way, lane) +
           (way == ROUTES_BY_DEFAULT ? count_list(&engine->lane, way, lane) : 0);
}

bool ways_has_room(const Engine *engine, const HeldMessage *m)
{
    size_t room = PLAN_ELSEWHERE_MAX - MIN(engine->elsewhere.n, (size_t)PLAN_ELSEWHERE_MAX);
    size_t held = room > 0 ? count_held(engine, split_way_number(m), m->lane) : 0;

    return room > 0 && (held == 0 || held < room / 2);
}

static bool is_full(Engine *engine)
{
    for (size_t i = 0; engine->ways->n_parked >= PARKED_MAX && i < engine->ways->n_waits; i++)
        forget_awake(engine, i);
    return engine->ways->n_parked >= PARKED_MAX;
}

bool ways_park(Engine *engine, const HeldMessage *m, bool full)
{
    struct WayWaits *waits = &engine->ways->waits[place_of(engine, split_way_number(m), m->lane)];
    size_t n = strlen(m->id) + 1;
    Parked *parked = is_full(engine) ? NULL : malloc(sizeof(Parked) + n);

    if (!parked)
        return false;
    *parked = (Parked){
        .until = usec_add(engine_now(engine), WAYS_PAUSE), .deferred = m->deferred, .full = full};
    memcpy(parked->id, m->id, n);
    if (!waits->first)
        waits->end = &waits->first;
    *waits->end = parked;
    waits->end = &parked->next;
    waits->n_full += full;
    engine->ways->n_parked++;
    return true;
}

/* Those that had no room are to wait for a relay, and another process may have one. */
static bool bring_full(Engine *engine, size_t place)
{
    struct WayWaits *waits = &engine->ways->waits[place];
    Parked **at = &waits->first;
    size_t n = 0;

    if (waits->n_full == 0)
        return false;
    forget_awake(engine, place);
    while (*at && n < FULL_MAX)
        if ((*at)->full) {
            bring_this(engine, place, at);
            n++;
        } else {
            at = &(*at)->next;
        }
    return n > 0;
}

/* Each lane by itself: what waits in one has nothing to do with another's. Whether any was brought.
 */
static bool bring_below(Engine *engine, size_t way, size_t below)
{
    bool any = false;

    for (unsigned lane = 0; lane < engine->ways->n_lanes; lane++) {
        size_t place = place_of(engine, way, lane);

        if (!engine->ways->waits[place].first || count_held(engine, way, lane) >= below)
            continue;
        for (unsigned n = 0; n < BRING_MAX && bring_one(engine, place); n++)
            any = true;
    }
    if (any)
        engine_wake(engine);
    return any;
}

void ways_bring(Engine *engine, size_t way)
{
    (void)bring_below(engine, way, BRING_BELOW);
}

static bool is_usable(const Engine *engine, size_t way)
{
    return split_usable(engine->relays, route_rules_way(engine->config->rules, way)) != 0;
}

/* Their own turn comes sooner otherwise. */
static bool is_away_for_long(const Engine *engine, size_t way, usec_t now)
{
    const RouteWay *relays = route_rules_way(engine->config->rules, way);

    for (size_t i = 0; i < relays->n_relays; i++)
        if (split_away_until(&engine->relays->relays[relays->relays[i]]) < usec_add(now, AWAY_LONG))
            return false;
    return true;
}

static bool bring_full_of(Engine *engine, size_t way)
{
    bool any = false;

    for (unsigned lane = 0; lane < engine->ways->n_lanes; lane++)
        any |= bring_full(engine, place_of(engine, way, lane));
    return any;
}

static bool has_place(const Engine *engine, size_t way)
{
    return way == ROUTES_BY_DEFAULT ? engine->lane.n < LANE_MAX
                                    : engine->elsewhere.n < PLAN_ELSEWHERE_MAX;
}

/* Of a way of which nothing is held no message makes room for the next: others may have taken all
 * that was brought. Nor does any say that there is no relay for the others. */
static bool look_at_way(Engine *engine, size_t way, usec_t now)
{
    if (is_usable(engine, way))
        return has_place(engine, way) && bring_below(engine, way, 1);
    return is_away_for_long(engine, way, now) && bring_full_of(engine, way);
}

static usec_t look_at_parked(Engine *engine, usec_t now)
{
    struct Ways *ways = engine->ways;
    bool any = false;

    if (ways->n_parked == 0 || !engine_is_taking(engine))
        return USEC_NEVER;
    if (now < usec_add(ways->looked, LOOK_EVERY))
        return usec_add(ways->looked, LOOK_EVERY);
    ways->looked = now;
    for (size_t way = 0; way < ways->n_waits / ways->n_lanes; way++)
        any |= look_at_way(engine, way, now);
    return any ? usec_add(now, LOOK_EVERY) : USEC_NEVER;
}

usec_t ways_tick(Engine *engine, const PlanView *view, usec_t now)
{
    usec_t next = USEC_NEVER;

    if (!engine->ways)
        return next;
    if (view_waiting(engine) > 0) /* the plan knows of none that is not held */
        for (size_t i = 0; i < view->n_relays; i++)
            next = MIN(next, plan_room_from(view, i, now));
    return MIN(next, look_at_parked(engine, now));
}

usec_t ways_until(const Engine *engine, const Relay *held)
{
    const usec_t now = engine_now(engine);
    usec_t until = MAX(split_away_until(held), usec_add(now, USEC_PER_SEC));

    return engine_to_real(engine, MIN(until, usec_add(now, WAYS_PAUSE)));
}

bool ways_tells(Engine *engine, const char *id)
{
    uint64_t hash = hash_bytes(&engine->ways->key, id, strlen(id));
    uint64_t *place = &engine->ways->told[hash % TOLD_MAX];
    bool news = *place != hash;

    *place = hash;
    return news;
}

/* ---- taking ---- */

/* The first of these relays that wants a message gets one less. */
static void count_down(size_t *rooms, uint64_t relays)
{
    for (; relays; relays &= relays - 1) {
        size_t relay = (size_t)__builtin_ctzll(relays);

        if (rooms[relay] > 0) {
            rooms[relay]--;
            return;
        }
    }
}

static void find_rooms(const Engine *engine, const PlanView *view, usec_t now, size_t *rooms)
{
    const RouteRules *rules = engine->config->rules;
    const HeldMessage *m = engine->elsewhere.first;

    for (size_t i = 0; i < view->n_relays; i++) {
        rooms[i] = plan_room(view, i, now);
        rooms[i] += rooms[i] > 0 ? AHEAD : 0;
    }
    for (size_t i = 0; i < engine->elsewhere.n; i++, m = m->next)
        count_down(rooms, split_relays(engine->relays, rules, m));
    m = engine->lane.first;
    for (size_t i = 0; i < engine->lane.n; i++, m = m->next)
        count_down(rooms, split_relays(engine->relays, rules, m));
}

static bool any_room(const size_t *rooms, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rooms[i] > 0)
            return true;
    return false;
}

void ways_take(Engine *engine, const PlanView *view, usec_t now)
{
    size_t rooms[ROUTES_RELAYS_MAX] = {0};

    find_rooms(engine, view, now, rooms);
    for (unsigned n = 0; n < TAKEN_MAX; n++) {
        HeldMessage *m = any_room(rooms, view->n_relays) ? engine_take(engine) : NULL;

        if (!m)
            return;
        count_down(rooms, split_relays(engine->relays, engine->config->rules, m));
        engine_keep(engine, m);
    }
    engine_wake(engine);
}
