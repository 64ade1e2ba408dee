/* A session with a client. Must never take for a command what came within a message, nor for a
 * message what came as commands. */
#include "receive/session.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "receive/reply.h"
#include "receive/session_internal.h"

/* ---- life ---- */

ReceiveSession *receive_session_new(const char *host, uint64_t max_bytes)
{
    _cleanup_(receive_session_free_p) ReceiveSession *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->max_bytes = max_bytes;
    s->host = strdup(host);
    if (!s->host || buffer_appendf(&s->replies, "220 %s ESMTP outbox\r\n", host) < 0)
        return NULL;
    return TAKE_PTR(s);
}

void receive_session_free(ReceiveSession *s)
{
    if (!s)
        return;
    free(s->transaction.refusal.text);
    buffer_done(&s->replies);
    buffer_done(&s->parameters);
    free(s->client);
    free(s->host);
    free(s);
}

Buffer *receive_session_replies(ReceiveSession *s)
{
    return &s->replies;
}

const char *receive_session_client(const ReceiveSession *s)
{
    return s->client;
}

const char *receive_session_protocol(const ReceiveSession *s)
{
    if (s->is_lmtp)
        return s->transaction.utf8 ? "UTF8LMTP" : "LMTP";
    return !s->extended ? "SMTP" : s->transaction.utf8 ? "UTF8SMTP" : "ESMTP";
}

/* ---- replies ---- */

void receive_reply(ReceiveSession *s, int code, const char *enhanced, const char *text)
{
    if (receive_append_reply(&s->replies, code, enhanced, text) < 0)
        s->failed = true;
}

void receive_session_close(ReceiveSession *s, int code, const char *enhanced, const char *text)
{
    if (!s->has_input)
        buffer_clear(&s->replies);
    receive_reset(s);
    receive_reply(s, code, enhanced, text);
    s->asked = RECEIVE_MORE;
    s->step = STEP_CLOSED;
}

void receive_too_many_mistakes(ReceiveSession *s)
{
    receive_session_close(s, 421, "4.7.0", "too many mistakes");
}

void receive_wrong(ReceiveSession *s, int code, const char *enhanced, const char *text)
{
    s->n_errors++;
    if (s->n_errors < RECEIVE_ERRORS_MAX)
        receive_reply(s, code, enhanced, text);
    else
        receive_too_many_mistakes(s);
}

/* ---- transactions ---- */

static void end_transaction(ReceiveSession *s)
{
    free(s->transaction.refusal.text);
    s->transaction = (ReceiveTransaction){0};
}

void receive_reset(ReceiveSession *s)
{
    s->drops |= s->transaction.told;
    end_transaction(s);
}

static void keep_refusal(ReceiveSession *s, int code, const char *enhanced, const char *text)
{
    ReceiveRefusal *refusal = &s->transaction.refusal;

    if (refusal->code != 0)
        return;
    refusal->code = code;
    (void)snprintf(refusal->enhanced, sizeof(refusal->enhanced), "%s", enhanced);
    refusal->text = strdup(text);
}

void receive_void_content(ReceiveSession *s, int code, const char *enhanced, const char *text)
{
    keep_refusal(s, code, enhanced, text);
    s->drops |= s->transaction.told;
    s->transaction.told = false;
}

/* A message gets one reply, with LMTP one for each recipient that was accepted (RFC 2033, 4.2). */
static void reply_to_message(ReceiveSession *s, int code, const char *enhanced, const char *text)
{
    unsigned n = s->is_lmtp ? MAX(s->transaction.n_recipients, 1U) : 1;

    while (n-- > 0)
        receive_reply(s, code, enhanced, text);
}

ReceiveEvent receive_finish_content(ReceiveSession *s)
{
    const ReceiveRefusal *refusal = &s->transaction.refusal;

    s->step = STEP_COMMAND;
    if (refusal->code == 0) {
        s->asked = RECEIVE_END;
        return RECEIVE_END;
    }
    reply_to_message(s, refusal->code, refusal->enhanced, refusal->text ?: "not taken");
    end_transaction(s);
    return RECEIVE_MORE;
}

/* ---- answers ---- */

void receive_session_accept(ReceiveSession *s, const char *text)
{
    ReceiveTransaction *t = &s->transaction;
    ReceiveEvent asked = s->asked;

    assert(asked != RECEIVE_MORE);
    s->asked = RECEIVE_MORE;
    if (asked == RECEIVE_SENDER) {
        t->has_sender = t->told = true;
        receive_reply(s, 250, "2.1.0", text);
    } else if (asked == RECEIVE_RECIPIENT) {
        t->n_recipients++;
        receive_reply(s, 250, "2.1.5", text);
    } else {
        reply_to_message(s, 250, "2.0.0", text);
        end_transaction(s);
        s->n_errors = s->n_commands = 0;
    }
}

void receive_session_refuse(ReceiveSession *s, int code, const char *enhanced, const char *text)
{
    ReceiveEvent asked = s->asked;

    s->asked = RECEIVE_MORE;
    if (asked == RECEIVE_MORE) { /* within the content */
        keep_refusal(s, code, enhanced, text);
        s->transaction.told = false;
        return;
    }
    if (asked != RECEIVE_END) {
        receive_reply(s, code, enhanced, text);
        if (asked == RECEIVE_SENDER)
            end_transaction(s);
        return;
    }
    reply_to_message(s, code, enhanced, text);
    end_transaction(s);
}

/* ---- content ---- */

