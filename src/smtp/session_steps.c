/* The session's dialogue, step by step: writes commands, keeps the list of replies that are due,
 * takes replies one by one and gives each to its step, and knows how long each may take. Must never
 * judge what a reply means for a message. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/errors.h"
#include "smtp/session_internal.h"

#define QUIT_PATIENCE (10 * USEC_PER_SEC)    /* nothing depends on its reply */
#define BLOCK_PATIENCE (3 * USEC_PER_MINUTE) /* RFC 5321, 4.5.3.2.5 */

/* From 421 to the end, whatever is said meanwhile. The server closes at once, as it said, or goes
 * on, and looks into the message. */
#define FAREWELL_PATIENCE (30 * USEC_PER_SEC)

typedef struct StepRow {
    int (*send)(SmtpSession *s, SmtpFlight *flight);
    int (*on_reply)(SmtpSession *s, SmtpFlight *flight);
    DeliveryStage stage;
    unsigned minutes;
    bool shown;
    const char *doing;
} StepRow;

static const StepRow step_rows[SMTP_STEP_MAX] = {
#define STEP_ROW(name, stem, stage, minutes, shown, doing) \
    [SMTP_STEP_##name] = {smtp_send_##stem, smtp_on_##stem##_reply, stage, minutes, shown, doing},
    SMTP_STEPS(STEP_ROW)
#undef STEP_ROW
};

static const StepRow *current_row(const SmtpSession *s)
{
    return s->n_expected > 0 ? &step_rows[s->expected[s->expected_first].step] : NULL;
}

void smtp_trace(const SmtpSession *s, SmtpTraceDirection direction, const char *data, size_t n)
{
    if (!s->options->trace)
        return;
    while (n > 0) {
        const char *end = memchr(data, '\n', n);
        size_t line = end ? (size_t)(end - data) : n, next = end ? line + 1 : n;

        while (line > 0 && data[line - 1] == '\r')
            line--;
        s->options->trace(s->options->trace_user, direction, data, line);
        data += next;
        n -= next;
    }
}

void smtp_trace_content(const SmtpSession *s, SmtpFlight *flight)
{
    char line[64];
    int n;

    if (!s->options->trace)
        return;
    n = snprintf(line, sizeof(line), "[%zu bytes of message]", flight->content_bytes);
    smtp_trace(s, SMTP_TRACE_INFO, line, (size_t)n);
    flight->content_bytes = 0;
}

void smtp_expect(SmtpSession *s, SmtpStep step, SmtpFlight *flight, size_t at)
{
    size_t last = (s->expected_first + s->n_expected - 1) % SMTP_EXPECTED_MAX;

    if (flight)
        flight->outstanding++;
    if (s->n_expected == 0)
        s->progress = s->now;
    else if (s->expected[last].step == step && s->expected[last].flight == flight) {
        s->expected[last].n++;
        return;
    }
    assert(s->n_expected < SMTP_EXPECTED_MAX);
    last = (s->expected_first + s->n_expected++) % SMTP_EXPECTED_MAX;
    s->expected[last] =
        (SmtpExpected){.step = step, .flight = flight, .n = 1, .at = s->written + at};
}

/* The reply to the first expected step has come. */
static void expect_less(SmtpSession *s)
{
    SmtpExpected *expected = &s->expected[s->expected_first];

    if (expected->flight)
        expected->flight->outstanding--;
    if (--expected->n > 0)
        return;
    s->expected_first = (s->expected_first + 1) % SMTP_EXPECTED_MAX;
    s->n_expected--;
}

int smtp_say(SmtpSession *s, SmtpStep step, SmtpFlight *flight)
{
    size_t before = buffer_size(&s->output);
    int r;

    r = step_rows[step].send(s, flight);
    if (r < 0) {
        buffer_truncate(&s->output, before);
        return r;
    }
    if (step_rows[step].shown && buffer_size(&s->output) > before)
        smtp_trace(
            s, SMTP_TRACE_CLIENT, buffer_at(&s->output, before), buffer_size(&s->output) - before);
    smtp_expect(s, step, flight, before);
    return 0;
}

/* A reply that nothing waits for. Only 421 may come at any time (RFC 5321, 3.8); a refusal while
 * the message is being sent can mean but one thing. */
static int unasked_reply(SmtpSession *s)
{
    if (s->reply.code == 421)
        return smtp_end_closing(s);
    if (smtp_reply_refused(s) && smtp_content_flight(s))
        return smtp_refused_early(s, smtp_content_flight(s));
    if (s->auth && s->reply.code == 334 &&
        smtp_auth_challenge_tells(
            s->auth, buffer_data(&s->reply.text), buffer_size(&s->reply.text)))
        memset(s->reply.text.memory + s->reply.text.start, '*', buffer_size(&s->reply.text) - 1);
    return smtp_end_unexpected(s);
}

/* The reply to the end of a message is no longer due. */
static void note_end_answered(SmtpSession *s, const SmtpExpected *expected)
{
    if (expected->step != SMTP_STEP_CONTENT || expected->n > 1)
        return; /* of another step, or of one recipient of several */
    expected->flight->end_due = false;
    expected->flight->end_judged = smtp_reply_done_well(s) || smtp_reply_refused(s);
}

/* A refusal may be all that it has to say before it closes, anything else shows that it goes on. */
static void note_farewell(SmtpSession *s)
{
    if (smtp_reply_is_farewell(s))
        s->farewell = MAX(s->written, 1u); /* 0 is none */
    else if (!smtp_reply_refused(s))
        s->farewell = 0;
    if (s->reply.code == 421 && s->farewell_at == 0)
        s->farewell_at = s->now;
}

/* Whether a reply came before a byte of the command that it would be taken for has gone out: one
 * reply too many, which would be the first of many that are taken for the next one's. */
static bool is_premature(const SmtpSession *s, const SmtpExpected *expected)
{
    switch (expected->step) {
    case SMTP_STEP_GREETING: /* the server speaks first */
    case SMTP_STEP_CHUNK:    /* what was written is content, and has rules of its own */
    case SMTP_STEP_CONTENT: return false;
    default: return s->state < SMTP_SESSION_CLOSING && s->written <= expected->at;
    }
}

static int judge_reply(SmtpSession *s)
{
    SmtpExpected expected;
    int r = 0;

    s->progress = s->now;
    note_farewell(s);
    if (s->n_expected == 0)
        return unasked_reply(s);
    expected = s->expected[s->expected_first];
    if (is_premature(s, &expected))
        return unasked_reply(s);
    note_end_answered(s, &expected);
    if (s->reply.code == 421 && expected.step != SMTP_STEP_QUIT)
        r = smtp_end_closing(s);
    if (r >= 0 && s->state == SMTP_SESSION_CLOSING)
        r = smtp_drain_reply(s, expected.step, expected.flight);
    else if (r >= 0)
        r = step_rows[expected.step].on_reply(s, expected.flight);
    expect_less(s);
    return r;
}

/* Lines that have come. A challenge could not be masked before it was answered. */
static void trace_reply(const SmtpSession *s, const char *data, size_t n)
{
    static const char masked[] = "334 ***";

    if (!s->options->trace)
        return;
    for (const char *line = data, *end = data + n, *next; line < end; line = next) {
        size_t size;

        next = memchr(line, '\n', (size_t)(end - line));
        next = next ? next + 1 : end;
        size = (size_t)(next - line);
        if (s->auth && size > 4 && strncmp(line, "334", 3) == 0 &&
            smtp_auth_challenge_tells(s->auth, line + 4, size - 4))
            smtp_trace(s, SMTP_TRACE_SERVER, masked, sizeof(masked) - 1);
        else
            smtp_trace(s, SMTP_TRACE_SERVER, line, size);
    }
}

int smtp_read_reply(SmtpSession *s)
{
    size_t consumed = 0;
    int r;

    if (s->state == SMTP_SESSION_TLS || buffer_size(&s->input) == 0)
        return 0;
    if (s->auth)
        s->masked += smtp_auth_hide(s->auth, s->input.memory + s->input.start + s->masked,
            buffer_size(&s->input) - s->masked);
    r = smtp_reply_parse(&s->reply, buffer_data(&s->input), buffer_size(&s->input),
        s->options->max_line_bytes, &consumed);
    if (r < 0)
        return r;
    trace_reply(s, buffer_data(&s->input), consumed);
    buffer_consume(&s->input, consumed);
    s->masked -= MIN(s->masked, consumed);
    switch (r) {
    case SMTP_REPLY_MORE: return 0;
    case SMTP_REPLY_COMPLETE: r = judge_reply(s); break;
    case SMTP_REPLY_TOO_LONG:
        r = smtp_end_protocol(
            s, "the server's reply is over its limits (max_line_length, 512 lines, 64 KiB)");
        break;
    default: r = smtp_end_protocol(s, "the server sent something that is no SMTP reply"); break;
    }
    return r < 0 ? r : 1;
}

static bool is_sending(const SmtpSession *s)
{
    for (size_t i = 0; i < s->n_flights; i++)
        if (s->flights[s->first_flight ^ i].phase == SMTP_FLIGHT_CONTENT)
            return true;
    return false;
}

const char *smtp_doing(const SmtpSession *s)
{
    const StepRow *row = current_row(s);

    if (s->state == SMTP_SESSION_TLS)
        return "waiting for the TLS handshake";
    if (row && s->options->lmtp && row->stage == STAGE_EHLO)
        return "waiting for the reply to LHLO";
    if (row)
        return row->doing;
    return is_sending(s) ? "sending the message" : "idle";
}

DeliveryStage smtp_session_stage(const SmtpSession *s)
{
    const StepRow *row = current_row(s);

    if (s->state == SMTP_SESSION_ENDING || s->state == SMTP_SESSION_OVER)
        return s->end.stage;
    if (s->state == SMTP_SESSION_TLS)
        return STAGE_TLS;
    if (row)
        return row->stage;
    return is_sending(s) ? STAGE_CONTENT : STAGE_IDLE;
}

/* Of a session that is given up, replies are read as long as they may come. */
static usec_t end_of_operation(const SmtpSession *s)
{
    return s->options->time_in_all > 0 && s->state != SMTP_SESSION_CLOSING
               ? usec_add(s->operation, s->options->time_in_all)
               : USEC_NEVER;
}

bool smtp_time_is_over(const SmtpSession *s)
{
    return s->now >= end_of_operation(s);
}

usec_t smtp_session_deadline(const SmtpSession *s)
{
    bool waits = s->n_expected > 0 || s->n_flights > 0 || s->state == SMTP_SESSION_TLS;
    usec_t deadline;

    if (s->state == SMTP_SESSION_ENDING || s->state == SMTP_SESSION_OVER || !waits)
        return USEC_NEVER;
    deadline = MIN(usec_add(s->progress, smtp_patience(s)), end_of_operation(s));
    if (s->farewell_at > 0)
        deadline = MIN(deadline, usec_add(s->farewell_at, FAREWELL_PATIENCE));
    return deadline;
}

void smtp_session_put_off(SmtpSession *s, usec_t time)
{
    s->progress = usec_add(s->progress, time);
    s->operation = usec_add(s->operation, time);
    if (s->farewell_at > 0)
        s->farewell_at = usec_add(s->farewell_at, time);
}

usec_t smtp_patience(const SmtpSession *s)
{
    const StepRow *row = current_row(s);
    usec_t timeout = s->options->timeout == 0 ? USEC_NEVER : s->options->timeout;
    usec_t stage = row ? row->minutes * USEC_PER_MINUTE : BLOCK_PATIENCE;

    if (s->quitting || (s->state == SMTP_SESSION_CLOSING && !smtp_session_awaits_verdict(s)))
        return MIN(timeout, QUIT_PATIENCE);
    return s->options->timeout_by_stage ? MAX(timeout, stage) : timeout;
}
