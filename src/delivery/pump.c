/* Acts on the plan: fills connections, opens more, lets go of those not needed, and sets the timer.
 * Must be cheap when there is nothing to do, and never wake an idle process. */
#include "delivery/pump.h"

#include "delivery/active.h"
#include "delivery/fleet.h"
#include "delivery/health.h"
#include "delivery/lanes.h"
#include "delivery/link.h"
#include "delivery/link_tell.h"
#include "delivery/restrain.h"
#include "delivery/view.h"
#include "delivery/ways.h"

#define ACTIONS_MAX 64 /* a round */

static void bury_closed(Engine *engine)
{
    for (Link **at = &engine->links; *at;) {
        Link *link = *at;

        if (!link->closed) {
            at = &link->next;
            continue;
        }
        *at = link->next;
        engine->n_links--;
        link_free(link);
    }
}

/* Takes as many messages as can be put to use, and says how many wait: those that are held, and
 * what the source knows beside them. */
static size_t take_messages(Engine *engine, const PlanView *view, usec_t now)
{
    size_t demand = plan_demand(view, now);

    if (demand == 0 && restrain_all_wait(engine, view, now))
        engine_empty_lane(engine);
    if (engine->config->rules) {
        ways_take(engine, view, now);
        return engine->lane.n;
    }
    return engine_fill_lane(engine, demand) ? view_waiting(engine) : engine->lane.n;
}

static void fill(Link *link)
{
    unsigned before = link->n_attempts;

    link_fill(link);
    if (link->n_attempts > before)
        connection_source_kick(link->source);
}

/* Connections that are opened go to the front of the list that the plan counts in: they come last.
 */
static void act(Engine *engine, const PlanAction *actions, size_t n)
{
    Link *links[ACTIONS_MAX];

    for (size_t i = 0; i < n; i++)
        links[i] = actions[i].kind == PLAN_OPEN ? NULL : view_link_at(engine, actions[i].index);
    for (size_t i = 0; i < n; i++) {
        if (actions[i].kind == PLAN_FILL && view_can_submit(links[i]) && !links[i]->closed)
            fill(links[i]);
        else if (actions[i].kind == PLAN_QUIT && !links[i]->closed)
            link_quit(links[i]);
    }
    for (size_t i = 0; i < n; i++) {
        int r = actions[i].kind != PLAN_OPEN
                    ? 0
                    : link_open(engine, &engine->relays->relays[actions[i].index]);

        if (r < 0)
            engine_trouble(engine, r);
    }
    if (n == ACTIONS_MAX)
        engine_wake(engine);
}

/* What the plan sees with time alone is told here: no event comes of a relay that says nothing. */
static void report_silent(Engine *engine, const PlanView *view, usec_t now)
{
    for (Link *link = engine->links; link; link = link->next)
        if (link->set == engine->relays && !link->ready &&
            now >= usec_add(link->since, PLAN_SILENT) &&
            plan_is_silent(view, (size_t)(link->relay - engine->relays->relays), now) &&
            relay_silent(link->relay))
            link_tell_silent(link);
}

/* ---- the rounds ---- */

/* Sets the timer, later times excepted: one that fires early costs a look, one set for every
 * message costs a system call each. */
static void arm(Engine *engine, usec_t when, usec_t now)
{
    if (when == USEC_NEVER || (engine->timer_at > now && engine->timer_at <= when))
        return;
    engine->timer_at = when;
    (void)sd_event_source_set_time(engine->timer, when);
    (void)sd_event_source_set_enabled(engine->timer, SD_EVENT_ONESHOT);
}

static bool is_idle(const Engine *engine)
{
    if (engine->statistics.in_flight > 0)
        return false;
    if (engine->lanes && !engine->stopping && lanes_waiting(engine) > 0)
        return false;
    return engine->stopping || view_waiting(engine) == 0;
}

static void report_idle(Engine *engine)
{
    bool idle = is_idle(engine);

    if (idle && !engine->idle_reported && engine->context.observer->idle)
        engine->context.observer->idle(engine->context.user);
    engine->idle_reported = idle;
}

static void report_health(Engine *engine)
{
    uint64_t health = engine_health(engine);

    if (health != engine->health_reported && engine->context.observer->health)
        engine->context.observer->health(engine->context.user);
    engine->health_reported = health;
}

/* Past the deadline of a stop: what is still under way goes back to the queue, and what cannot be
 * written down is let go. */
static void cut_off(Engine *engine)
{
    for (Link *link = engine->links; link; link = link->next)
        link_close(link);
    bury_closed(engine);
    engine_retry_all_stuck(engine);
    engine_abandon_unsettled(engine);
}

/* Messages that are held and not sent any more go back, and what is stuck is tried again. */
static void settle(Engine *engine, usec_t now)
{
    bury_closed(engine);
    if (engine->stopping)
        engine_empty_lane(engine);
    engine_recall_elsewhere(engine, false);
    engine_recall_quiet(engine);
    if (engine->stuck && engine->stuck_until <= now)
        engine_retry_stuck(engine);
    if (engine->stopping && now >= engine->stop_deadline)
        cut_off(engine);
}

void engine_pump(Engine *engine)
{
    usec_t now = engine_now(engine), next;
    PlanAction actions[ACTIONS_MAX];
    PlanView view;
    size_t n;

    fleet_look(engine);
    settle(engine, now);
    view = view_engine(engine, now);
    view.waiting = take_messages(engine, &view, now);
    view.paused_until = engine->paused_until; /* taking may have met with trouble */
    n = plan(&view, now, actions, ACTIONS_MAX, &engine->plan_rest);
    next = engine->plan_rest.next;
    report_silent(engine, &view, now);
    next = MIN(next, restrain_tick(engine, &view, now));
    next = MIN(next, lanes_tick(engine, now));
    next = MIN(next, ways_tick(engine, &view, now));
    act(engine, actions, n);
    engine_give_up_waiting(engine);
    if (engine->stuck)
        next = MIN(next, MAX(engine->stuck_until, now + 1));
    if (engine->statistics.in_flight == 0)
        engine->source->ops->rest(engine->source);
    arm(engine, next, now);
    report_health(engine);
    report_idle(engine);
}
