/* One connection of the engine: turns its events into deliveries' progress, and keeps it filled.
 * Must never free itself: the pump does, outside of any callback of the connection. */
#include <errno.h>
#include <sys/random.h>

#include "delivery/engine_internal.h"

static DeliveryKind kind_of(const SmtpEvent *event)
{
    return event->outcome->kind;
}

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

    return link->ready && !link->quitting && !link->closed &&
           link->n_deliveries < LINK_DELIVERIES_MAX &&
           smtp_session_can_submit(connection_session(link->connection)) &&
           (config->messages_per_connection == 0 || link->taken < config->messages_per_connection);
}

/* 0, or a negative errno after which the message has been given back. */
static int take_message(Link *link, SourceMessage *message)
{
    Engine *engine = link->engine;
    usec_t now = engine_now(engine, CLOCK_MONOTONIC);
    Delivery *delivery;
    int r;

    r = delivery_new(message, link->relay->config->name, link->connection, &delivery);
    if (r < 0) {
        (void)message->source->ops->release(message, NULL);
        return r;
    }
    r = delivery_submit(delivery, connection_session(link->connection),
        link->relay->config->recipients_per_transaction, now);
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

        if (!message || take_message(link, message) < 0)
            return;
    }
}

static int on_ready(Link *link)
{
    Engine *engine = link->engine;

    link->ready = true;
    link->idle_since = engine_now(engine, CLOCK_MONOTONIC);
    if (relay_works(link->relay) && engine->context.observer->relay) {
        const RelayReport report = {
            .relay = link->relay->config->name,
            .address = connection_address(link->connection),
            .change = RELAY_RESUMED,
        };

        engine->context.observer->relay(engine->context.user, &report);
    }
    link_fill(link);
    engine_wake(engine);
    return 0;
}

static int on_transaction_done(Link *link, const SmtpEvent *event)
{
    Engine *engine = link->engine;
    Delivery *delivery = delivery_of(event->transaction);
    SmtpSession *session = connection_session(link->connection);

    link->served += event->attempted;
    if (delivery_transaction_done(delivery, &engine->context, smtp_session_can_submit(session),
            engine_now_real(engine)) &&
        delivery_submit(delivery, session, link->relay->config->recipients_per_transaction,
            engine_now(engine, CLOCK_MONOTONIC)) >= 0)
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

static bool others_work(const Link *link)
{
    for (const Link *other = link->engine->links; other; other = other->next)
        if (other != link && other->relay == link->relay && other->ready && !other->closed)
            return true;
    return false;
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

/* A connection that never served is the relay's fault; one that did has merely ended, and the next
 * one shows how the relay is. */
static int on_closed(Link *link, const SmtpEvent *event)
{
    Engine *engine = link->engine;
    usec_t now = engine_now(engine, CLOCK_MONOTONIC);
    uint32_t random = 0;

    link->closed = true;
    link->relay->connections--;
    if (kind_of(event) == DELIVERY_RELAY_FAULT && link->served == 0 &&
        !(link->ready && event->outcome->stage == STAGE_IDLE)) {
        (void)getrandom(&random, sizeof(random), 0);
        if (relay_fault(link->relay, event->outcome, others_work(link), random, now))
            report_hold(link, event->outcome);
    }
    engine_wake(engine);
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
    case SMTP_EVENT_RECIPIENT:
        return delivery_note(delivery_of(event->transaction), &engine->context, event,
            link->served > 0, engine_now_real(engine));
    case SMTP_EVENT_TRANSACTION_DONE: return on_transaction_done(link, event);
    case SMTP_EVENT_CLOSED: return on_closed(link, event);
    default: return 0;
    }
}

/* `result` is negative when memory ran out: the connection is given up, its messages are returned
 * by link_free(). */
static void on_settled(void *user, Connection *connection _unused_, int result)
{
    Link *link = user;

    if (result >= 0 || link->closed)
        return;
    link->closed = true;
    link->relay->connections--;
    engine_wake(link->engine);
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
        engine_return_delivery(engine, link->deliveries[i]);
    if (!link->closed)
        link->relay->connections--;
    connection_source_free(link->source);
    connection_free(link->connection);
    relay_set_unref(link->set);
    free(link);
}
