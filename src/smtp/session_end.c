/* Why a session ends, and what is still read before it does. Must never give up what the server
 * may have accepted while its reply can still come, nor take for accepted what was not. */
#include "base/errors.h"
#include "smtp/session_internal.h"

/* For so long what a server hung up at is not tried again. */
#define PAUSE (60 * USEC_PER_MINUTE)

/* Nothing is said any more; why is in `end`. */
static void close_session(SmtpSession *s)
{
    s->state = SMTP_SESSION_CLOSING;
    s->tls_due = s->ready_due = false;
    s->end.under_way = s->end.perhaps = false;
    s->end.kind = s->quitting ? DELIVERY_DELIVERED : DELIVERY_CUT_OFF;
    if (s->quitting)
        s->end.error = ERROR_NONE;
    s->cut_short = buffer_size(&s->output) > 0;
    buffer_clear(&s->output);
    s->chunk_open = false;
}

/* Whether anything can still be said. */
static bool is_heard(const SmtpSession *s)
{
    bool within = s->end.code / 100 == 3 || /* it waits for something else */
                  (s->end.cause == CAUSE_PROTOCOL && s->end.stage == STAGE_STARTTLS &&
                      s->end.reason != REASON_TLS_NOT_OFFERED);

    return !s->lost && !s->quitting && !s->cut_short && !within && s->farewell == 0;
}

/* The transaction whose content comes next, or the server may think so; NULL: a command does. */
static const SmtpFlight *flight_at_content(const SmtpSession *s)
{
    for (size_t i = 0; i < s->n_flights; i++) {
        const SmtpFlight *flight = &s->flights[s->first_flight ^ i];

        if (flight->phase == SMTP_FLIGHT_ASKED ||
            (flight->phase == SMTP_FLIGHT_CONTENT && !flight->bdat))
            return flight;
    }
    return NULL;
}

bool smtp_awaits_go_ahead(const SmtpSession *s)
{
    const SmtpFlight *flight = is_heard(s) ? flight_at_content(s) : NULL;

    return flight && flight->phase == SMTP_FLIGHT_ASKED && flight->outstanding > 0;
}

int smtp_say_last_word(SmtpSession *s)
{
    static const char quit[] = "QUIT\r\n";

    if (!is_heard(s) || flight_at_content(s))
        return 0;
    smtp_trace(s, SMTP_TRACE_CLIENT, quit, strlen(quit));
    return buffer_append_string(&s->output, quit);
}

int smtp_give_up(SmtpSession *s)
{
    Buffer text = s->end_text;

    if (s->state >= SMTP_SESSION_CLOSING)
        return 0;
    s->end_text = s->text;
    s->text = text;
    s->end = s->outcome;
    close_session(s);
    return 0;
}

/* The same, and nothing more is read. */
static int cut_off(SmtpSession *s)
{
    (void)smtp_give_up(s);
    s->state = SMTP_SESSION_ENDING;
    return 0;
}

int smtp_end_reply(SmtpSession *s, DeliveryStage stage, int error)
{
    int r;

    r = smtp_outcome_reply(s, DELIVERY_CUT_OFF, stage);
    if (r < 0)
        return r;
    s->outcome.error = error;
    return smtp_give_up(s);
}

int smtp_end_unexpected(SmtpSession *s)
{
    int r;

    r = smtp_outcome_unexpected(s);
    return r < 0 ? r : smtp_give_up(s);
}

int smtp_end_own(SmtpSession *s, DeliveryStage stage, int error, const char *text)
{
    const DeliveryOutcome like = {.cause = CAUSE_OWN, .stage = stage, .error = error};
    int r;

    r = smtp_outcome_own(s, &like, "%s", text);
    return r < 0 ? r : smtp_give_up(s);
}

void smtp_lacks(SmtpSession *s, unsigned capabilities)
{
    s->capabilities.refused |= capabilities;
    s->memory->lacks |= capabilities;
}

void smtp_end_refused_early(SmtpSession *s)
{
    s->end = (DeliveryOutcome){
        .cause = CAUSE_OWN,
        .stage = STAGE_CONTENT,
        .error = ERROR_SMTP_PROTOCOL,
        .text = "the server refused the message before its end",
    };
    close_session(s);
    s->cut_short = true;
}

/* Whether another transaction was begun before this one. */
static bool has_predecessor(const SmtpSession *s, const SmtpFlight *flight)
{
    size_t n = s->transactions;

    for (size_t i = 0; i < s->n_flights; i++) {
        const SmtpFlight *other = &s->flights[s->first_flight ^ i];

        n -= other->mail_written && other->mail_at > flight->mail_at;
    }
    return n > 1;
}

