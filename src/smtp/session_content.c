/* The message itself: what follows DATA (RFC 5321, 4.1.1.4), or chunks by BDAT (RFC 3030), encoded
 * straight into the output. Must never let a message that was cut short look complete.
 *
 * A chunk is what gathers between two looks of the driver at the output. Its size is known only
 * then, so room for the command is left in front of it, and closed up later. */
#include <errno.h>

#include "base/errors.h"
#include "smtp/session_internal.h"

#define CHUNK_GAP_BYTES 32 /* "BDAT 18446744073709551615 LAST" CR LF */

SmtpFlight *smtp_content_flight(SmtpSession *s)
{
    if (s->state != SMTP_SESSION_READY)
        return NULL;
    for (size_t i = 0; i < s->n_flights; i++) {
        SmtpFlight *flight = &s->flights[s->first_flight ^ i];

        if (flight->phase == SMTP_FLIGHT_CONTENT)
            return flight;
    }
    return NULL;
}

bool smtp_wants_content(SmtpSession *s)
{
    SmtpFlight *flight = smtp_content_flight(s);

    return flight && !flight->aborted && (s->pipelining || s->n_expected == 0) &&
           buffer_size(&s->output) < SMTP_OUTPUT_HIGH_BYTES;
}

void smtp_content_begin(SmtpSession *s, SmtpFlight *flight)
{
    flight->phase = SMTP_FLIGHT_CONTENT;
    s->progress = s->now;
    smtp_content_init(&flight->content, !flight->bdat);
}

/* Leaves room for the command, so that closing the chunk cannot fail for want of memory. */
static int open_chunk(SmtpSession *s)
{
    char *gap;

    if (s->chunk_open)
        return 0;
    gap = buffer_reserve(&s->output, CHUNK_GAP_BYTES);
    if (!gap || !buffer_reserve(&s->scratch, CHUNK_GAP_BYTES))
        return -ENOMEM;
    memset(gap, ' ', CHUNK_GAP_BYTES);
    s->chunk_start = buffer_size(&s->output);
    buffer_commit(&s->output, CHUNK_GAP_BYTES);
    s->chunk_open = true;
    return 0;
}

void smtp_chunk_drop(SmtpSession *s)
{
    if (s->chunk_open)
        buffer_truncate(&s->output, s->chunk_start);
    s->chunk_open = false;
}

/* Puts the command into the end of the gap and moves what stands in front of the gap up to it. */
static int close_chunk(SmtpSession *s, SmtpFlight *flight, bool last)
{
    size_t header, gap;
    char *start;
    int r;

    buffer_clear(&s->scratch);
    r = smtp_command_bdat(
        &s->scratch, buffer_size(&s->output) - s->chunk_start - CHUNK_GAP_BYTES, last);
    if (r < 0)
        return r;
    header = buffer_size(&s->scratch);
    gap = CHUNK_GAP_BYTES - header;
    start = s->output.memory + s->output.start;
    memcpy(start + s->chunk_start + gap, buffer_data(&s->scratch), header);
    memmove(start + gap, start, s->chunk_start);
    buffer_consume(&s->output, gap);
    s->chunk_open = false;
    smtp_trace(s, SMTP_TRACE_CLIENT, buffer_data(&s->scratch), header);
    smtp_trace_content(s, flight);
    return 0;
}

int smtp_session_content(SmtpSession *s, const char *data, size_t n)
{
    SmtpFlight *flight = smtp_content_flight(s);
    int r;

    if (!flight || flight->aborted || n == 0)
        return 0;
    if (flight->bdat) {
        r = open_chunk(s);
        if (r < 0)
            return r;
    }
    flight->content_bytes += n;
    return smtp_content_encode(&flight->content, data, n, &s->output);
}

Buffer *smtp_session_output(SmtpSession *s)
{
    SmtpFlight *flight = s->chunk_open ? smtp_content_flight(s) : NULL;

    if (flight && buffer_size(&s->output) - s->chunk_start > CHUNK_GAP_BYTES)
        (void)smtp_say(s, SMTP_STEP_CHUNK, flight);
    else
        smtp_chunk_drop(s);
    return &s->output;
}

int smtp_session_content_end(SmtpSession *s, usec_t now)
{
    SmtpFlight *flight = smtp_content_flight(s);
    int r;

    s->now = now;
    if (!flight || flight->aborted)
        return 0;
    r = smtp_say(s, SMTP_STEP_CONTENT, flight);
    if (r < 0)
        return r;
    for (size_t i = 1; s->options->lmtp && i < flight->n_open; i++)
        smtp_expect(s, SMTP_STEP_CONTENT, flight, 0);
    flight->phase = SMTP_FLIGHT_SENT;
    flight->end_at = s->written + buffer_size(&s->output);
    flight->end_due = true;
    return smtp_pump(s);
}

void smtp_session_content_abort(SmtpSession *s, const char *text)
{
    SmtpFlight *flight = smtp_content_flight(s);

    if (!flight || s->lost)
        return;
    smtp_chunk_drop(s);
    flight->aborted = true;
    smtp_keep_end_text(s, text);
}

int smtp_send_chunk(SmtpSession *s, SmtpFlight *flight)
{
    return close_chunk(s, flight, false);
}

