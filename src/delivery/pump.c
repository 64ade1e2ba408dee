/* Who gets work, and when: fills idle connections, opens more, lets go of those not needed, and
 * sets the timers. Must be cheap when there is nothing to do, and never wake an idle process. */
#include <errno.h>

#include "delivery/engine_internal.h"

/* How long claiming pauses after a failure of our own, such as a full disk. */
#define TROUBLE_PAUSE (5 * USEC_PER_SEC)

/* Broken messages put aside in one go: each costs a write to the disk. */
#define DEFECTS_MAX 16

void engine_report_problem(Engine *engine, const char *id, const Failure *failure)
{
    const ProblemReport report = {.id = id, .failure = failure};

    if (engine->context.observer->problem)
        engine->context.observer->problem(engine->context.user, &report);
}

static void report_change(Engine *engine, const char *id, MessageChange change, const Failure *f)
{
    const MessageReport report = {
        .id = id,
        .change = change,
        .error = f->number,
        .text = f->text,
    };

    if (engine->context.observer->message)
        engine->context.observer->message(engine->context.user, &report);
}

/* After a failure of our own nothing is claimed for a while. */
static void pause_for_trouble(Engine *engine, const Failure *f)
{
    engine->trouble_until = usec_add(engine_now(engine, CLOCK_MONOTONIC), TROUBLE_PAUSE);
    engine_report_problem(engine, NULL, f);
    engine_wake(engine);
}

SourceMessage *engine_take(Engine *engine)
{
    usec_t now = engine_now_real(engine);

    if (engine->stopping || engine->trouble_until > engine_now(engine, CLOCK_MONOTONIC))
        return NULL;
    for (unsigned defects = 0; defects < DEFECTS_MAX; defects++) {
        _cleanup_failure_ Failure f = {0};
        char id[SOURCE_ID_MAX];
        SourceMessage *message;
        int r = engine->source->ops->next(engine->source, now, &message, id, &f);

        switch (r) {
        case SOURCE_CLAIMED: engine->statistics.in_flight++; return message;
        case SOURCE_NONE: return NULL;
        case SOURCE_RECOVERED: report_change(engine, id, MESSAGE_RECOVERED, &f); break;
        case SOURCE_DEFECT:
            engine->statistics.failed++;
            report_change(engine, id, MESSAGE_FAILED, &f);
            break;
        default: pause_for_trouble(engine, &f); return NULL;
        }
    }
    engine_wake(engine);
    return NULL;
}

/* Reads on in the store until a message is known, a step a round: a connection is opened for a
 * message, never to find out whether there is one. */
static void look(Engine *engine, usec_t now_real)
{
    _cleanup_failure_ Failure f = {0};
    char id[SOURCE_ID_MAX];
    int r;

    if (engine->source->ops->has_candidates(engine->source, now_real) ||
        !engine->source->ops->is_unread(engine->source, now_real))
        return;
    r = engine->source->ops->look(engine->source, now_real, id, &f);
    if (r < 0) {
        pause_for_trouble(engine, &f);
        return;
    }
    if (r == SOURCE_RECOVERED)
        report_change(engine, id, MESSAGE_RECOVERED, &f);
    engine_wake(engine);
}

/* Keeps a delivery whose record cannot be written, for retry_stuck(). */
static void keep_stuck(Engine *engine, Delivery *delivery)
{
    Delivery **stuck = realloc(engine->stuck, (engine->n_stuck + 1) * sizeof(*stuck));

    engine->trouble_until = usec_add(engine_now(engine, CLOCK_MONOTONIC), TROUBLE_PAUSE);
    engine_wake(engine);
    if (!stuck)
        return; /* it stays `.sending` and locked until this process ends: nothing is sent twice */
    stuck[engine->n_stuck++] = delivery;
    engine->stuck = stuck;
}

void engine_end_delivery(Engine *engine, Delivery *delivery)
{
    if (delivery_end(delivery, &engine->context, &engine->statistics, engine_now_real(engine)) == 0)
        engine->statistics.in_flight--;
    else
        keep_stuck(engine, delivery);
}

void engine_return_delivery(Engine *engine, Delivery *delivery)
{
    if (delivery_return(delivery, &engine->context, engine_now_real(engine)) == 0)
        engine->statistics.in_flight--;
    else
        keep_stuck(engine, delivery);
}