/* "Maximum number of messages per session exceeded", and the like. */
static bool speaks_of_connection(const char *text)
{
    return strcasestr(text, "message") &&
           (strcasestr(text, "per session") || strcasestr(text, "per connection") ||
               strcasestr(text, "this session") || strcasestr(text, "this connection"));
}

static bool is_used_up(SmtpSession *s, const SmtpFlight *flight, DeliveryStage stage)
{
    bool too_many = stage == STAGE_MAIL && strcmp(s->reply.enhanced, "4.5.3") == 0;

    return s->reply.code / 100 == 4 && has_predecessor(s, flight) && !flight->withheld &&
           (too_many || speaks_of_connection(s->outcome.text));
}

int smtp_end_used_up(SmtpSession *s, SmtpFlight *flight, DeliveryStage stage)
{
    int r = smtp_outcome_reply(s, DELIVERY_CUT_OFF, stage);

    if (r < 0 || !is_used_up(s, flight, stage))
        return MIN(r, 0);
    s->outcome.reason = REASON_USED_UP;
    /* What stands behind MAIL may be accepted all the same. */
    flight->mail_refused |= stage == STAGE_MAIL;
    if (stage != STAGE_MAIL) {
        flight->phase = SMTP_FLIGHT_SENT;
        smtp_leave_out(flight);
    }
    r = smtp_give_up(s);
    return r < 0 ? r : 1;
}

int smtp_end_not_known(SmtpSession *s, SmtpFlight *flight)
{
    int r;

    smtp_lacks(s, SMTP_CAP_CHUNKING);
    s->memory->lessons++;
    s->chunking = false;
    smtp_leave_out(flight);
    r = smtp_outcome_reply(s, DELIVERY_CUT_OFF, STAGE_CONTENT);
    return r < 0 ? r : cut_off(s);
}

int smtp_end_protocol(SmtpSession *s, const char *what)
{
    const DeliveryOutcome like = {
        .cause = CAUSE_PROTOCOL, .stage = smtp_session_stage(s), .error = ERROR_SMTP_PROTOCOL};
    int r;

    r = smtp_outcome_own(s, &like, "%s, while %s: %.*s", what, smtp_doing(s),
        (int)MIN(buffer_size(&s->input), (size_t)128), buffer_data(&s->input));
    return r < 0 ? r : cut_off(s);
}

void smtp_keep_end_text(SmtpSession *s, const char *text)
{
    buffer_clear(&s->end_text);
    (void)buffer_append(&s->end_text, text, strlen(text) + 1);
}

/* BDAT that is never answered may be a middlebox's work, which takes away what it does not know:
 * for a while DATA does. */
static void note_unanswered(SmtpSession *s)
{
    const SmtpExpected *due = &s->expected[s->expected_first];

    if (s->n_expected > 0 && (due->step == SMTP_STEP_CHUNK || due->step == SMTP_STEP_CONTENT) &&
        due->flight->bdat)
        s->memory->bdat_again = usec_add(s->now, PAUSE);
}

/* What was kept; memory may have been short for it. */
static const char *kept_text(const SmtpSession *s)
{
    return buffer_size(&s->end_text) > 0 ? buffer_data(&s->end_text) : "not enough memory";
}

void smtp_note_refusal(SmtpSession *s)
{
    Buffer text = s->refusal_text;

    s->refusal_text = s->text;
    s->text = text;
    s->refusal = s->outcome;
}

/* What the server said of its own accord stands in front of how the connection ended. A login that
 * had no answer yet may be taken another time: user and password are not refused. */
static int put_refusal_first(SmtpSession *s)
{
    _cleanup_buffer_ Buffer how = s->text;
    DeliveryOutcome like = s->refusal;

    if (like.error == ERROR_AUTHENTICATION && s->outcome.cause != CAUSE_OWN)
        like.error = s->outcome.error;
    s->text = (Buffer){0};
    return smtp_outcome_own(s, &like, "%s; then: %s", s->refusal.text, buffer_data(&how));
}

/* A server that hangs up where EHLO was said may take HELO in its place. */
static void learn_helo(SmtpSession *s)
{
    s->memory->ehlo_again = usec_add(s->now, PAUSE);
    s->memory->lessons++;
}

/* The connection ends before READY as `outcome` says: what was refused before is why. */
static int recall_refusal(SmtpSession *s)
{
    if (s->state != SMTP_SESSION_OPENING || s->refusal.code == 0)
        return 0;
    smtp_note_login_cut_off(s);
    if (s->ehlo_refused && s->refusal.stage == STAGE_EHLO)
        learn_helo(s);
    return put_refusal_first(s);
}

