/* What the plan is made from: the engine's connections and relays as plain values. Must never
 * change anything but what time changes by itself. */
#include "delivery/view.h"

#include "delivery/lanes.h"
#include "delivery/restrain.h"
#include "delivery/split.h"

#define ACTIONS_MAX 64 /* that are looked at */

/* A relay that is being tried gets one message at a time. One behind it would go back with it: a
 * message that the relay stumbles over, due again with every try, would always be the first. */
static unsigned depth_of(const Link *link)
{
    return link->relay->state == RELAY_STATE_PROBING ? 1 : PLAN_DEPTH_MAX;
}

bool view_can_submit(const Link *link)
{
    return link->ready && restrain_has_room(link->engine, link->relay) &&
           link->n_attempts < depth_of(link) &&
           smtp_session_can_submit(connection_session(link->connection));
}

/* The lesser of two limits, of which 0 is none. */
static unsigned lesser(unsigned a, unsigned b)
{
    return a == 0 || (b > 0 && b < a) ? b : a;
}

static const SmtpCapabilities *capabilities(const Link *link)
{
    return smtp_session_capabilities(connection_session(link->connection));
}

bool view_has_no_transaction_left(const Link *link)
{
    unsigned max = link->ready ? capabilities(link)->limit_mail : 0;

    return max > 0 && link->transactions >= max;
}

bool view_is_used_up(const Link *link)
{
    unsigned max = link->relay->config->messages_per_connection;

    return view_has_no_transaction_left(link) || (max > 0 && link->taken >= max);
}

unsigned view_recipients_max(const Link *link)
{
    unsigned max =
        lesser(link->relay->config->recipients_per_transaction, link->relay->recipients_max);

    return lesser(max, capabilities(link)->limit_rcpt);
}

static PlanLink view_of(const Engine *engine, const Link *link)
{
    bool current = link->set == engine->relays;

    return (PlanLink){
        .relay = current ? relay_place(engine->relays, link->relay) : SIZE_MAX,
        .ready = link->ready,
        .logging_in = !link->ready && connection_stage(link->connection) == STAGE_AUTH,
        .quitting = link->quitting || link->closed,
        .can_submit = view_can_submit(link),
        .used_up = link->doubted || link->spare || view_is_used_up(link),
        .carries = link->n_attempts,
        .since = link->since,
        .idle_timeout = link->relay->config->idle_timeout,
    };
}

/* How many connections a relay may have: one to find out, when it was at fault. */
static unsigned limit_of(const Engine *engine, const Relay *relay)
{
    unsigned max = share_of(&engine->share, relay->config->connections);

    switch (relay->state) {
    case RELAY_STATE_HELD: return 0;
    case RELAY_STATE_PROBING: return 1;
    case RELAY_STATE_LIMITED: return MIN(relay->limit, max);
    default: return max;
    }
}

/* What rules say of the relays. */
static void view_rules(Engine *engine)
{
    const RouteRules *rules = engine->config->rules;
    uint64_t wanted = 0, by_default;

    if (!rules)
        return;
    by_default = route_rules_way(rules, ROUTES_BY_DEFAULT)->mask;
    for (size_t way = 0; way < route_rules_ways(rules); way++)
        wanted |= split_usable(engine->relays, route_rules_way(rules, way));
    for (size_t i = 0; i < engine->relays->n_relays; i++) {
        engine->plan_relays[i].by_rule = !(by_default >> i & 1);
        engine->plan_relays[i].unwanted = !(wanted >> i & 1);
    }
}

static void view_relays(Engine *engine, usec_t now)
{
    for (size_t i = 0; i < engine->relays->n_relays; i++) {
        Relay *relay = &engine->relays->relays[i];

        relay_tick(relay, now);
        engine->plan_relays[i] = (PlanRelay){
            .state = relay->state,
            .until = relay->until,
            .limit = limit_of(engine, relay),
            .unproven = relay_is_unproven(relay),
        };
        restrain_view(engine, relay, &engine->plan_relays[i]);
        relay->rests_until = plan_rests(&engine->plan_relays[i], now);
    }
    view_rules(engine);
}

