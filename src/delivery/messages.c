/* Messages on their way into the engine and out of it: what the source finds, and ends that must
 * wait. Must never lose sight of a message that is claimed. */
#include <stdio.h>

#include "delivery/engine_internal.h"

/* How long claiming pauses after a failure of our own, such as a full disk. */
#define TROUBLE_PAUSE (5 * USEC_PER_SEC)

/* Messages put aside in one go: each costs a write to the disk. */
#define ASIDE_MAX 16

static void report_problem(Engine *engine, const char *id, const Failure *failure)
{
    const ProblemReport report = {.id = id, .failure = failure, .pauses = !id};

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

static void pause_claiming(Engine *engine)
{
    engine->trouble_until = usec_add(engine_now(engine, CLOCK_MONOTONIC), TROUBLE_PAUSE);
    engine_wake(engine);
}

void engine_trouble(Engine *engine, int error)
{
    _cleanup_failure_ Failure f = {0};

    (void)failure_set_errno(&f, error, "cannot deliver at present; trying again soon");
    pause_claiming(engine);
    report_problem(engine, NULL, &f);
}

/* What the source found instead of a message to deliver, or beside it. */
static void on_found(Engine *engine, int result, const char *id, const Failure *f)
{
    if (result < 0) {
        pause_claiming(engine);
        report_problem(engine, NULL, f);
    } else if (result == SOURCE_PROBLEM) {
        report_problem(engine, id, f);
    } else if (result == SOURCE_RECOVERED) {
        report_change(engine, id, MESSAGE_RECOVERED, f);
    } else if (result == SOURCE_DEFECT) {
        engine->statistics.failed++;
        report_change(engine, id, MESSAGE_FAILED, f);
    }
}

bool engine_is_claiming(const Engine *engine)
{
    return !engine->stopping && engine->trouble_until <= engine_now(engine, CLOCK_MONOTONIC);
}

bool engine_has_candidates(const Engine *engine)
{
    return engine->source->ops->has_candidates(engine->source, engine_now_real(engine));
}

SourceMessage *engine_take(Engine *engine)
{
    for (unsigned aside = 0; aside < ASIDE_MAX && engine_is_claiming(engine); aside++) {
        _cleanup_failure_ Failure f = {0};
        char id[SOURCE_ID_MAX];
        SourceMessage *message;
        int r =
            engine->source->ops->next(engine->source, engine_now_real(engine), &message, id, &f);

        if (r == SOURCE_CLAIMED) {
            engine->statistics.in_flight++;
            return message;
        }
        if (r == SOURCE_NONE)
            break;
        on_found(engine, r, id, &f);
    }
    if (engine_is_claiming(engine) && engine_has_candidates(engine))
        engine_wake(engine);
    return NULL;
}

void engine_give_back(Engine *engine, SourceMessage *message)
{
    (void)message->source->ops->release(message, NULL);
    engine->statistics.in_flight--;
}

void engine_look(Engine *engine)
{
    usec_t now = engine_now_real(engine);
    _cleanup_failure_ Failure f = {0};
    char id[SOURCE_ID_MAX];

    if (engine_has_candidates(engine) || !engine->source->ops->is_unread(engine->source, now))
        return;
    on_found(engine, engine->source->ops->look(engine->source, now, id, &f), id, &f);
}

void engine_end_delivery(Engine *engine, Delivery *delivery)
{
    if (delivery_end(delivery, &engine->context, &engine->statistics, engine_now_real(engine)) ==
        0) {
        engine->statistics.in_flight--;
        return;
    }
    *delivery_next(delivery) = engine->stuck;
    engine->stuck = delivery;
    pause_claiming(engine);
}

void engine_retry_stuck(Engine *engine)
{
    Delivery *next;

    for (Delivery *delivery = TAKE_PTR(engine->stuck); delivery; delivery = next) {
        next = *delivery_next(delivery);
        engine_end_delivery(engine, delivery);
    }
}

void engine_abandon_stuck(Engine *engine)
{
    Delivery *next;

    for (Delivery *delivery = TAKE_PTR(engine->stuck); delivery; delivery = next) {
        next = *delivery_next(delivery);
        delivery_abandon(delivery);
        engine->statistics.in_flight--;
    }
}

static int give_up(Engine *engine, SourceMessage *message, const Relay *relay)
{
    _cleanup_free_
    char *text = NULL;
    Delivery *delivery;
    int r;

    r = delivery_new(message, relay->config->name, NULL, &delivery);
    if (r < 0) {
        engine_give_back(engine, message);
        return r;
    }
    if (asprintf(&text, "relay %s, %s: %s", relay->config->name,
            delivery_stage_name(relay->fault.stage), relay->fault.text) < 0)
        text = NULL;
    r = delivery_give_up(delivery, relay->fault.error, text ?: relay->fault.text);
    engine_end_delivery(engine, delivery);
    return r;
}

void engine_give_up_waiting(Engine *engine, usec_t now)
{
    SourceMessage *message;

    if (engine->context.retry->max_attempts != 1 || !relay_set_all_held(engine->relays, now))
        return;
    for (unsigned aside = 0; aside < ASIDE_MAX && (message = engine_take(engine)); aside++) {
        int r = give_up(engine, message, &engine->relays->relays[0]);

        if (r < 0)
            engine_trouble(engine, r);
    }
    if (engine_has_candidates(engine))
        engine_wake(engine);
}
