/* The end of an attempt: the verdict, carried out and reported. Must never touch the message once
 * it has been settled. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/errors.h"
#include "delivery/advice.h"
#include "delivery/attempt_internal.h"

/* Settles the message by the verdict. */
static int carry_out(
    Attempt *a, const AttemptContext *context, usec_t now, char *ret_id, Failure *f)
{
    static const MessageEndKind ends[] = {
        [MESSAGE_SENT] = END_SENT,
        [MESSAGE_DEFERRED] = END_DEFERRED,
        [MESSAGE_FAILED] = END_FAILED,
        [MESSAGE_RETURNED] = END_RETURNED,
    };
    const Verdict *v = &a->verdict;
    const MessageEnd end = {
        .kind = ends[v->change],
        .now = now,
        .keep = context->keep_sent,
        .attempt = attempt_number(a),
        .next = v->next,
        .unread = a->unread,
        .aside = a->until > 0,
        .until = a->until,
        .error = v->error,
        .text = v->text,
        .hint = a->hint,
    };
    bool needs_record = v->change != MESSAGE_SENT || context->keep_sent;

    if (needs_record && attempt_record_late(a, now) < 0)
        return failure_set(f, -ENOMEM, ERROR_MEMORY,
            "no memory to note who has had the message %s; trying again soon", a->message->id);
    return a->message->source->ops->settle(a->message, &end, ret_id, f);
}

static void count(const Verdict *v, EngineStatistics *statistics)
{
    statistics->sent += v->change == MESSAGE_SENT;
    statistics->deferred += v->change == MESSAGE_DEFERRED;
    statistics->failed += v->change == MESSAGE_FAILED;
}

static void report_problem(
    const Attempt *a, const AttemptContext *context, int result, const Failure *f)
{
    const ProblemReport report = {.id = a->id,
        .owner = a->report.owner,
        .failure = f,
        .pauses = result < 0 && error_is_common(result),
        .waits = result < 0};

    if (context->observer->problem)
        context->observer->problem(context->user, &report);
}

/* Once: what a record says already must stay true when its end is tried again. */
static void decide(Attempt *a, const AttemptContext *context, usec_t now)
{
    const Tally tally = {
        .attempt = attempt_number(a),
        .first_attempt = a->message->first_attempt,
        .recipients = message_envelope(a->message->message)->n_recipients,
        .pending = a->message->n_pending,
        .refused_before = a->message->n_refused,
        .delivered = a->delivered,
        .refused = a->refused,
        .deferred = a->deferred,
        .reason = a->reason,
    };
    uint32_t random = 0;

    if (a->decided)
        return;
    if (a->deferred > 0)
        (void)getrandom(&random, sizeof(random), 0);
    a->verdict = verdict_reach(&tally, context->retry, random, now);
    a->decided = true;
}

bool attempt_is_sent(const Attempt *a, const AttemptContext *context)
{
    return a->delivered == a->message->n_pending && a->message->n_refused == 0 &&
           !context->keep_sent;
}

int attempt_give_up(Attempt *a, const DeliveryOutcome *fault, const char *text)
{
    a->verdict = (Verdict){.change = MESSAGE_FAILED, .error = fault->error, .text = strdup(text)};
    a->hint = advice_on(fault, a->relay);
    a->decided = true;
    return a->verdict.text ? 0 : -ENOMEM;
}

/* What is to be told of the message: it is gone by then. */
static void remember_report(Attempt *a, usec_t now)
{
    const HeldMessage *m = a->message;

    memccpy(a->id, m->id, '\0', sizeof(a->id));
    free(a->sender);
    a->sender = strdup(message_envelope(m->message)->sender);
    a->late.sender = a->sender;
    a->report = (MessageReport){
        .owner = m->owner,
        .sender = a->sender,
        .change = a->verdict.change,
        .attempt = attempt_number(a),
        .next = a->verdict.next,
        .error = a->verdict.error,
        .text = a->verdict.text,
        .delay_usec = clock_age(m->arrival, now),
        .delivered = m->n_delivered + a->delivered,
        .refused = a->refused,
        .recipients = message_envelope(m->message)->n_recipients,
    };
}

/* The connection and the settings may be others by when it is told. 0 or -ENOMEM. */
static int keep_report(Attempt *a, const OutcomeReport *start)
{
    if (a->late_relay || !a->last_group)
        return 0;
    a->late_relay = strdup(start->relay ?: "");
    a->late_address = start->address ? strdup(start->address) : NULL;
    a->late_tls = start->tls ? strdup(start->tls) : NULL;
    if (!a->late_relay || !a->late_address != !start->address || !a->late_tls != !start->tls)
        return -ENOMEM;
    a->late = *start;
    a->late.sender = a->sender;
    a->late.relay = a->late_relay;
    a->late.address = a->late_address;
    a->late.tls = a->late_tls;
    return 0;
}

int attempt_ended(Attempt *a, const AttemptContext *context, EngineStatistics *statistics,
    int result, const char *id, const Failure *f)
{
    if (result == SOURCE_LATER)
        return result;
    if (result != 0)
        report_problem(a, context, result, f);
    if (result < 0)
        return result;
    attempt_report_groups(a, context, &a->late);
    if (result == 0) {
        a->report.id = id;
        a->report.old_id = strcmp(id, a->id) != 0 ? a->id : NULL;
        if (context->observer->message)
            context->observer->message(context->user, &a->report);
        count(&a->verdict, statistics);
    }
    attempt_free(a);
    return 0;
}

int attempt_end(Attempt *a, const AttemptContext *context, EngineStatistics *statistics, usec_t now)
{
    _cleanup_failure_ Failure f = {0};
    char id[SOURCE_ID_MAX];
    OutcomeReport start = {0};
    Message *message;
    int r;

    decide(a, context, now);
    remember_report(a, now);
    memcpy(id, a->id, sizeof(id));
    if (a->late_relay) {
        start = a->late;
    } else if (a->last_group) {
        start = attempt_report_start(a, now);
        start.id = a->id;
    }
    /* What is told comes behind what is done: until then, to die is to send it again. */
    message = TAKE_PTR(a->message->message);
    r = carry_out(a, context, now, id, &f);
    if (r != SOURCE_LATER || keep_report(a, &start) < 0)
        attempt_report_groups(a, context, &start);
    if (r == 0 || r == SOURCE_GONE)
        message_free(message);
    else
        a->message->message = message;
    return attempt_ended(a, context, statistics, r, id, &f);
}

void attempt_abandon(Attempt *a)
{
    a->message->source->ops->abandon(a->message);
    attempt_free(a);
}

/* Who has had it in this attempt is known to this process alone. */
void attempt_abandon_at_end(Attempt *a, const AttemptContext *context)
{
    _cleanup_free_
    char *text = NULL;

    a->report.id = a->id;
    a->report.change = MESSAGE_ABANDONED;
    if (asprintf(&text,
            "its end could not be written, though %zu of %zu recipients have had it in this "
            "attempt: "
            "who takes this queue up next sends it to them again, unless it is removed before",
            a->delivered, a->message->n_pending) < 0)
        text = NULL;
    a->report.text = text ?: "not enough memory to tell";
    if (a->delivered > 0 && context->observer->message)
        context->observer->message(context->user, &a->report);
    attempt_abandon(a);
}
