/* One connection of the engine: turns its events into deliveries' progress, and keeps it filled.
 * Must never free itself: the pump does, outside of any callback of the connection. */
#include <errno.h>
#include <sys/random.h>

#include "delivery/engine_internal.h"

static void remove_delivery(Link *link, const Delivery *delivery)
{
    for (unsigned i = 0; i < link->n_deliveries; i++) {
        if (link->deliveries[i] != delivery)
            continue;
        for (link->n_deliveries--; i < link->n_deliveries; i++)
            link->deliveries[i] = link->deliveries[i + 1];
        return;
    }
}

bool link_has_room(const Link *link)
{
    const RelayConfig *config = link->relay->config;

    return link->ready && !link->quitting && !link->closed && link->set == link->engine->relays &&
           link->n_deliveries < LINK_DELIVERIES_MAX &&
           smtp_session_can_submit(connection_session(link->connection)) &&
           (config->messages_per_connection == 0 || link->taken < config->messages_per_connection);
}

static int submit(Link *link, Delivery *delivery)
{
    return delivery_submit(delivery, connection_session(link->connection),
        link->relay->config->recipients_per_transaction, engine_now(link->engine, CLOCK_MONOTONIC));
}

/* 0, or a negative errno after which the message has been given back. */
static int take_message(Link *link, SourceMessage *message)
{
    Engine *engine = link->engine;
    Delivery *delivery;
    int r;

    r = delivery_new(message, link->relay->config->name, link->connection, &delivery);
    if (r < 0) {
        engine_give_back(engine, message);
        return r;
    }
    r = submit(link, delivery);
    if (r < 0) {
        engine_end_delivery(engine, delivery);
        return r;
    }
    link->deliveries[link->n_deliveries++] = delivery;
    link->taken++;
    return 0;
}

void link_fill(Link *link)
{
    while (link_has_room(link)) {
        SourceMessage *message = engine_take(link->engine);
        int r;

        if (!message)
            return;
        r = take_message(link, message);
        if (r < 0)
            engine_trouble(link->engine, r);
    }
}

static int on_ready(Link *link)
{
    Engine *engine = link->engine;

    link->ready = true;
    link->idle_since = engine_now(engine, CLOCK_MONOTONIC);
    link_fill(link);
    engine_wake(engine);
    return 0;
}

/* Only what a relay says of a message shows that it works: one that takes connections may be at
 * fault all the same, and answer every MAIL with 421. */
static void on_served(Link *link)
{
    Engine *engine = link->engine;
    const RelayReport report = {
        .relay = link->relay->config->name,
        .address = connection_address(link->connection),
        .change = RELAY_RESUMED,
    };

    link->served = true;
    if (!relay_works(link->relay))
        return;
    if (engine->context.observer->relay)
        engine->context.observer->relay(engine->context.user, &report);
    engine_wake(engine); /* for more connections */
}

/* Cut off in the middle of a message: held against it, the oldest under way, and not the relay. */
static bool is_held_against_message(const DeliveryOutcome *outcome)
{
    return outcome->kind == DELIVERY_CUT_OFF && outcome->under_way && outcome->cause != CAUSE_REPLY;
}

static void on_recipient(Link *link, const SmtpEvent *event)
{
    const DeliveryOutcome *outcome = event->outcome;
    Delivery *delivery = delivery_of(event->transaction);
    DeliveryOutcome deferred = *outcome;
    SmtpEvent as_deferred = *event;
    bool stale = link->served;

    if (is_held_against_message(outcome) && (!link->blamed || link->blamed == delivery)) {
        link->blamed = delivery;
        deferred.kind = DELIVERY_DEFERRED;
        as_deferred.outcome = &deferred;
    }

    if (!link->served && outcome->kind != DELIVERY_CUT_OFF && outcome->code > 0 &&
        outcome->stage != STAGE_MESSAGE)
        on_served(link);
    delivery_note(
        delivery, &link->engine->context, &as_deferred, stale, engine_now_real(link->engine));
}

static int on_transaction_done(Link *link, const SmtpEvent *event)
{
    Engine *engine = link->engine;
    Delivery *delivery = delivery_of(event->transaction);
    SmtpSession *session = connection_session(link->connection);

    if (delivery_transaction_done(delivery, &engine->context, smtp_session_can_submit(session),
            engine_now_real(engine)) &&
        submit(link, delivery) >= 0)
        return 0;
    remove_delivery(link, delivery);
    engine_end_delivery(engine, delivery);
    link_fill(link);
    if (link->n_deliveries == 0) {
        link->idle_since = engine_now(engine, CLOCK_MONOTONIC);
        engine_wake(engine);
    }
    return 0;
}

