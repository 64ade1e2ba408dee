/* One message in delivery: its transactions, its outcomes, its end. Must never touch the message
 * once it has met its end. */
#include "delivery/delivery.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/errors.h"
#include "delivery/verdict.h"

#define FEED_BYTES 65536

/* Recipients with one outcome in a row, reported together. */
typedef struct Group {
    DeliveryOutcome outcome;
    char *text; /* owned copy of outcome.text */
    const char **recipients;
    size_t n;
} Group;

struct Delivery {
    SmtpTransaction transaction;
    SourceMessage *message;
    const char *relay;
    const Connection *connection;
    SmtpRecipient *part; /* the recipients of the transaction under way */
    size_t part_allocated;
    size_t submitted; /* of message->n_pending, this attempt */
    size_t delivered, refused, deferred;
    uint64_t fed; /* bytes of content of the transaction under way */
    Group group;
    const char **unrecorded; /* of the part: had the message, and no memory to note it */
    size_t n_unrecorded;
    char *reason; /* of the last recipient that was not delivered */
    bool decided;
    Verdict verdict; /* meaningful when decided */
    Delivery *next;  /* for a list of whoever holds it */
};

int delivery_new(
    SourceMessage *message, const char *relay, const Connection *connection, Delivery **ret)
{
    Delivery *d = calloc(1, sizeof(Delivery));

    if (!d)
        return -ENOMEM;
    d->message = message;
    d->relay = relay;
    d->connection = connection;
    *ret = d;
    return 0;
}

static void group_clear(Group *group)
{
    free(group->text);
    group->text = NULL;
    group->n = 0;
}

static void delivery_free(Delivery *d)
{
    group_clear(&d->group);
    free(d->group.recipients);
    free(d->part);
    free(d->reason);
    free(d->verdict.text);
    free(d);
}

Delivery *delivery_of(const SmtpTransaction *transaction)
{
    return transaction->user;
}

static unsigned attempt_number(const Delivery *d)
{
    return d->message->attempts + 1;
}

/* The recipient at place `i` of those that were pending when the attempt began. */
static const EnvelopeRecipient *pending_recipient(const Delivery *d, size_t i)
{
    const SourceMessage *m = d->message;

    return &message_envelope(m->message)->recipients[m->pending ? m->pending[i] : i];
}

static int make_room(Delivery *d, size_t n)
{
    if (n <= d->part_allocated)
        return 0;
    free(d->part);
    free(d->group.recipients);
    d->part = malloc(n * sizeof(SmtpRecipient));
    d->group.recipients = malloc(2 * n * sizeof(char *));
    d->unrecorded = d->group.recipients + n;
    d->part_allocated = d->part && d->group.recipients ? n : 0;
    return d->part_allocated ? 0 : -ENOMEM;
}

int delivery_submit(
    Delivery *d, SmtpSession *session, unsigned max_recipients, usec_t now_monotonic)
{
    const Envelope *envelope = message_envelope(d->message->message);
    size_t n = MIN(d->message->n_pending - d->submitted, (size_t)max_recipients);
    int r;

    r = make_room(d, n);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        const EnvelopeRecipient *recipient = pending_recipient(d, d->submitted + i);

        d->part[i] =
            (SmtpRecipient){.address = recipient->address, .parameters = recipient->parameters};
    }
    if (d->submitted > 0)
        message_rewind(d->message->message);
    d->fed = 0;
    d->submitted += n;
    d->transaction = (SmtpTransaction){
        .sender = envelope->sender,
        .sender_parameters = envelope->sender_parameters,
        .recipients = d->part,
        .n_recipients = n,
        .size = message_size(d->message->message),
        .is_8bit = message_may_be_8bit(d->message->message),
        .wants_utf8 = message_wants_utf8(d->message->message),
        .user = d,
    };
    return smtp_session_submit(session, &d->transaction, now_monotonic);
}

