/* What becomes of a message's recipients, one by one: counted, written down, reported. Must never
 * forget one that has had the message, whatever else cannot be had. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "delivery/attempt_internal.h"

static OutcomeVia via_of(const Attempt *a)
{
    return (OutcomeVia){
        .relay = a->relay,
        .address = connection_address(a->connection),
        .tls = connection_tls(a->connection),
    };
}

static void report_group(Attempt *a, const AttemptContext *context, const DeliveryOutcome *outcome,
    const char *const *recipients, size_t n, usec_t now)
{
    const OutcomeVia via = via_of(a);
    const OutcomeReport report = {
        .id = a->message->id,
        .owner = a->message->owner,
        .sender = message_envelope(a->message->message)->sender,
        .recipients = recipients,
        .n_recipients = n,
        .outcome = outcome,
        .attempt = attempt_number(a),
        .relay = via.relay,
        .address = via.address,
        .tls = via.tls,
        .bytes = message_size(a->message->message),
        .delay_usec = now > a->message->arrival ? now - a->message->arrival : 0,
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

void attempt_report_group(Attempt *a, const AttemptContext *context, usec_t now)
{
    if (a->group.n > 0)
        report_group(a, context, &a->group.outcome, a->group.recipients, a->group.n, now);
    group_clear(&a->group);
}

static bool same_outcome(const DeliveryOutcome *a, const DeliveryOutcome *b)
{
    return a->kind == b->kind && a->stage == b->stage && a->code == b->code &&
           strcmp(a->enhanced, b->enhanced) == 0 && strcmp(a->text, b->text) == 0;
}

/* Reports at once what stands alone, and gathers what may be one of many. */
static void report_recipient(Attempt *a, const AttemptContext *context, const char *address,
    const DeliveryOutcome *outcome, usec_t now)
{
    if (a->transaction.n_recipients == 1) {
        report_group(a, context, outcome, &address, 1, now);
        return;
    }
    if (a->group.n > 0 && !same_outcome(&a->group.outcome, outcome))
        attempt_report_group(a, context, now);
    if (a->group.n == 0) {
        a->group.text = strdup(outcome->text);
        a->group.outcome = *outcome;
        a->group.outcome.text = a->group.text ?: "";
    }
    a->group.recipients[a->group.n++] = address;
}

static void remember_reason(Attempt *a, const char *address, const DeliveryOutcome *outcome)
{
    free(a->reason);
    if (asprintf(&a->reason, "%s %s at %s: %s", address, delivery_kind_name(outcome->kind),
            delivery_stage_name(outcome->stage), outcome->text) < 0)
        a->reason = NULL;
}

/* Gathers a line for the record. A message with one recipient that has had it needs none: the file
 * goes at once. */
static void record(Attempt *a, const AttemptContext *context, const char *address,
    const DeliveryOutcome *outcome, usec_t now)
{
    const OutcomeVia via = via_of(a);
    bool delivered = outcome->kind == DELIVERY_DELIVERED;

    if (delivered && !context->keep_sent &&
        message_envelope(a->message->message)->n_recipients == 1)
        return;
    if (a->message->source->ops->record(
            a->message, now, address, attempt_number(a), outcome, &via) < 0 &&
        delivered)
        a->unrecorded[a->n_unrecorded++] = address;
}

int attempt_record_late(Attempt *a, usec_t now)
{
    static const DeliveryOutcome outcome = {
        .kind = DELIVERY_DELIVERED,
        .stage = STAGE_CONTENT,
        .code = 250,
        .text = "there was no memory for the reply",
    };
    const OutcomeVia via = {0}; /* the connection may be gone */

    for (; a->n_unrecorded > 0; a->n_unrecorded--)
        if (a->message->source->ops->record(a->message, now, a->unrecorded[a->n_unrecorded - 1],
                attempt_number(a), &outcome, &via) < 0)
            return -ENOMEM;
    return 0;
}

/* A recipient has had its outcome in this attempt. */
static void settle_recipient(Attempt *a, const AttemptContext *context, const char *address,
    const DeliveryOutcome *outcome, usec_t now)
{
    a->delivered += outcome->kind == DELIVERY_DELIVERED;
    a->refused += outcome->kind == DELIVERY_REFUSED;
    a->deferred += outcome->kind == DELIVERY_DEFERRED;
    record(a, context, address, outcome, now);
    if (outcome->kind != DELIVERY_DELIVERED)
        remember_reason(a, address, outcome);
    report_recipient(a, context, address, outcome, now);
}

/* Memory that cannot be had makes it a recipient that waits with the message. */
static void postpone(Attempt *a, size_t recipient)
{
    if (!a->later)
        a->later = malloc(a->message->n_pending * sizeof(size_t));
    if (!a->later)
        return;
    if (a->later_taken > 0) { /* room for all that are pending is room for all that are left */
        memmove(
            a->later, a->later + a->later_taken, (a->n_later - a->later_taken) * sizeof(size_t));
        a->n_later -= a->later_taken;
        a->later_taken = 0;
    }
    a->later[a->n_later++] = a->part_index[recipient];
}

static void note_cut_off(Attempt *a, const char *address, const DeliveryOutcome *outcome)
{
    if (a->n_cut == 0) {
        free(a->cut_text);
        a->cut_text = strdup(outcome->text);
        a->cut_outcome = *outcome;
        a->cut_outcome.text = a->cut_text ?: "not enough memory to tell";
    }
    a->cut[a->n_cut++] = address;
}

void attempt_note(Attempt *a, const AttemptContext *context, const SmtpEvent *event, usec_t now)
{
    const DeliveryOutcome *outcome = event->outcome;
    const char *address = a->part[event->recipient].address;

    if (outcome->kind == DELIVERY_POSTPONED)
        postpone(a, event->recipient);
    else if (outcome->kind == DELIVERY_CUT_OFF)
        note_cut_off(a, address, outcome);
    else
        settle_recipient(a, context, address, outcome, now);
}

const DeliveryOutcome *attempt_cut_off(const Attempt *a)
{
    return a->n_cut > 0 ? &a->cut_outcome : NULL;
}

void attempt_defer_cut_off(Attempt *a, const AttemptContext *context, usec_t now)
{
    DeliveryOutcome outcome = a->cut_outcome;

    outcome.kind = DELIVERY_DEFERRED;
    for (size_t i = 0; i < a->n_cut; i++)
        settle_recipient(a, context, a->cut[i], &outcome, now);
    attempt_report_group(a, context, now);
    a->n_cut = 0;
}

int attempt_transaction_done(
    Attempt *a, const AttemptContext *context, bool connection_lives, usec_t now)
{
    attempt_report_group(a, context, now); /* there is room for the recipients of one transaction */
    if (!connection_lives || attempt_left(a) == 0 || a->n_cut > 0 || a->n_unrecorded > 0)
        return 0;
    /* The end of the attempt tries again to write, and reports it. */
    return a->message->source->ops->sync(a->message, NULL) != 0 ? 0 : 1;
}