/* Tries once more to write the records of the attempts that wait for that. */
static void retry_stuck(Engine *engine)
{
    Delivery **stuck = TAKE_PTR(engine->stuck);
    size_t n = engine->n_stuck;

    engine->n_stuck = 0;
    for (size_t i = 0; i < n; i++)
        engine_end_delivery(engine, stuck[i]);
    free(stuck);
}

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
static bool fill_link(Engine *engine, Link *link, usec_t now_real)
{
    unsigned before = link->n_deliveries;

    if (!link_has_room(link))
        return false;
    if (!engine->source->ops->has_candidates(engine->source, now_real))
        return true;
    link_fill(link);
    if (link->n_deliveries > before)
        connection_source_kick(link->source);
    return link_has_room(link);
}

/* Gives work to connections that have room, those of preferred relays first. Returns whether one
 * still has room. */
static bool fill_links(Engine *engine, usec_t now_real)
{
    bool room = false;

    for (size_t i = 0; i < engine->relays->n_relays; i++)
        for (Link *link = engine->links; link; link = link->next)
            if (link->relay == &engine->relays->relays[i] && fill_link(engine, link, now_real))
                room = true;
    return room;
}

/* A relay that was at fault is tried again beside the less preferred one that carries the mail
 * meanwhile. */
static void probe_preferred(Engine *engine, usec_t now, usec_t now_real)
{
    Relay *relay = relay_set_choose(engine->relays, now);

    if (relay && relay->held && relay->connections == 0 &&
        engine->source->ops->has_candidates(engine->source, now_real))
        (void)link_open(engine, relay); /* tried again with the next message */
}

/* One connection for the first message, and more as long as more wait than those that are being
 * opened can take. */
static void open_links(Engine *engine, usec_t now, usec_t now_real)
{
    while (engine->source->ops->has_candidates(engine->source, now_real)) {
        size_t waiting = MAX(engine->source->ops->waiting(engine->source), (size_t)1);
        Relay *relay;

        if ((size_t)count_connecting(engine) * LINK_DELIVERIES_MAX >= waiting)
            return;
        relay = relay_set_choose(engine->relays, now);
        if (!relay)
            return;
        if (link_open(engine, relay) < 0) {
            engine->trouble_until = usec_add(now, TROUBLE_PAUSE);
            return;
        }
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
    usec_t next = relay_set_next(engine->relays, now);

    if (!engine->source->ops->has_candidates(engine->source, engine_now_real(engine)))
        next = USEC_NEVER; /* a held relay is not tried for its own sake */
    if (engine->trouble_until > now)
        next = MIN(next, engine->trouble_until);
    if (engine->stopping && engine->stop_deadline > now)
        next = MIN(next, engine->stop_deadline);
    for (const Link *link = engine->links; link; link = link->next)
        if (link->ready && link->n_deliveries == 0)
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

static bool is_idle(const Engine *engine, usec_t now)
{
    usec_t now_real = engine_now_real(engine);

    /* Past the deadline of a stop nobody waits for what cannot be written down: those files stay
     * `.sending` and are taken up by the next process. */
    if (engine->stopping)
        return engine->statistics.in_flight == 0 || now >= engine->stop_deadline;
    return engine->statistics.in_flight == 0 &&
           !engine->source->ops->has_candidates(engine->source, now_real) &&
           !engine->source->ops->is_unread(engine->source, now_real);
}

static void report_idle(Engine *engine, usec_t now)
{
    bool idle = is_idle(engine, now);

    if (idle && !engine->idle_reported && engine->context.observer->idle)
        engine->context.observer->idle(engine->context.user);
    engine->idle_reported = idle;
}

/* Past the deadline of a stop: what is still under way goes back to the queue. */
static void cut_off(Engine *engine)
{
    for (Link *link = engine->links; link; link = link->next)
        if (!link->closed) {
            link->closed = true;
            link->relay->connections--;
        }
    bury_closed(engine);
}

void engine_pump(Engine *engine)
{
    usec_t now = engine_now(engine, CLOCK_MONOTONIC), now_real = engine_now_real(engine);

    bury_closed(engine);
    if (engine->n_stuck > 0 && engine->trouble_until <= now)
        retry_stuck(engine);
    if (engine->stopping && now >= engine->stop_deadline)
        cut_off(engine);
    if (!engine->stopping && engine->trouble_until <= now) {
        look(engine, now_real);
        probe_preferred(engine, now, now_real);
        if (!fill_links(engine, now_real))
            open_links(engine, now, now_real);
    }
    rest_links(engine, now);
    if (engine->statistics.in_flight == 0)
        engine->source->ops->rest(engine->source);
    set_timers(engine, now);
    report_idle(engine, now);
}
