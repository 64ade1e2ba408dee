/* An SMTP client session: its public face and the loop that turns input and time into events. Must
 * never touch a descriptor, read a clock or say anything but through its events and its trace. */
#include "smtp/session.h"

#include <assert.h>
#include <errno.h>

#include "base/errors.h"
#include "smtp/session_internal.h"

int smtp_session_new(const SmtpOptions *options, usec_t now, SmtpSession **ret)
{
    _cleanup_(smtp_session_free_p) SmtpSession *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->options = options;
    s->memory = options->memory ?: &s->own_memory;
    s->state = SMTP_SESSION_OPENING;
    s->now = s->progress = now;
    s->operation = options->began > 0 ? options->began : now;
    s->tls.active = options->tls == SMTP_TLS_ACTIVE;
    r = smtp_say(s, SMTP_STEP_GREETING, NULL);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

/* Leaves nothing of a password in the output's memory. */
static void wipe_output(SmtpSession *s)
{
    if (s->output_secret)
        explicit_bzero(s->output.memory, s->output.allocated);
    s->output_secret = false;
}

void smtp_session_free(SmtpSession *s)
{
    if (!s)
        return;
    wipe_output(s);
    buffer_done(&s->input);
    buffer_done(&s->output);
    buffer_done(&s->scratch);
    buffer_done(&s->tls_data);
    buffer_done(&s->text);
    buffer_done(&s->withheld_text);
    buffer_done(&s->refusal_text);
    buffer_done(&s->end_text);
    smtp_reply_done(&s->reply);
    smtp_auth_free(s->auth);
    failure_done(&s->auth_failure);
    for (size_t i = 0; i < ELEMENTSOF(s->flights); i++)
        free(s->flights[i].states);
    free(s);
}

char *smtp_session_reserve(SmtpSession *s, size_t n)
{
    return buffer_reserve(&s->input, n);
}

bool smtp_session_has_input(const SmtpSession *s)
{
    return buffer_size(&s->input) > 0;
}

void smtp_session_received(SmtpSession *s, size_t n, usec_t now)
{
    s->now = now;
    buffer_commit(&s->input, n);
}

void smtp_session_written(SmtpSession *s, size_t n, usec_t now)
{
    s->now = now;
    if (n > 0)
        s->progress = now;
    s->written += n;
    buffer_consume(&s->output, n);
    if (buffer_size(&s->output) == 0)
        wipe_output(s);
}

/* The same once the session is given up: replies that are still worth having are read, and what
 * tells whether the server can hear QUIT. */
static int work_closing(SmtpSession *s)
{
    bool over = !smtp_session_awaits_verdict(s) && !smtp_awaits_go_ahead(s);
    int r;

    r = over ? 0 : smtp_read_reply(s);
    if (r != 0)
        return r;
    if (!over && !s->lost && s->now < smtp_session_deadline(s))
        return 0;
    s->state = SMTP_SESSION_ENDING;
    return over ? smtp_say_last_word(s) ?: 1 : 1;
}

/* Does one thing that may lead to an event. 1 when it did, 0 when there is nothing to do. */
static int work(SmtpSession *s)
{
    const SmtpFlight *flight = smtp_oldest_flight(s);
    int r;

    if (s->state == SMTP_SESSION_OVER)
        return 0;
    if (s->state == SMTP_SESSION_CLOSING)
        return work_closing(s);
    r = smtp_read_reply(s);
    if (r != 0)
        return r;
    if (s->state == SMTP_SESSION_TLS && buffer_size(&s->input) > 0)
        r = smtp_refuse_plaintext(s);
    else if (s->lost)
        r = smtp_end_lost(s);
    else if (flight && flight->aborted && flight->phase == SMTP_FLIGHT_CONTENT)
        r = smtp_end_aborted(s);
    else if (s->now >= smtp_session_deadline(s))
        r = smtp_end_timeout(s);
    else if (s->quit_wanted && !s->quitting && smtp_session_is_idle(s))
        r = smtp_say(s, SMTP_STEP_QUIT, NULL);
    else
        return 0;
    return r < 0 ? r : 1;
}

int smtp_session_step(SmtpSession *s, usec_t now, SmtpEvent *ret)
{
    int r;

    s->now = now;
    do {
        r = smtp_pump(s);
        if (r < 0)
            return r;
        r = smtp_next_event(s, ret);
        if (r != 0)
            return r;
        r = work(s);
    } while (r > 0);
    if (r < 0 || !smtp_wants_content(s))
        return r;
    *ret = (SmtpEvent){
        .type = SMTP_EVENT_NEED_CONTENT,
        .transaction = smtp_content_flight(s)->transaction,
    };
    return 1;
}

bool smtp_session_can_submit(const SmtpSession *s)
{
    return s->state == SMTP_SESSION_READY && !s->ready_due && !s->quit_wanted && !s->lost &&
           s->n_flights < ELEMENTSOF(s->flights) && (s->n_flights > 0 || s->n_expected == 0);
}

bool smtp_session_is_idle(const SmtpSession *s)
{
    return s->state == SMTP_SESSION_READY && !s->ready_due && s->n_flights == 0 &&
           s->n_expected == 0;
}

/* Room for the recipients' states, all open. */
static int prepare_states(SmtpFlight *flight, size_t n)
{
    if (n > flight->states_allocated) {
        unsigned char *states = realloc(flight->states, n);

        if (!states)
            return -ENOMEM;
        flight->states = states;
        flight->states_allocated = n;
    }
    if (n > 0)
        memset(flight->states, SMTP_RECIPIENT_OPEN, n);
    return 0;
}

int smtp_session_submit(SmtpSession *s, SmtpTransaction *transaction, usec_t now)
{
    SmtpFlight *flight = &s->flights[s->first_flight ^ s->n_flights];

    assert(smtp_session_can_submit(s));
    if (prepare_states(flight, transaction->n_recipients) < 0)
        return -ENOMEM;
    *flight = (SmtpFlight){
        .transaction = transaction,
        .phase = SMTP_FLIGHT_START,
        .states = flight->states,
        .states_allocated = flight->states_allocated,
        .n_open = transaction->n_recipients,
    };
    flight->waits = s->options->lmtp; /* how many replies the content's end has is to be known */
    for (size_t i = 0; i < transaction->n_recipients && !flight->waits; i++)
        flight->waits = transaction->recipients[i].required;
    s->now = now;
    if (s->n_flights++ == 0)
        s->progress = s->operation = now;
    return 0;
}

void smtp_session_lost(SmtpSession *s, const DeliveryOutcome *why)
{
    if (s->lost || s->state == SMTP_SESSION_ENDING || s->state == SMTP_SESSION_OVER)
        return;
    s->lost = true;
    if (s->state == SMTP_SESSION_CLOSING)
        return;
    s->end = (DeliveryOutcome){
        .cause = why->cause, .stage = why->stage, .error = why->error, .reason = why->reason};
    smtp_keep_end_text(s, why->text);
}

const SmtpCapabilities *smtp_session_capabilities(const SmtpSession *s)
{
    return &s->capabilities;
}

bool smtp_session_is_verified(const SmtpSession *s)
{
    return s->tls.active && s->tls.verified;
}

const char *smtp_session_mechanism(const SmtpSession *s)
{
    return s->mechanism[0] != '\0' ? s->mechanism : NULL;
}

void smtp_session_explain_auth(
    const SmtpSession *s, void (*tell)(void *user, const SmtpAuthFit *fit), void *user)
{
    if (s->capabilities.esmtp && smtp_auth_wanted(&s->options->auth))
        smtp_auth_explain(
            &s->options->auth, &s->capabilities, &s->tls, s->auth_refused, tell, user);
}
