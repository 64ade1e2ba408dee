/* What becomes of a message's recipients, one by one: counted, written down, reported. Must never
 * forget one that has had the message, whatever else cannot be had. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "delivery/advice.h"
#include "delivery/attempt_internal.h"

static OutcomeVia via_of(const Attempt *a)
{
    return (OutcomeVia){
        .relay = a->relay->name,
        .address = connection_address(a->connection),
        .tls = connection_tls(a->connection),
    };
}

OutcomeReport attempt_report_start(const Attempt *a, usec_t now)
{
    const OutcomeVia via = via_of(a);
    const HeldMessage *m = a->message;

    return (OutcomeReport){
        .id = m->id,
        .owner = m->owner,
        .sender = message_envelope(m->message)->sender,
        .attempt = attempt_number(a),
        .relay = via.relay,
        .address = via.address,
        .tls = via.tls,
        .bytes = a->content.size,
        .delay_usec = clock_age(m->arrival, now),
    };
}

void attempt_report_groups(Attempt *a, const AttemptContext *context, const OutcomeReport *start)
{
    OutcomeReport report = *start;

    for (Group *group = a->last_group ? &a->first_group : NULL; group; group = group->next) {
        report.recipients = group->recipients;
        report.n_recipients = group->n;
        report.outcome = &group->outcome;
        report.hint = group->hint;
        if (context->observer->outcome)
            context->observer->outcome(context->user, &report);
    }
    attempt_drop_groups(a);
}

void attempt_report(Attempt *a, const AttemptContext *context, usec_t now)
{
    OutcomeReport start;

    if (!a->last_group)
        return;
    start = attempt_report_start(a, now);
    attempt_report_groups(a, context, &start);
}

static bool same_outcome(const DeliveryOutcome *a, const DeliveryOutcome *b)
{
    return a->kind == b->kind && a->stage == b->stage && a->code == b->code &&
           strcmp(a->enhanced, b->enhanced) == 0 && strcmp(a->text, b->text) == 0;
}

/* Room for one more outcome; without memory for it, what was gathered is reported before its time.
 */
static Group *add_group(Attempt *a, const AttemptContext *context, usec_t now)
{
    Group *group = a->last_group ? calloc(1, sizeof(Group)) : &a->first_group;

    if (!group) {
        attempt_report(a, context, now);
        group = &a->first_group;
    }
    *group = (Group){.recipients = a->reported + a->n_reported};
    if (a->last_group)
        a->last_group->next = group;
    a->last_group = group;
    return group;
}

/* Gathers what is to be told: nothing is, as long as the reply to the content has been read and
 * what follows from it is not on the disk. */
static void gather_report(Attempt *a, const AttemptContext *context, const char *address,
    const DeliveryOutcome *outcome, usec_t now)
{
    Group *group = a->last_group;

    if (!group || !same_outcome(&group->outcome, outcome)) {
        group = add_group(a, context, now);
        group->text = strdup(outcome->text);
        group->outcome = *outcome;
        group->outcome.text = group->text ?: "";
        group->hint = advice_without_reply(outcome, a->relay);
    }
    group->recipients[group->n++] = address;
    a->n_reported++;
}

static void remember_reason(Attempt *a, const char *address, const DeliveryOutcome *outcome)
{
    char codes[DELIVERY_CODES_MAX];

    free(a->reason);
    if (asprintf(&a->reason, "%s %s at %s: %s%s", address, delivery_kind_name(outcome->kind),
            delivery_stage_name(outcome->stage), delivery_format_codes(outcome, codes),
            outcome->text) < 0)
        a->reason = NULL;
    a->hint = advice_on(outcome, a->relay);
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
        outcome->kind != DELIVERY_DEFERRED)
        a->unrecorded[a->n_unrecorded++] = (Unrecorded){address, *outcome};
}

int attempt_record_late(Attempt *a, usec_t now)
{
    const OutcomeVia via = {0}; /* the connection may be gone */

    for (; a->n_unrecorded > 0; a->n_unrecorded--) {
        Unrecorded *u = &a->unrecorded[a->n_unrecorded - 1];

        u->outcome.text = "there was no memory for the reply";
        if (a->message->source->ops->record(
                a->message, now, u->address, attempt_number(a), &u->outcome, &via) < 0)
            return -ENOMEM;
    }
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
    gather_report(a, context, address, outcome, now);
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

void attempt_note_unread(Attempt *a)
{
    a->unread = true;
}

void attempt_defer_cut_off(Attempt *a, const AttemptContext *context, usec_t now)
{
    DeliveryOutcome outcome = a->cut_outcome;

    outcome.kind = DELIVERY_DEFERRED;
    for (size_t i = 0; i < a->n_cut; i++)
        settle_recipient(a, context, a->cut[i], &outcome, now);
    a->n_cut = 0;
}

int attempt_transaction_done(
    Attempt *a, const AttemptContext *context, bool connection_lives, usec_t now)
{
    if (!connection_lives || attempt_left(a) == 0 || a->n_cut > 0 || a->n_unrecorded > 0)
        return 0;
    /* The end of the attempt tries again to write, and reports it. */
    if (a->message->source->ops->sync(a->message, NULL) != 0)
        return 0;
    attempt_report(a, context, now); /* there is room for the recipients of one transaction */
    return 1;
}