/* Some servers close without a word behind a command that they do not know (RFC 5321, 3.2). When
 * they do so behind HELO as well it was not EHLO. */
static int note_closed_at_hello(SmtpSession *s)
{
    SmtpStep step = s->n_expected > 0 ? s->expected[s->expected_first].step : SMTP_STEP_GREETING;

    if (s->outcome.cause != CAUSE_LOST || s->refusal.code > 0 || s->memory->ehlo_taken)
        return 0;
    if (step == SMTP_STEP_HELO)
        s->memory->ehlo_again = 0;
    if (step != SMTP_STEP_EHLO)
        return 0;
    if (!smtp_hello_suffices(s))
        return smtp_explain_ehlo(s);
    learn_helo(s);
    return 0;
}

int smtp_end_after_refusal(SmtpSession *s)
{
    int r = recall_refusal(s);

    return r < 0 ? r : smtp_give_up(s);
}

/* The connection ended as `outcome` says. */
static int end_cut_off(SmtpSession *s)
{
    int r = note_closed_at_hello(s);

    if (r >= 0)
        r = recall_refusal(s);
    note_unanswered(s);
    return r < 0 ? r : cut_off(s);
}

int smtp_end_closing(SmtpSession *s)
{
    int r = smtp_outcome_reply(s, DELIVERY_CUT_OFF, smtp_session_stage(s));

    return r < 0 ? r : smtp_end_after_refusal(s);
}

int smtp_end_lost(SmtpSession *s)
{
    DeliveryOutcome like = s->end;
    int r;

    if (like.error == ERROR_NONE)
        like.error = ERROR_CONNECTION_DROPPED;
    if (like.stage != STAGE_NONE) {
        r = smtp_outcome_own(s, &like, "%s", kept_text(s));
    } else {
        like.stage = smtp_session_stage(s);
        r = smtp_outcome_own(s, &like, "connection lost while %s: %s", smtp_doing(s), kept_text(s));
    }
    return r < 0 ? r : end_cut_off(s);
}

int smtp_end_timeout(SmtpSession *s)
{
    const DeliveryOutcome like = {
        .cause = CAUSE_TIMEOUT, .stage = smtp_session_stage(s), .error = ERROR_TIMEOUT};
    int r;

    if (smtp_time_is_over(s))
        r = smtp_outcome_own(s, &like,
            "the %llu s in all that absolute_timeout allows were over while %s",
            (unsigned long long)(s->options->time_in_all / USEC_PER_SEC), smtp_doing(s));
    else
        r = smtp_outcome_own(s, &like, "timed out after %llu s while %s",
            (unsigned long long)(smtp_patience(s) / USEC_PER_SEC), smtp_doing(s));
    return r < 0 ? r : end_cut_off(s);
}

int smtp_end_aborted(SmtpSession *s)
{
    const DeliveryOutcome like = {
        .cause = CAUSE_OWN, .stage = STAGE_MESSAGE, .error = ERROR_MESSAGE};
    int r;

    r = smtp_outcome_own(s, &like, "%s", kept_text(s));
    return r < 0 ? r : smtp_give_up(s);
}

/* ---- what is under way ---- */

bool smtp_flight_is_under_way(const SmtpSession *s, const SmtpFlight *flight)
{
    return flight->mail_written && s->written > flight->mail_at;
}

static bool is_end_written(const SmtpSession *s, const SmtpFlight *flight)
{
    return flight->end_at > 0 && s->written >= flight->end_at;
}

bool smtp_flight_is_hopeful(const SmtpFlight *flight)
{
    return flight->n_open > flight->n_out + (flight->accepted > 0 ? flight->n_odd : 0);
}

/* A server that closes as it said has taken nothing of what it had not answered then. */
bool smtp_flight_may_be_taken(const SmtpSession *s, const SmtpFlight *flight)
{
    if (!is_end_written(s, flight) || flight->end_judged)
        return false;
    if (!smtp_flight_is_hopeful(flight))
        return flight->unsure && !flight->end_due;
    if (!flight->end_due)
        return true;
    return flight->end_at > s->farewell && (!flight->mail_refused || flight->accepted > 0);
}

bool smtp_session_awaits_verdict(const SmtpSession *s)
{
    for (size_t i = 0; i < s->n_flights; i++) {
        const SmtpFlight *flight = &s->flights[s->first_flight ^ i];

        if (flight->end_due && is_end_written(s, flight) &&
            (smtp_flight_is_hopeful(flight) || flight->unsure))
            return true;
    }
    return false;
}

/* ---- replies after the session was given up ---- */