int delivery_feed(Delivery *d, SmtpSession *session, Buffer *scratch, usec_t now_monotonic)
{
    int64_t n;
    int r;

    buffer_clear(scratch);
    n = message_read(d->message->message, FEED_BYTES, scratch);
    if (n < 0) {
        smtp_session_content_abort(session,
            "the message file could not be read to its end; it became shorter or its disk fails");
        return n == -ENOMEM ? -ENOMEM : 0;
    }
    r = smtp_session_content(session, buffer_data(scratch), buffer_size(scratch));
    d->fed += (uint64_t)n;
    if (r >= 0 && (n == 0 || d->fed >= message_size(d->message->message)))
        r = smtp_session_content_end(session, now_monotonic);
    return r;
}

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
        .attempt = attempt_number(d),
        .relay = via.relay,
        .address = via.address,
        .tls = via.tls,
        .bytes = message_size(d->message->message),
        .delay_usec = now > d->message->arrival ? now - d->message->arrival : 0,
    };

    if (context->observer->outcome)
        context->observer->outcome(context->user, &report);
}

static void group_flush(Delivery *d, const DeliveryContext *context, usec_t now)
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
        group_flush(d, context, now);
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
            d->message, now, address, attempt_number(d), outcome, &via) < 0 &&
        delivered)
        d->unrecorded[d->n_unrecorded++] = address;
}

/* Makes up for lines that there was no memory for. 0 or -ENOMEM. */
static int record_late(Delivery *d, usec_t now)
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
                d->unrecorded[d->n_unrecorded - 1], attempt_number(d), &outcome, &via) < 0)
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

    if (outcome->kind == DELIVERY_RELAY_FAULT || (stale && is_stale_loss(outcome)))
        return;
    d->delivered += outcome->kind == DELIVERY_DELIVERED;
    d->refused += outcome->kind == DELIVERY_REFUSED;
    d->deferred += outcome->kind == DELIVERY_DEFERRED;
    record(d, context, address, outcome, now);
    if (outcome->kind != DELIVERY_DELIVERED)
        remember_reason(d, address, outcome);
    report_recipient(d, context, address, outcome, now);
}

int delivery_transaction_done(
    Delivery *d, const DeliveryContext *context, bool connection_lives, usec_t now)
{
    size_t settled = d->delivered + d->refused + d->deferred;

    group_flush(d, context, now); /* there is room for the recipients of one transaction */
    if (!connection_lives || d->submitted == d->message->n_pending || settled < d->submitted ||
        d->n_unrecorded > 0)
        return 0;
    /* The end of the attempt tries again to write, and reports it. */
    return d->message->source->ops->write(d->message, NULL) < 0 ? 0 : 1;
}

/* Brings the message to its next state. */
static int carry_out(
    Delivery *d, const DeliveryContext *context, const Verdict *v, usec_t now, Failure *f)
{
    const SourceOps *ops = d->message->source->ops;
    bool needs_record = v->change != MESSAGE_SENT || context->keep_sent;

    if (needs_record && record_late(d, now) < 0)
        return failure_set(f, SOURCE_STUCK, ERROR_MEMORY,
            "no memory to note who has had the message %s; trying again soon", d->message->id);
    switch (v->change) {
    case MESSAGE_SENT: return ops->complete(d->message, now, context->keep_sent, f);
    case MESSAGE_DEFERRED: return ops->defer(d->message, now, attempt_number(d), v->next, f);
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
        .attempt = attempt_number(d),
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

    group_flush(d, context, now);
    decide(d, context, now);
    const MessageReport report = {
        .id = id,
        .sender = sender,
        .change = d->verdict.change,
        .attempt = attempt_number(d),
        .next = d->verdict.next,
        .error = d->verdict.error,
        .text = d->verdict.text,
        .delay_usec = now > d->message->arrival ? now - d->message->arrival : 0,
        .delivered = d->message->n_delivered + d->delivered,
        .refused = d->refused,
    };

    r = carry_out(d, context, &d->verdict, now, &f);
    if (r != 0)
        report_problem(context, id, &f, r == SOURCE_STUCK);
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

Delivery **delivery_next(Delivery *d)
{
    return &d->next;
}