static void report_hold(Link *link, const DeliveryOutcome *outcome)
{
    Engine *engine = link->engine;
    const RelayReport report = {
        .relay = link->relay->config->name,
        .address = connection_address(link->connection),
        .change = RELAY_HELD,
        .until = usec_add(
            engine_now_real(engine), link->relay->held_until - engine_now(engine, CLOCK_MONOTONIC)),
        .outcome = outcome,
        .hint = relay_hint(outcome),
    };

    if (engine->context.observer->relay)
        engine->context.observer->relay(engine->context.user, &report);
}

void link_close(Link *link)
{
    if (link->closed)
        return;
    link->closed = true;
    link->relay->connections--;
    engine_wake(link->engine);
}

/* A connection that never served is the relay's fault; one that did has merely ended, and the next
 * one shows how the relay is. */
static int on_closed(Link *link, const SmtpEvent *event)
{
    const DeliveryOutcome *outcome = event->outcome;
    bool was_idle = link->ready && outcome->stage == STAGE_IDLE;
    uint32_t random = 0;

    link_close(link);
    if (outcome->kind != DELIVERY_CUT_OFF || link->served || was_idle ||
        is_held_against_message(outcome))
        return 0;
    (void)getrandom(&random, sizeof(random), 0);
    if (relay_fault(link->relay, outcome, random, engine_now(link->engine, CLOCK_MONOTONIC)))
        report_hold(link, outcome);
    return 0;
}

static int on_event(void *user, Connection *connection, const SmtpEvent *event)
{
    Link *link = user;
    Engine *engine = link->engine;
    usec_t now = engine_now(engine, CLOCK_MONOTONIC);

    switch (event->type) {
    case SMTP_EVENT_READY: return on_ready(link);
    case SMTP_EVENT_NEED_CONTENT:
        return delivery_feed(
            delivery_of(event->transaction), connection_session(connection), &engine->scratch, now);
    case SMTP_EVENT_RECIPIENT: on_recipient(link, event); return 0;
    case SMTP_EVENT_TRANSACTION_DONE: return on_transaction_done(link, event);
    case SMTP_EVENT_CLOSED: return on_closed(link, event);
    default: return 0;
    }
}

/* `result` is negative when memory or something of the loop's ran out: the connection is given up,
 * its messages are ended by link_free(). */
static void on_settled(void *user, Connection *connection _unused_, int result)
{
    Link *link = user;

    if (result >= 0)
        return;
    engine_trouble(link->engine, result);
    link_close(link);
}

void link_rest(Link *link, usec_t now)
{
    const RelayConfig *config = link->relay->config;
    Engine *engine = link->engine;
    bool used_up =
        config->messages_per_connection > 0 && link->taken >= config->messages_per_connection;

    if (!link->ready || link->quitting || link->closed || link->n_deliveries > 0)
        return;
    if (!engine->stopping && !used_up && link->set == engine->relays &&
        now < usec_add(link->idle_since, config->idle_timeout))
        return;
    link->quitting = true;
    smtp_session_quit(connection_session(link->connection), now);
    connection_source_kick(link->source);
}

int link_open(Engine *engine, Relay *relay)
{
    Link *link = calloc(1, sizeof(Link));
    int r;

    if (!link)
        return -ENOMEM;
    link->engine = engine;
    link->relay = relay;
    link->set = relay_set_ref(engine->relays);
    r = connection_new(relay->shared, engine->trace, engine->trace_user,
        engine_now(engine, CLOCK_MONOTONIC), &link->connection);
    if (r >= 0)
        r = connection_source_new(
            engine->loop, link->connection, on_event, on_settled, link, &link->source);
    if (r < 0) {
        link->closed = true;
        link_free(link);
        return r;
    }
    relay->connections++;
    link->next = engine->links;
    engine->links = link;
    return 0;
}

void link_free(Link *link)
{
    Engine *engine = link->engine;

    for (unsigned i = 0; i < link->n_deliveries; i++)
        engine_end_delivery(engine, link->deliveries[i]);
    if (!link->closed)
        link->relay->connections--;
    connection_source_free(link->source);
    connection_free(link->connection);
    relay_set_unref(link->set);
    free(link);
}