/* Every recipient in state `from` comes to be in state `to`. */
static void change_states(SmtpFlight *flight, SmtpRecipientState from, SmtpRecipientState to)
{
    for (size_t i = 0; i < flight->transaction->n_recipients; i++)
        if (flight->states[i] == from)
            flight->states[i] = (unsigned char)to;
}

void smtp_leave_out(SmtpFlight *flight)
{
    change_states(flight, SMTP_RECIPIENT_OPEN, SMTP_RECIPIENT_OUT);
    change_states(flight, SMTP_RECIPIENT_ODD, SMTP_RECIPIENT_OUT);
    flight->n_odd = 0;
    flight->n_out = flight->n_open;
}

void smtp_admit_odd(SmtpFlight *flight)
{
    change_states(flight, SMTP_RECIPIENT_ODD, SMTP_RECIPIENT_OPEN);
    flight->n_odd = 0;
}

void smtp_readmit(SmtpFlight *flight)
{
    smtp_admit_odd(flight);
    change_states(flight, SMTP_RECIPIENT_OUT, SMTP_RECIPIENT_OPEN);
    flight->n_out = 0;
}

void smtp_note_rcpt_reply(SmtpSession *s, SmtpFlight *flight, size_t recipient)
{
    if (smtp_reply_done_well(s)) {
        flight->accepted++;
        flight->limit = 0; /* what was refused before it was refused for another reason */
    } else if (flight->states[recipient] != SMTP_RECIPIENT_OPEN) {
        return;
    } else if (smtp_reply_refused(s)) {
        flight->states[recipient] = SMTP_RECIPIENT_OUT;
        flight->n_out++;
        flight->unsure |= smtp_reply_is_farewell(s);
    } else {
        flight->states[recipient] = SMTP_RECIPIENT_ODD;
        flight->n_odd++;
    }
}

/* The same of LMTP, for one recipient. */
static int drain_verdict(SmtpSession *s, SmtpFlight *flight)
{
    size_t recipient = smtp_next_verdict(flight);
    int r;

    if (recipient == SIZE_MAX)
        return 0;
    if (smtp_reply_done_well(s)) {
        r = smtp_outcome_reply(s, DELIVERY_DELIVERED, STAGE_CONTENT);
        if (r >= 0)
            smtp_announce(s, flight, recipient);
        return r;
    }
    if (smtp_reply_refused(s)) {
        flight->states[recipient] = SMTP_RECIPIENT_OUT;
        flight->n_out++;
    }
    return 0;
}

static int drain_content_reply(SmtpSession *s, SmtpFlight *flight)
{
    if (s->options->lmtp && s->written >= flight->end_at)
        return drain_verdict(s, flight);
    if (smtp_reply_done_well(s) && s->written >= flight->end_at) {
        /* A yes that nobody can be told to be meant by decides nothing. */
        flight->end_judged = smtp_flight_is_hopeful(flight);
        return smtp_delivered(s, flight);
    }
    if (smtp_reply_refused(s))
        smtp_leave_out(flight);
    return 0;
}

/* What is left of a message without one of its chunks is not the message. */
static void drain_chunk_reply(SmtpSession *s, SmtpFlight *flight)
{
    if (smtp_reply_done_well(s))
        return;
    smtp_leave_out(flight);
    flight->unsure = true;
}

/* After "go ahead" there would be content to write, and there is none any more. */
static void drain_data_reply(SmtpSession *s, SmtpFlight *flight)
{
    if (s->reply.code / 100 == 3)
        s->cut_short = true;
    else
        flight->phase = SMTP_FLIGHT_SENT;
}

/* A refusal may be but what follows from why the session was given up (503, above all), so that it
 * is no verdict. Where RCPT is accepted there is a transaction, whatever was said to MAIL. */
int smtp_drain_reply(SmtpSession *s, SmtpStep step, SmtpFlight *flight)
{
    if ((step == SMTP_STEP_CHUNK || step == SMTP_STEP_CONTENT) && smtp_bdat_is_unknown(s, flight))
        return smtp_end_not_known(s, flight);
    switch (step) {
    case SMTP_STEP_MAIL: flight->mail_refused = smtp_reply_refused(s); return 0;
    case SMTP_STEP_DATA: drain_data_reply(s, flight); return 0;
    case SMTP_STEP_CHUNK: drain_chunk_reply(s, flight); return 0;
    case SMTP_STEP_RCPT: smtp_note_rcpt_reply(s, flight, smtp_answered_recipient(flight)); return 0;
    case SMTP_STEP_CONTENT: return drain_content_reply(s, flight);
    default: return 0;
    }
}