/* Whether the octets may be told: all that is wrong with them is found first. */
static bool check_piece(ReceiveSession *s, size_t n)
{
    ReceiveTransaction *t = &s->transaction;

    t->bytes += n;
    if (t->content.stray)
        receive_void_content(s, 554, "5.6.0",
            "the message holds a CR or LF that stands alone: lines end with CR LF; nothing was "
            "queued");
    else if (s->max_bytes > 0 && t->bytes > s->max_bytes)
        receive_void_content(
            s, 552, "5.3.4", "the message is larger than SIZE allows; nothing was queued");
    return t->refusal.code == 0 && n > 0;
}

static ReceiveEvent take_data(ReceiveSession *s, const char **data, size_t *n, ReceivePart *ret)
{
    ReceivePiece piece;
    bool end = receive_content_dotted(&s->transaction.content, data, n, &piece);

    if (check_piece(s, piece.n)) {
        *ret = (ReceivePart){.data = piece.data, .n = piece.n};
        return RECEIVE_CONTENT;
    }
    return end ? receive_finish_content(s) : RECEIVE_MORE;
}

/* The chunk is there. */
static ReceiveEvent end_chunk(ReceiveSession *s)
{
    ReceiveTransaction *t = &s->transaction;

    t->content.stray |= s->chunk_is_last && receive_content_is_cut(&t->content);
    (void)check_piece(s, 0);
    if (s->chunk_is_last || t->refusal.code != 0)
        return receive_finish_content(s);
    receive_reply(s, 250, "2.0.0", "go on");
    s->step = STEP_COMMAND;
    return RECEIVE_MORE;
}

static ReceiveEvent take_chunk(ReceiveSession *s, const char **data, size_t *n, ReceivePart *ret)
{
    size_t piece = (size_t)MIN(s->chunk_left, (uint64_t)*n);

    if (s->chunk_left == 0)
        return end_chunk(s);
    *ret = (ReceivePart){.data = *data, .n = piece};
    receive_content_counted(&s->transaction.content, *data, piece);
    *data += piece;
    *n -= piece;
    s->chunk_left -= piece;
    return check_piece(s, piece) ? RECEIVE_CONTENT : RECEIVE_MORE;
}

/* ---- lines ---- */

/* What stands alone ends no line, and behind it nothing is known. */
static void fail_stray(ReceiveSession *s)
{
    receive_session_close(
        s, 500, "5.5.2", "a CR or LF stands alone: lines end with CR LF; the connection ends here");
}

/* Gathers a line. Whether it is there. */
static bool gather(ReceiveSession *s, const char **data, size_t *n)
{
    while (*n > 0 && s->step != STEP_CLOSED) {
        char c = **data;

        ++*data;
        --*n;
        if (s->has_cr != (c == '\n')) {
            fail_stray(s);
        } else if (c == '\n') {
            s->has_cr = false;
            s->line[s->n_line] = '\0';
            return true;
        } else if (c == '\r') {
            s->has_cr = true;
        } else if (s->n_line + 2 < RECEIVE_LINE_MAX) {
            s->line[s->n_line++] = c == '\0' ? '\1' : c; /* either is a control character */
        } else {
            s->step = STEP_LONG;
        }
    }
    return false;
}

static ReceiveEvent take_line(ReceiveSession *s, const char **data, size_t *n, ReceivePart *ret)
{
    ReceiveEvent event = RECEIVE_MORE;

    if (!gather(s, data, n))
        return RECEIVE_MORE;
    if (s->step == STEP_LONG) {
        s->step = STEP_COMMAND;
        receive_wrong(s, 500, "5.5.2", "the line is too long");
    } else {
        event = receive_command(s, ret);
    }
    s->n_line = 0;
    return event;
}

static ReceiveEvent take_step(ReceiveSession *s, const char **data, size_t *n, ReceivePart *ret)
{
    switch (s->step) {
    case STEP_DATA: return take_data(s, data, n, ret);
    case STEP_CHUNK: return take_chunk(s, data, n, ret);
    default: return take_line(s, data, n, ret);
    }
}

/* A chunk of which nothing is missing waits for no octet. */
static bool can_step(const ReceiveSession *s, size_t n)
{
    return s->step != STEP_CLOSED && (n > 0 || (s->step == STEP_CHUNK && s->chunk_left == 0));
}

ReceiveEvent receive_session_take(ReceiveSession *s, const char **data, size_t *n, ReceivePart *ret)
{
    ReceiveEvent event = RECEIVE_MORE;

    assert(s->asked == RECEIVE_MORE);
    *ret = (ReceivePart){0};
    s->has_input |= *n > 0;
    while (event == RECEIVE_MORE && !s->drops && !s->failed && can_step(s, *n))
        event = take_step(s, data, n, ret);
    if (s->drops) {
        assert(event == RECEIVE_MORE);
        s->drops = false;
        return RECEIVE_DROP;
    }
    return event == RECEIVE_MORE && (s->failed || s->step == STEP_CLOSED) ? RECEIVE_CLOSE : event;
}

/* Whether nothing was begun, and each reply was given. */
static bool is_whole(const ReceiveSession *s)
{
    bool idle = s->step == STEP_COMMAND && s->n_line == 0 && !s->has_cr &&
                !s->transaction.has_sender && s->asked == RECEIVE_MORE;

    return !s->failed && (idle || s->step == STEP_CLOSED);
}

bool receive_session_end(ReceiveSession *s)
{
    bool whole = is_whole(s);

    if (s->step != STEP_CLOSED && (s->n_line > 0 || s->has_cr))
        receive_reply(s, 500, "5.5.2", "the input ended within a line: lines end with CR LF");
    s->asked = RECEIVE_MORE;
    s->step = STEP_CLOSED;
    return whole;
}

bool receive_session_give_up(ReceiveSession *s, const char *text)
{
    bool whole = is_whole(s);

    receive_session_close(s, 421, "4.4.2", text);
    return whole;
}
