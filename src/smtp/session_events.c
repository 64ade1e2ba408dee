/* What the session tells: the outcome of each recipient, the end of each transaction, the end of
 * the session, and against whom that end is held. Must never tell two outcomes of one recipient. */
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

/* One recipient of what is announced. */
static int recipient_event(SmtpSession *s, SmtpEvent *ret)
{
    SmtpFlight *flight = s->announced;
    size_t n = flight->transaction->n_recipients;

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
    if (s->outcome.kind != DELIVERY_CUT_OFF)
        flight->attempted = true;
    *ret = (SmtpEvent){
        .type = SMTP_EVENT_RECIPIENT,
        .transaction = flight->transaction,
        .recipient = s->recipient,
        .outcome = &s->outcome,
    };
    if (!s->announce_all || flight->n_open == 0)
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
        .attempted = flight->attempted,
    };
    if (s->blamed == flight)
        s->blamed = NULL;
    flight->transaction = NULL;
    s->first_flight ^= 1;
    s->n_flights--;
    return 1;
}

/* What the end of the session is to the oldest transaction. */
static int announce_end(SmtpSession *s, SmtpFlight *flight)
{
    DeliveryOutcome outcome = s->end;
    bool maybe = flight->end_at > 0 && s->written >= flight->end_at && s->end.code != 421;

    outcome.kind = s->blamed == flight ? DELIVERY_DEFERRED : DELIVERY_CUT_OFF;
    smtp_announce_all(s, flight);
    return smtp_outcome_own(
        s, &outcome, "%s%s", s->end.text, maybe ? "; the message may have been delivered" : "");
}

static int ending_event(SmtpSession *s, SmtpEvent *ret)
{
    SmtpFlight *flight = smtp_oldest_flight(s);
    int r;

    if (flight && flight->n_open > 0) {
        r = announce_end(s, flight);
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

int smtp_end(SmtpSession *s, bool blame)
{
    SmtpFlight *flight = smtp_oldest_flight(s);
    Buffer text = s->end_text;

    s->end_text = s->text;
    s->text = text;
    s->end = s->outcome;
    s->state = SMTP_SESSION_ENDING;
    s->tls_due = s->ready_due = false;
    s->blamed = NULL;
    if (blame && flight && flight->n_open > 0)
        s->blamed = flight;
    s->end.kind = s->blamed ? DELIVERY_DEFERRED : DELIVERY_CUT_OFF;
    if (s->quitting) {
        s->end.kind = DELIVERY_DELIVERED;
        s->end.error = ERROR_NONE;
    }
    buffer_clear(&s->output);
    s->chunk_open = false;
    return 0;
}

int smtp_end_fault(SmtpSession *s, DeliveryStage stage, int error)
{
    int r;

    r = smtp_outcome_reply(s, DELIVERY_CUT_OFF, stage);
    if (r < 0)
        return r;
    s->outcome.error = error;
    return smtp_end(s, false);
}

/* Whether a byte of the oldest transaction may have reached the server. */
static bool is_under_way(SmtpSession *s)
{
    SmtpFlight *flight = smtp_oldest_flight(s);

    return flight && flight->mail_written && s->written > flight->mail_at;
}

int smtp_end_protocol(SmtpSession *s, const char *what)
{
    const DeliveryOutcome like = {.stage = smtp_session_stage(s), .error = ERROR_SMTP_PROTOCOL};
    int r;

    r = smtp_outcome_own(s, &like, "%s, while %s: %.*s", what, smtp_doing(s),
        (int)MIN(buffer_size(&s->input), (size_t)128), buffer_data(&s->input));
    return r < 0 ? r : smtp_end(s, is_under_way(s));
}

int smtp_end_unexpected(SmtpSession *s)
{
    DeliveryOutcome like = {
        .stage = smtp_session_stage(s), .code = s->reply.code, .error = ERROR_SMTP_PROTOCOL};

    memcpy(like.enhanced, s->reply.enhanced, sizeof(like.enhanced));
    buffer_clear(&s->text);
    if (buffer_appendf(&s->text, "unexpected reply while %s: %d ", smtp_doing(s), s->reply.code) <
            0 ||
        append_reply_text(&s->reply, &s->text) < 0 || set_outcome(s, &like) < 0)
        return -ENOMEM;
    return smtp_end(s, is_under_way(s));
}

void smtp_keep_end_text(SmtpSession *s, const char *text)
{
    buffer_clear(&s->end_text);
    (void)buffer_append(&s->end_text, text, strlen(text) + 1);
}

/* What was kept; memory may have been short for it. */
static const char *kept_text(const SmtpSession *s)
{
    return buffer_size(&s->end_text) > 0 ? buffer_data(&s->end_text) : "not enough memory";
}

int smtp_end_lost(SmtpSession *s)
{
    DeliveryOutcome like = s->end;
    bool blame = like.kind == DELIVERY_DEFERRED && is_under_way(s);
    int r;

    if (blame || like.stage == STAGE_NONE)
        like.stage = smtp_session_stage(s);
    if (like.error == ERROR_NONE)
        like.error = ERROR_CONNECTION_DROPPED;
    if (like.kind == DELIVERY_DEFERRED)
        r = smtp_outcome_own(s, &like, "connection lost while %s: %s", smtp_doing(s), kept_text(s));
    else
        r = smtp_outcome_own(s, &like, "%s", kept_text(s));
    return r < 0 ? r : smtp_end(s, blame);
}

int smtp_end_timeout(SmtpSession *s)
{
    const DeliveryOutcome like = {.stage = smtp_session_stage(s), .error = ERROR_TIMEOUT};
    int r;

    r = smtp_outcome_own(s, &like, "timed out after %llu s while %s",
        (unsigned long long)(smtp_patience(s) / USEC_PER_SEC), smtp_doing(s));
    return r < 0 ? r : smtp_end(s, is_under_way(s));
}

int smtp_end_aborted(SmtpSession *s)
{
    const DeliveryOutcome like = {.stage = STAGE_MESSAGE, .error = ERROR_MESSAGE};
    int r;

    r = smtp_outcome_own(s, &like, "%s", kept_text(s));
    return r < 0 ? r : smtp_end(s, true);
}
