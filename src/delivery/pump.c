/* Who gets work, and when: fills idle connections, opens more, lets go of those not needed, and
 * sets the timers. Must be cheap when there is nothing to do, and never wake an idle process. */
#include "delivery/engine_internal.h"

static void bury_closed(Engine *engine)
{
    for (Link **at = &engine->links; *at;) {
        Link *link = *at;

        if (!link->closed) {
            at = &link->next;
            continue;
        }
        *at = link->next;
        link_free(link);
    }
}

static unsigned count_connecting(const Engine *engine)
{
    unsigned n = 0;

    for (const Link *link = engine->links; link; link = link->next)
        n += !link->ready && !link->closed;
    return n;
}

/* Gives work to one connection. Returns whether it has room left. */
static bool fill_link(Engine *engine, Link *link)
{
    unsigned before = link->n_deliveries;

    if (!link_has_room(link))
        return false;
    if (!engine_has_candidates(engine))
        return true;
    link_fill(link);
    if (link->n_deliveries > before)
        connection_source_kick(link->source);
    return link_has_room(link);
}

/* Gives work to connections that have room, those of preferred relays first. Returns whether one
 * still has room. */
static bool fill_links(Engine *engine)
{
    bool room = false;

    for (size_t i = 0; i < engine->relays->n_relays; i++)
        for (Link *link = engine->links; link; link = link->next)
            if (link->relay == &engine->relays->relays[i] && fill_link(engine, link))
                room = true;
    return room;
}

static bool open_link(Engine *engine, Relay *relay)
{
    int r = link_open(engine, relay);

    if (r < 0)
        engine_trouble(engine, r);
    return r >= 0;
}

/* A relay that was at fault is tried again beside the less preferred one that carries the mail
 * meanwhile. */
static void probe_preferred(Engine *engine, usec_t now)
{
    Relay *relay = relay_set_choose(engine->relays, now);

    if (relay && relay->held && relay->connections == 0 && engine_has_candidates(engine))
        (void)open_link(engine, relay);
}

/* One connection for the first message, and more as long as more wait than those that are being
 * opened can take. */
static void open_links(Engine *engine, usec_t now)
{
    while (engine_is_claiming(engine) && engine_has_candidates(engine)) {
        size_t waiting = MAX(engine->source->ops->waiting(engine->source), (size_t)1);
        Relay *relay = relay_set_choose(engine->relays, now);

        if ((size_t)count_connecting(engine) * LINK_DELIVERIES_MAX >= waiting || !relay ||
            !open_link(engine, relay))
            return;
    }
}

static void rest_links(Engine *engine, usec_t now)
{
    for (Link *link = engine->links; link; link = link->next)
        link_rest(link, now);
}

/* Sets a timer, later times excepted: one that fires early costs a look, one set for every message
 * costs a system call each. */
static void arm(sd_event_source *source, usec_t *at, usec_t when, usec_t now)
{
    if (when == USEC_NEVER || (*at > now && *at <= when))
        return;
    *at = when;
    (void)sd_event_source_set_time(source, when);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static usec_t next_monotonic(const Engine *engine, usec_t now)
{
    usec_t next = USEC_NEVER;

    if (!engine->stopping &&
        engine_has_candidates(engine)) /* a relay is not tried for its own sake */
        next = relay_set_next(engine->relays, now);
    if (engine->trouble_until > now)
        next = MIN(next, engine->trouble_until);
    if (engine->stopping && engine->stop_deadline > now)
        next = MIN(next, engine->stop_deadline);
    for (const Link *link = engine->links; link; link = link->next)
        if (link->ready && !link->quitting && link->n_deliveries == 0)
            next = MIN(next, usec_add(link->idle_since, link->relay->config->idle_timeout));
    return next;
}

static void set_timers(Engine *engine, usec_t now)
{
    usec_t now_real = engine_now_real(engine), due = engine->source->ops->next_due(engine->source);

    arm(engine->timer, &engine->timer_at, next_monotonic(engine, now), now);
    if (due > now_real)
        arm(engine->due_timer, &engine->due_timer_at, due, now_real);
}

static bool is_idle(const Engine *engine)
{
    if (engine->statistics.in_flight > 0)
        return false;
    return engine->stopping ||
           (!engine_has_candidates(engine) &&
               !engine->source->ops->is_unread(engine->source, engine_now_real(engine)));
}

static void report_idle(Engine *engine)
{
    bool idle = is_idle(engine);

    if (idle && !engine->idle_reported && engine->context.observer->idle)
        engine->context.observer->idle(engine->context.user);
    engine->idle_reported = idle;
}

/* Past the deadline of a stop: what is still under way goes back to the queue, and what cannot be
 * written down is let go. */
static void cut_off(Engine *engine)
{
    for (Link *link = engine->links; link; link = link->next)
        link_close(link);
    bury_closed(engine);
    engine_retry_stuck(engine);
    engine_abandon_stuck(engine);
}

/* Claiming stops short of work in bounded steps: names that came to nothing, entries read that were
 * none. A connection that has room then, and one that nobody has asked for yet, want another round.
 */
static bool wants_round(const Engine *engine, bool room)
{
    bool unread = engine->source->ops->is_unread(engine->source, engine_now_real(engine));
    bool candidates = engine_has_candidates(engine);

    return engine_is_claiming(engine) && (room ? candidates || unread : !candidates && unread);
}

static void claim(Engine *engine, usec_t now)
{
    bool room;

    engine_look(engine);
    probe_preferred(engine, now);
    room = fill_links(engine);
    if (!room)
        open_links(engine, now);
    engine_give_up_waiting(engine, now);
    if (wants_round(engine, room))
        engine_wake(engine);
}

void engine_pump(Engine *engine)
{
    usec_t now = engine_now(engine, CLOCK_MONOTONIC);

    bury_closed(engine);
    if (engine->trouble_until <= now)
        engine_retry_stuck(engine);
    if (engine->stopping && now >= engine->stop_deadline)
        cut_off(engine);
    if (engine_is_claiming(engine))
        claim(engine, now);
    rest_links(engine, now);
    if (engine->statistics.in_flight == 0)
        engine->source->ops->rest(engine->source);
    set_timers(engine, now);
    report_idle(engine);
}
