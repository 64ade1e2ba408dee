/* The end of an attempt: the verdict, carried out and reported. Must never touch the message once
 * it has met its end. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/errors.h"
#include "delivery/delivery_internal.h"

/* Brings the message to its next state. */
static int carry_out(
    Delivery *d, const DeliveryContext *context, const Verdict *v, usec_t now, Failure *f)
{
    const SourceOps *ops = d->message->source->ops;
    bool needs_record = v->change != MESSAGE_SENT || context->keep_sent;

    if (needs_record && delivery_record_late(d, now) < 0)
        return failure_set(f, SOURCE_STUCK, ERROR_MEMORY,
            "no memory to note who has had the message %s; trying again soon", d->message->id);
    switch (v->change) {
    case MESSAGE_SENT: return ops->complete(d->message, now, context->keep_sent, f);
    case MESSAGE_DEFERRED: return ops->defer(d->message, now, delivery_attempt(d), v->next, f);
    case MESSAGE_FAILED: return ops->fail(d->message, now, v->error, v->text, f);
    default: return ops->release(d->message, f);
    }
}

static void count(const Verdict *v, EngineStatistics *statistics)
{
    statistics->sent += v->change == MESSAGE_SENT;
    statistics->deferred += v->change == MESSAGE_DEFERRED;
    statistics->failed += v->change == MESSAGE_FAILED;
}

static void report_problem(
    const DeliveryContext *context, const char *id, const Failure *f, bool pauses)
{
    const ProblemReport report = {.id = id, .failure = f, .pauses = pauses};

    if (context->observer->problem)
        context->observer->problem(context->user, &report);
}

/* Once: what a record says already must stay true when its end is tried again. */
static void decide(Delivery *d, const DeliveryContext *context, usec_t now)
{
    const Tally tally = {
        .attempt = delivery_attempt(d),
        .retry_start = d->message->retry_start,
        .recipients = message_envelope(d->message->message)->n_recipients,
        .pending = d->message->n_pending,
        .refused_before = d->message->n_refused,
        .delivered = d->delivered,
        .refused = d->refused,
        .deferred = d->deferred,
        .reason = d->reason,
    };
    uint32_t random = 0;

    if (d->decided)
        return;
    if (d->deferred > 0)
        (void)getrandom(&random, sizeof(random), 0);
    d->verdict = verdict_reach(&tally, context->retry, random, now);
    d->decided = true;
}

int delivery_give_up(Delivery *d, int error, const char *text)
{
    d->verdict = (Verdict){.change = MESSAGE_FAILED, .error = error, .text = strdup(text)};
    d->decided = true;
    return d->verdict.text ? 0 : -ENOMEM;
}

/* The report is made from copies: the message is gone by then. */
int delivery_end(
    Delivery *d, const DeliveryContext *context, EngineStatistics *statistics, usec_t now)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *id = strdup(d->message->id),
         *sender = strdup(message_envelope(d->message->message)->sender);
    int r;

    delivery_report_group(d, context, now);
    decide(d, context, now);
    const MessageReport report = {
        .id = id ?: "",
        .sender = sender,
        .change = d->verdict.change,
        .attempt = delivery_attempt(d),
        .next = d->verdict.next,
        .error = d->verdict.error,
        .text = d->verdict.text,
        .delay_usec = now > d->message->arrival ? now - d->message->arrival : 0,
        .delivered = d->message->n_delivered + d->delivered,
        .refused = d->refused,
    };

    r = carry_out(d, context, &d->verdict, now, &f);
    if (r != 0)
        report_problem(context, id ?: "", &f, r == SOURCE_STUCK);
    if (r == SOURCE_STUCK)
        return r;
    if (r == 0 && context->observer->message)
        context->observer->message(context->user, &report);
    if (r == 0)
        count(&d->verdict, statistics);
    delivery_free(d);
    return 0;
}

void delivery_abandon(Delivery *d)
{
    d->message->source->ops->abandon(d->message);
    delivery_free(d);
}
