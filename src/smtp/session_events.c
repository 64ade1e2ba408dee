/* What the session tells: the outcome of each recipient, the end of each transaction, the end of
 * the session. Must never tell two outcomes of one recipient, nor judge whose fault one is. */
#include <assert.h>
#include <errno.h>

#include "base/errors.h"
#include "base/text.h"
#include "smtp/session_internal.h"

#define TEXT_MAX 1024

static bool is_plain(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] > 0x7e)
            return false;
    return true;
}

/* Makes `text` printable and ends it with a NUL. */
static int finish_text(Buffer *text)
{
    _cleanup_free_
    char *printable = NULL;

    if (buffer_size(text) > TEXT_MAX || !is_plain(buffer_data(text), buffer_size(text))) {
        printable = text_printable(buffer_data(text), buffer_size(text), TEXT_MAX);
        if (!printable)
            return -ENOMEM;
        buffer_clear(text);
        if (buffer_append_string(text, printable) < 0)
            return -ENOMEM;
    }
    return buffer_append(text, "", 1);
}

/* Appends the lines of the reply, joined by blanks. */
static int append_reply_text(const SmtpReply *reply, Buffer *out)
{
    size_t n = buffer_size(&reply->text);
    char *to;

    if (n == 0)
        return 0;
    to = buffer_reserve(out, n);
    if (!to)
        return -ENOMEM;
    memcpy(to, buffer_data(&reply->text), n);
    for (char *end = to + n, *at = to; (at = memchr(at, '\n', (size_t)(end - at)));)
        *at = ' ';
    while (n > 0 && to[n - 1] == ' ')
        n--;
    buffer_commit(out, n);
    return 0;
}

static int set_outcome(SmtpSession *s, const DeliveryOutcome *like)
{
    if (finish_text(&s->text) < 0)
        return -ENOMEM;
    s->outcome = *like;
    s->outcome.text = buffer_data(&s->text);
    return 0;
}

int smtp_outcome_reply(SmtpSession *s, DeliveryKind kind, DeliveryStage stage)
{
    DeliveryOutcome outcome = {
        .kind = kind,
        .cause = CAUSE_REPLY,
        .stage = stage,
        .code = s->reply.code,
        .error = kind == DELIVERY_DELIVERED ? ERROR_NONE : ERROR_SMTP_PROTOCOL,
    };

    int r;

    memcpy(outcome.enhanced, s->reply.enhanced, sizeof(outcome.enhanced));
    buffer_clear(&s->text);
    r = append_reply_text(&s->reply, &s->text);
    if (r >= 0)
        r = set_outcome(s, &outcome);
    if (r >= 0 || kind != DELIVERY_DELIVERED)
        return r;
    /* It must be known whatever becomes of its words, or the message is sent again. */
    s->outcome = outcome;
    s->outcome.text = "";
    return 0;
}

void smtp_withhold(SmtpSession *s, SmtpFlight *flight)
{
    Buffer text = s->withheld_text;

    s->withheld_text = s->text;
    s->text = text;
    s->withheld = s->outcome;
    flight->withheld = true;
}

int smtp_outcome_verdict(
    SmtpSession *s, const SmtpFlight *flight, DeliveryKind kind, DeliveryStage stage)
{
    if (!flight->withheld)
        return smtp_outcome_reply(s, kind, stage);
    s->outcome = s->withheld;
    return 0;
}

int smtp_outcome_unexpected(SmtpSession *s)
{
    DeliveryOutcome like = {
        .kind = DELIVERY_CUT_OFF,
        .cause = CAUSE_PROTOCOL,
        .stage = smtp_session_stage(s),
        .code = s->reply.code,
        .error = ERROR_SMTP_PROTOCOL,
    };

    memcpy(like.enhanced, s->reply.enhanced, sizeof(like.enhanced));
    buffer_clear(&s->text);
    if (buffer_appendf(&s->text, "unexpected reply while %s: %d ", smtp_doing(s), s->reply.code) <
            0 ||
        append_reply_text(&s->reply, &s->text) < 0)
        return -ENOMEM;
    return set_outcome(s, &like);
}

int smtp_outcome_own(SmtpSession *s, const DeliveryOutcome *like, const char *format, ...)
{
    va_list arguments;
    int r;

    buffer_clear(&s->text);
    va_start(arguments, format);
    r = buffer_appendv(&s->text, format, arguments);
    va_end(arguments);
    return r < 0 ? r : set_outcome(s, like);
}

int smtp_outcome_append(SmtpSession *s, const char *more)
{
    const DeliveryOutcome outcome = s->outcome;

    buffer_truncate(&s->text, buffer_size(&s->text) - 1);
    if (buffer_appendf(&s->text, ": %s", more) < 0)
        return -ENOMEM;
    return set_outcome(s, &outcome);
}

void smtp_announce(SmtpSession *s, SmtpFlight *flight, size_t recipient)
{
    s->announced = flight;
    s->announce_all = false;
    s->recipient = recipient;
}

void smtp_announce_all(SmtpSession *s, SmtpFlight *flight)
{
    s->announced = flight;
    s->announce_all = true;
    s->recipient = 0;
}