static size_t view_elsewhere(Engine *engine)
{
    const HeldMessage *message = engine->elsewhere.first;
    size_t n = engine->elsewhere.n;

    for (size_t i = 0; i < n; i++, message = message->next)
        engine->plan_elsewhere[i] = ~split_relays(engine->relays, engine->config->rules, message);
    return n;
}

/* `waiting` is left to the caller. */
PlanView view_engine(Engine *engine, usec_t now)
{
    size_t n = 0;

    view_relays(engine, now);
    for (const Link *link = engine->links; link; link = link->next) {
        PlanLink *view = &engine->plan_links[n++];

        *view = view_of(engine, link);
        if (view->relay != SIZE_MAX && !link->closed)
            engine->plan_relays[view->relay].connections++;
    }
    return (PlanView){
        .links = engine->plan_links,
        .n_links = n,
        .relays = engine->plan_relays,
        .n_relays = engine->relays->n_relays,
        .elsewhere = engine->plan_elsewhere,
        .n_elsewhere = view_elsewhere(engine),
        .rules = engine->config->rules,
        .openable = engine->links_max > n ? engine->links_max - n : 0,
        .paused_until = engine->paused_until,
        .stopping = engine->stopping,
        .stop_deadline = engine->stop_deadline,
    };
}

size_t view_waiting(const Engine *engine)
{
    SourceFigures figures;

    engine->source->ops->figures(engine->source, &figures);
    if (engine->lanes && engine->source->ops->lanes)
        figures.waiting = MIN(lanes_room(engine), figures.waiting);
    return engine->lane.n + MAX(figures.waiting, (size_t)figures.unread);
}

size_t view_ordinary(const Engine *engine)
{
    return engine->config->rules ? engine->lane.n : view_waiting(engine);
}

/* ---- acting ---- */

Link *view_link_at(const Engine *engine, size_t index)
{
    Link *link = engine->links;

    for (; index > 0; index--)
        link = link->next;
    return link;
}

/* What the plan has this connection do; what it says of others is the pump's. */
static bool plan_fills(Engine *engine, const Link *link, usec_t now)
{
    PlanAction actions[ACTIONS_MAX];
    PlanView view = view_engine(engine, now);
    bool wanted = false;
    size_t n;

    view.waiting = view_ordinary(engine);
    n = plan(&view, now, actions, ACTIONS_MAX, &engine->plan_rest);
    for (size_t i = 0; i < n; i++) {
        bool this = actions[i].kind == PLAN_FILL && view_link_at(engine, actions[i].index) == link;

        wanted = wanted || this;
        if (!this && actions[i].kind != PLAN_QUIT)
            engine_wake(engine);
    }
    return wanted;
}

/* In a long queue every message would cost a plan otherwise. */
static bool takes_of_rest(Engine *engine, const Link *link, usec_t now)
{
    PlanLink view;

    if (engine->plan_rest.left == 0 || engine->stopping || engine->paused_until > now)
        return false;
    view = view_of(engine, link);
    if (view.relay != SIZE_MAX && engine->plan_relays[view.relay].by_rule)
        return false;
    if (!plan_takes_of_rest(&engine->plan_rest, &view, now))
        return false;
    engine->plan_rest.left--;
    return true;
}

void view_forget_rest(Engine *engine)
{
    engine->plan_rest = (PlanRest){0};
}

bool view_wants_filled(Engine *engine, const Link *link)
{
    usec_t now = engine_now(engine);

    return view_can_submit(link) && (takes_of_rest(engine, link, now) ||
                                        ((engine->elsewhere.n > 0 || view_waiting(engine) > 0) &&
                                            plan_fills(engine, link, now)));
}
