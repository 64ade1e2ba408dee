/* What becomes of a message's recipients, one by one: counted, written down, reported. Must never
 * forget one that has had the message, whatever else cannot be had. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "delivery/delivery_internal.h"

static OutcomeVia via_of(const Delivery *d)
{
    return (OutcomeVia){
        .relay = d->relay,
        .address = connection_address(d->connection),
        .tls = connection_tls(d->connection),
    };
}

static void report_group(Delivery *d, const DeliveryContext *context,
    const DeliveryOutcome *outcome, const char *const *recipients, size_t n, usec_t now)
{
    const OutcomeVia via = via_of(d);
    const OutcomeReport report = {
        .id = d->message->id,
        .sender = message_envelope(d->message->message)->sender,
        .recipients = recipients,
        .n_recipients = n,
        .outcome = outcome,
        .attempt = delivery_attempt(d),
        .relay = via.relay,
        .address = via.address,
        .tls = via.tls,
        .bytes = message_size(d->message->message),
        .delay_usec = now > d->message->arrival ? now - d->message->arrival : 0,
    };

    if (context->observer->outcome)
        context->observer->outcome(context->user, &report);
}

static void group_clear(Group *group)
{
    free(group->text);
    group->text = NULL;
    group->n = 0;
}

void delivery_report_group(Delivery *d, const DeliveryContext *context, usec_t now)
{
    if (d->group.n > 0)
        report_group(d, context, &d->group.outcome, d->group.recipients, d->group.n, now);
    group_clear(&d->group);
}

static bool same_outcome(const DeliveryOutcome *a, const DeliveryOutcome *b)
{
    return a->kind == b->kind && a->stage == b->stage && a->code == b->code &&
           strcmp(a->enhanced, b->enhanced) == 0 && strcmp(a->text, b->text) == 0;
}

/* Reports at once what stands alone, and gathers what may be one of many. */
static void report_recipient(Delivery *d, const DeliveryContext *context, const char *address,
    const DeliveryOutcome *outcome, usec_t now)
{
    if (d->transaction.n_recipients == 1) {
        report_group(d, context, outcome, &address, 1, now);
        return;
    }
    if (d->group.n > 0 && !same_outcome(&d->group.outcome, outcome))
        delivery_report_group(d, context, now);
    if (d->group.n == 0) {
        d->group.text = strdup(outcome->text);
        d->group.outcome = *outcome;
        d->group.outcome.text = d->group.text ?: "";
    }
    d->group.recipients[d->group.n++] = address;
}

static void remember_reason(Delivery *d, const char *address, const DeliveryOutcome *outcome)
{
    free(d->reason);
    if (asprintf(&d->reason, "%s %s at %s: %s", address, delivery_kind_name(outcome->kind),
            delivery_stage_name(outcome->stage), outcome->text) < 0)
        d->reason = NULL;
}

/* Gathers a line for the record. A message with one recipient that has had it needs none: the file
 * goes at once. */
static void record(Delivery *d, const DeliveryContext *context, const char *address,
    const DeliveryOutcome *outcome, usec_t now)
{
    const OutcomeVia via = via_of(d);
    bool delivered = outcome->kind == DELIVERY_DELIVERED;

    if (delivered && !context->keep_sent &&
        message_envelope(d->message->message)->n_recipients == 1)
        return;
    if (d->message->source->ops->record_outcome(
            d->message, now, address, delivery_attempt(d), outcome, &via) < 0 &&
        delivered)
        d->unrecorded[d->n_unrecorded++] = address;
}

int delivery_record_late(Delivery *d, usec_t now)
{
    static const DeliveryOutcome outcome = {
        .kind = DELIVERY_DELIVERED,
        .stage = STAGE_CONTENT,
        .code = 250,
        .text = "there was no memory for the reply",
    };
    const OutcomeVia via = {0}; /* the connection may be gone */

    for (; d->n_unrecorded > 0; d->n_unrecorded--)
        if (d->message->source->ops->record_outcome(d->message, now,
                d->unrecorded[d->n_unrecorded - 1], delivery_attempt(d), &outcome, &via) < 0)
            return -ENOMEM;
    return 0;
}

/* A connection kept for reuse may be closed just when it is reused (RFC 5321, 4.5.3.2.7): no reply,
 * nothing held against anybody. */
static bool is_stale_loss(const DeliveryOutcome *outcome)
{
    return outcome->kind == DELIVERY_DEFERRED && outcome->code == 0 &&
           (outcome->stage == STAGE_MAIL || outcome->stage == STAGE_RSET);
}

void delivery_note(
    Delivery *d, const DeliveryContext *context, const SmtpEvent *event, bool stale, usec_t now)
{
    const DeliveryOutcome *outcome = event->outcome;
    const char *address = d->part[event->recipient].address;

    if (outcome->kind == DELIVERY_CUT_OFF || outcome->kind == DELIVERY_POSTPONED ||
        (stale && is_stale_loss(outcome)))
        return;
    d->delivered += outcome->kind == DELIVERY_DELIVERED;
    d->refused += outcome->kind == DELIVERY_REFUSED;
    d->deferred += outcome->kind == DELIVERY_DEFERRED;
    record(d, context, address, outcome, now);
    if (outcome->kind != DELIVERY_DELIVERED)
        remember_reason(d, address, outcome);
    report_recipient(d, context, address, outcome, now);
}