/* Begins to tell those that are left that they do not get the message either. */
static void go_on_with_rest(SmtpSession *s, SmtpFlight *flight)
{
    flight->stopped = false;
    s->announce_all = s->announce_rest = true;
}

/* The outcome of the recipient that was refused, in words for the others. Without memory they are
 * told the same words. */
static void explain_rest(SmtpSession *s, const SmtpFlight *flight)
{
    const DeliveryOutcome outcome = s->outcome;
    Buffer text = {0}, former = s->text;

    s->announce_rest = false;
    if (buffer_appendf(&text, "not sent, for %s was refused: %s",
            flight->transaction->recipients[s->recipient].address, outcome.text) < 0) {
        buffer_done(&text);
        return;
    }
    s->text = text;
    if (set_outcome(s, &outcome) < 0) {
        buffer_done(&s->text);
        s->text = former;
        s->outcome = outcome;
        return;
    }
    buffer_done(&former);
}

/* One recipient of what is announced. */
static int recipient_event(SmtpSession *s, SmtpEvent *ret)
{
    SmtpFlight *flight = s->announced;
    size_t n = flight->transaction->n_recipients;

    if (s->announce_rest) {
        explain_rest(s, flight);
        s->recipient = 0;
    }
    while (
        s->announce_all && s->recipient < n && flight->states[s->recipient] != SMTP_RECIPIENT_OPEN)
        s->recipient++;
    if (s->recipient >= n) {
        s->announced = NULL;
        return 0;
    }
    if (flight->states[s->recipient] == SMTP_RECIPIENT_OPEN)
        flight->states[s->recipient] = SMTP_RECIPIENT_JUDGED;
    assert(flight->n_open > 0);
    flight->n_open--;
    *ret = (SmtpEvent){
        .type = SMTP_EVENT_RECIPIENT,
        .transaction = flight->transaction,
        .recipient = s->recipient,
        .outcome = &s->outcome,
    };
    if (flight->stopped && flight->n_open > 0)
        go_on_with_rest(s, flight);
    else if (!s->announce_all || flight->n_open == 0)
        s->announced = NULL;
    return 1;
}

/* The oldest transaction is over. */
static int done_event(SmtpSession *s, SmtpEvent *ret)
{
    SmtpFlight *flight = smtp_oldest_flight(s);

    *ret = (SmtpEvent){
        .type = SMTP_EVENT_TRANSACTION_DONE,
        .transaction = flight->transaction,
        .accepted = flight->limit,
    };
    flight->transaction = NULL;
    s->first_flight ^= 1;
    s->n_flights--;
    s->operation = s->now;
    return 1;
}

/* What was withheld stands, now that nothing more is said. */
static int announce_withheld(SmtpSession *s, SmtpFlight *flight)
{
    smtp_readmit(flight);
    smtp_announce_all(s, flight);
    s->outcome = s->withheld;
    return 0;
}

/* What the end of the session is to the oldest transaction: to those for whom a reply to the
 * content would have decided, then to those it could not have been good for any more. */
static int announce_end(SmtpSession *s, SmtpFlight *flight)
{
    DeliveryOutcome outcome = s->end;
    bool hopeful = smtp_flight_is_hopeful(flight);

    outcome.kind = DELIVERY_CUT_OFF;
    outcome.under_way = smtp_flight_is_under_way(s, flight);
    outcome.perhaps = smtp_flight_may_be_taken(s, flight);
    s->end.under_way |= outcome.under_way;
    s->end.perhaps |= outcome.perhaps;
    if (!hopeful)
        smtp_readmit(flight);
    else if (flight->accepted == 0)
        smtp_admit_odd(flight);
    smtp_announce_all(s, flight);
    return smtp_outcome_own(s, &outcome, "%s%s", s->end.text,
        outcome.perhaps ? "; the message may have been delivered" : "");
}

static int ending_event(SmtpSession *s, SmtpEvent *ret)
{
    SmtpFlight *flight = smtp_oldest_flight(s);
    int r;

    if (flight && flight->n_open > 0) {
        r = flight->withheld ? announce_withheld(s, flight) : announce_end(s, flight);
        return r < 0 ? r : recipient_event(s, ret);
    }
    if (flight)
        return done_event(s, ret);
    s->state = SMTP_SESSION_OVER;
    *ret = (SmtpEvent){.type = SMTP_EVENT_CLOSED, .outcome = &s->end};
    return 1;
}

int smtp_next_event(SmtpSession *s, SmtpEvent *ret)
{
    SmtpFlight *flight = smtp_oldest_flight(s);

    if (s->announced && recipient_event(s, ret) > 0)
        return 1;
    if (s->state == SMTP_SESSION_ENDING)
        return ending_event(s, ret);
    if (flight && flight->n_open == 0 && flight->phase == SMTP_FLIGHT_SENT &&
        flight->outstanding == 0)
        return done_event(s, ret);
    if (s->reply_due) {
        s->reply_due = false;
        *ret = (SmtpEvent){.type = SMTP_EVENT_REPLY, .outcome = &s->outcome};
        return 1;
    }
    if (s->tls_due || s->ready_due) {
        *ret = (SmtpEvent){.type = s->tls_due ? SMTP_EVENT_NEED_TLS : SMTP_EVENT_READY};
        s->tls_due = s->ready_due = false;
        return 1;
    }
    return 0;
}
