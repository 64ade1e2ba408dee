/* One message in delivery. Must never end a message in a state that forgets a recipient, and never
 * decide by anything but outcomes. */
#include "delivery/delivery.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/errors.h"
#include "delivery/retry.h"

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
    char *reason; /* of the last recipient that was not delivered */
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
    free(d);
}

Delivery *delivery_of(const SmtpTransaction *transaction)
{
    return transaction->user;
}

const char *delivery_id(const Delivery *d)
{
    return d->message->id;
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
    d->group.recipients = malloc(n * sizeof(char *));
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
static int report_recipient(Delivery *d, const DeliveryContext *context, const char *address,
    const DeliveryOutcome *outcome, usec_t now)
{
    if (d->transaction.n_recipients == 1) {
        report_group(d, context, outcome, &address, 1, now);
        return 0;
    }
    if (d->group.n > 0 && !same_outcome(&d->group.outcome, outcome))
        group_flush(d, context, now);
    if (d->group.n == 0) {
        d->group.outcome = *outcome;
        d->group.outcome.text = d->group.text = strdup(outcome->text);
        if (!d->group.text)
            return -ENOMEM;
    }
    d->group.recipients[d->group.n++] = address;
    return 0;
}

static int remember_reason(Delivery *d, const char *address, const DeliveryOutcome *outcome)
{
    char *reason;

    if (asprintf(&reason, "%s %s at %s: %s", address, delivery_kind_name(outcome->kind),
            delivery_stage_name(outcome->stage), outcome->text) < 0)
        return -ENOMEM;
    free(d->reason);
    d->reason = reason;
    return 0;
}

/* A connection kept for reuse may be closed just when it is reused (RFC 5321, 4.5.3.2.7): no reply,
 * nothing held against anybody. */
static bool is_stale_loss(const DeliveryOutcome *outcome)
{
    return outcome->kind == DELIVERY_DEFERRED && outcome->code == 0 &&
           (outcome->stage == STAGE_MAIL || outcome->stage == STAGE_RSET);
}

int delivery_note(
    Delivery *d, const DeliveryContext *context, const SmtpEvent *event, bool stale, usec_t now)
{
    const DeliveryOutcome *outcome = event->outcome;
    const char *address = d->part[event->recipient].address;
    const OutcomeVia via = via_of(d);
    int r;

    if (outcome->kind == DELIVERY_RELAY_FAULT || (stale && is_stale_loss(outcome)))
        return 0;
    d->delivered += outcome->kind == DELIVERY_DELIVERED;
    d->refused += outcome->kind == DELIVERY_REFUSED;
    d->deferred += outcome->kind == DELIVERY_DEFERRED;
    /* A message with one recipient that has had it needs no record: the file goes at once. */
    if (outcome->kind != DELIVERY_DELIVERED || context->keep_sent ||
        message_envelope(d->message->message)->n_recipients > 1) {
        r = d->message->source->ops->record_outcome(
            d->message, now, address, attempt_number(d), outcome, &via);
        if (r < 0)
            return r;
    }
    if (outcome->kind != DELIVERY_DELIVERED && (r = remember_reason(d, address, outcome)) < 0)
        return r;
    return report_recipient(d, context, address, outcome, now);
}

int delivery_transaction_done(
    Delivery *d, const DeliveryContext *context, bool connection_lives, usec_t now)
{
    _cleanup_failure_ Failure f = {0};
    size_t settled = d->delivered + d->refused + d->deferred;

    group_flush(d, context, now); /* there is room for the recipients of one transaction */
    if (!connection_lives || d->submitted == d->message->n_pending || settled < d->submitted)
        return 0;
    if (d->message->source->ops->write(d->message, &f) < 0) {
        const ProblemReport report = {.id = d->message->id, .failure = &f};

        if (context->observer->problem)
            context->observer->problem(context->user, &report);
        return 0; /* the end of the attempt tries again to write */
    }
    return 1;
}

/* The next state, as decided by the outcomes. */
typedef struct Verdict {
    MessageChange change;
    usec_t next;
    int error;
    char *text; /* owned */
} Verdict;

static int verdict_failed(const Delivery *d, Verdict *v, bool expired)
{
    const char *reason = d->reason ?: "recipients were refused in an earlier attempt";
    int r;

    v->change = MESSAGE_FAILED;
    v->error = expired ? ERROR_EXPIRED : ERROR_REFUSED;
    if (expired)
        r = asprintf(&v->text, "given up after %u attempt%s; the last: %s", attempt_number(d),
            attempt_number(d) == 1 ? "" : "s", reason);
    else
        r = asprintf(&v->text, "%zu of %zu recipients refused; %s",
            d->refused + d->message->n_refused, message_envelope(d->message->message)->n_recipients,
            reason);
    return r < 0 ? -ENOMEM : 0;
}

static int verdict(const Delivery *d, const DeliveryContext *context, usec_t now, Verdict *v)
{
    size_t settled = d->delivered + d->refused + d->deferred;
    uint32_t random = 0;

    if (d->deferred > 0) {
        if (retry_is_over(context->retry, attempt_number(d), d->message->retry_start, now))
            return verdict_failed(d, v, true);
        (void)getrandom(&random, sizeof(random), 0);
        v->change = MESSAGE_DEFERRED;
        v->next = usec_add(now, retry_pause(context->retry, attempt_number(d), random));
        v->text = strdup(d->reason);
        return v->text ? 0 : -ENOMEM;
    }
    if (settled < d->message->n_pending) {
        v->change = MESSAGE_RETURNED;
        return 0;
    }
    if (d->refused + d->message->n_refused > 0)
        return verdict_failed(d, v, false);
    v->change = MESSAGE_SENT;
    return 0;
}

/* Brings the message to its next state. */
static int carry_out(
    Delivery *d, const DeliveryContext *context, const Verdict *v, usec_t now, Failure *f)
{
    const SourceOps *ops = d->message->source->ops;

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

/* Ends by a verdict. The report is made from copies: the message is gone by then. */
static int end_with(Delivery *d, const DeliveryContext *context, const Verdict *v,
    EngineStatistics *statistics, usec_t now)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *id = strdup(d->message->id),
         *sender = strdup(message_envelope(d->message->message)->sender);
    MessageReport report = {
        .id = id,
        .sender = sender,
        .change = v->change,
        .attempt = attempt_number(d),
        .next = v->next,
        .error = v->error,
        .text = v->text,
        .delay_usec = now > d->message->arrival ? now - d->message->arrival : 0,
        .delivered = d->message->n_delivered + d->delivered,
        .refused = d->refused,
    };
    int r;

    group_flush(d, context, now);
    r = carry_out(d, context, v, now, &f);
    if (r != 0 && context->observer->problem) {
        const ProblemReport problem = {.id = id, .failure = &f};

        context->observer->problem(context->user, &problem);
    }
    if (r == SOURCE_STUCK)
        return r;
    if (r == 0 && context->observer->message)
        context->observer->message(context->user, &report);
    if (r == 0 && statistics)
        count(v, statistics);
    delivery_free(d);
    return 0;
}

int delivery_end(
    Delivery *d, const DeliveryContext *context, EngineStatistics *statistics, usec_t now)
{
    Verdict v = {0};
    int r;

    if (verdict(d, context, now, &v) < 0) {
        v.change = d->deferred > 0 ? MESSAGE_DEFERRED : v.change;
        v.next = d->deferred > 0 ? usec_add(now, context->retry->first) : 0;
    }
    r = end_with(d, context, &v, statistics, now);
    free(v.text);
    return r;
}

int delivery_return(Delivery *d, const DeliveryContext *context, usec_t now)
{
    const Verdict v = {.change = MESSAGE_RETURNED};

    return end_with(d, context, &v, NULL, now);
}