int smtp_send_content(SmtpSession *s, SmtpFlight *flight)
{
    int r;

    if (!flight->bdat) {
        smtp_trace_content(s, flight);
        return smtp_content_finish(&flight->content, &s->output);
    }
    r = open_chunk(s);
    if (r >= 0)
        r = smtp_content_finish(&flight->content, &s->output);
    return r < 0 ? r : close_chunk(s, flight, true);
}

static int judge_refusal(SmtpSession *s, SmtpFlight *flight)
{
    int r;

    if (!smtp_reply_refused(s))
        return smtp_end_unexpected(s);
    smtp_flight_stop(s, flight);
    if (flight->n_open == 0)
        return 0;
    r = smtp_end_used_up(s, flight, STAGE_CONTENT);
    if (r != 0)
        return MIN(r, 0);
    r = smtp_outcome_verdict(s, flight, smtp_reply_kind(s), STAGE_CONTENT);
    if (r < 0)
        return r;
    smtp_announce_all(s, flight);
    return 0;
}

int smtp_refused_early(SmtpSession *s, SmtpFlight *flight)
{
    int r;

    r = judge_refusal(s, flight);
    smtp_end_refused_early(s);
    return r;
}

bool smtp_bdat_is_unknown(const SmtpSession *s, const SmtpFlight *flight)
{
    return flight->bdat && !s->knows_bdat && s->reply.code != 503 && smtp_reply_is_about_command(s);
}

/* BDAT is offered, and refused as a command (RFC 3030). That is no verdict on the message: from now
 * on DATA does. Who knew BDAT before has taken the chunk away; any other may have read it as
 * commands. */
static int do_without_bdat(SmtpSession *s, SmtpFlight *flight)
{
    smtp_flight_stop(s, flight);
    if (!s->knows_bdat)
        return smtp_end_not_known(s, flight);
    smtp_lacks(s, SMTP_CAP_CHUNKING);
    s->chunking = false;
    return smtp_postpone(s, flight, STAGE_CONTENT);
}

static bool is_bdat_refused(const SmtpSession *s, const SmtpFlight *flight)
{
    return smtp_bdat_is_unknown(s, flight) ||
           (flight->bdat && flight->n_open > 0 && !flight->withheld &&
               smtp_reply_is_about_command(s));
}

/* The first BDAT of the session is refused, for nobody takes the message. A server that did not
 * take the chunk away reads it as commands, whose replies would be taken for those to the next
 * message: nothing more is said. */
static int end_behind_chunk(SmtpSession *s, SmtpFlight *flight)
{
    int r = judge_refusal(s, flight);

    if (r < 0 || s->knows_bdat || !flight->bdat || !smtp_reply_is_about_command(s))
        return r;
    return smtp_end_own(s, STAGE_CONTENT, ERROR_SMTP_PROTOCOL,
        "the server refused BDAT, and may read the message as commands");
}

int smtp_on_chunk_reply(SmtpSession *s, SmtpFlight *flight)
{
    if (is_bdat_refused(s, flight))
        return do_without_bdat(s, flight);
    if (!smtp_reply_done_well(s))
        return end_behind_chunk(s, flight);
    s->knows_bdat = true;
    return 0;
}

int smtp_delivered(SmtpSession *s, SmtpFlight *flight)
{
    int r;

    if (!smtp_flight_is_hopeful(flight))
        return 0;
    if (flight->accepted == 0)
        smtp_admit_odd(flight);
    r = smtp_outcome_reply(s, DELIVERY_DELIVERED, STAGE_CONTENT);
    if (r < 0)
        return r;
    smtp_announce_all(s, flight);
    return 0;
}

size_t smtp_next_verdict(SmtpFlight *flight)
{
    size_t n = flight->transaction->n_recipients;

    while (flight->verdict < n && flight->states[flight->verdict] != SMTP_RECIPIENT_OPEN)
        flight->verdict++;
    return flight->verdict < n ? flight->verdict++ : SIZE_MAX;
}

/* It is about one recipient, who may be refused while others have the message. */
static int judge_one(SmtpSession *s, SmtpFlight *flight)
{
    bool good = smtp_reply_done_well(s);
    size_t recipient;
    int r;

    if (!good && !smtp_reply_refused(s))
        return smtp_end_unexpected(s);
    recipient = smtp_next_verdict(flight);
    if (recipient == SIZE_MAX)
        return 0;
    r = smtp_outcome_reply(s, good ? DELIVERY_DELIVERED : smtp_reply_kind(s), STAGE_CONTENT);
    if (r >= 0)
        smtp_announce(s, flight, recipient);
    return r;
}

/* The relay takes the message over, for those it accepted. What comes before the end has gone out
 * is no reply to it. */
int smtp_on_content_reply(SmtpSession *s, SmtpFlight *flight)
{
    bool early = s->written < flight->end_at;

    if (early && smtp_reply_refused(s))
        return smtp_refused_early(s, flight);
    if (early)
        return smtp_end_unexpected(s);
    if (s->options->lmtp)
        return judge_one(s, flight);
    if (is_bdat_refused(s, flight))
        return do_without_bdat(s, flight);
    if (!smtp_reply_done_well(s))
        return end_behind_chunk(s, flight);
    s->knows_bdat |= flight->bdat;
    return smtp_delivered(s, flight);
}
