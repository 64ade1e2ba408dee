/* What became of a message, formed as what is written of it. Must never lose an outcome that was
 * gathered before it has been written. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "database/clocks.h"
#include "database/held.h"
#include "spool/record.h"

/* How long what waits for something that is not there, or could not be read, is left alone. */
#define ASIDE_PAUSE (5 * USEC_PER_MINUTE)
#define UNREAD_PAUSE USEC_PER_MINUTE

#define TEXT_MAX 8000 /* bytes of why a message failed */

static DatabaseMessage *from_base(HeldMessage *message)
{
    return (DatabaseMessage *)message;
}

/* ---- gathering ---- */

/* Takes the end of the line that was just added for a comma. */
static void join(Buffer *lines)
{
    size_t n = buffer_size(lines);

    if (n > 0)
        lines->memory[lines->end - 1] = ',';
}

static int add_number(Buffer *list, int number)
{
    return buffer_appendf(list, "%d,", number);
}

/* They come in the order of the envelope, most of the time. */
static size_t find_recipient(DatabaseMessage *m, const char *address)
{
    const Envelope *e = message_envelope(m->opened);

    for (size_t i = 0; i < e->n_recipients; i++) {
        size_t at = (m->cursor + i) % e->n_recipients;

        if (strcmp(e->recipients[at].address, address) == 0) {
            m->cursor = at;
            return at;
        }
    }
    return SIZE_MAX;
}

static int note_outcome(DatabaseMessage *m, size_t recipient, Buffer *list)
{
    int r = 0;

    for (size_t i = recipient; i < m->n_rows && r >= 0; i++)
        if (m->recipients[i] == recipient)
            r = add_number(list, m->numbers[i]);
    return r;
}

int database_message_record(HeldMessage *message, usec_t now, const char *recipient,
    unsigned attempt, const DeliveryOutcome *outcome, const OutcomeVia *via)
{
    DatabaseMessage *m = from_base(message);
    const SpoolVia spool_via = {.relay = via->relay, .address = via->address, .tls = via->tls};
    Buffer *list = outcome->kind == DELIVERY_DELIVERED ? &m->delivered
                   : outcome->kind == DELIVERY_REFUSED ? &m->refused
                                                       : NULL;
    size_t before = buffer_size(&m->lines), n_list = list ? buffer_size(list) : 0,
           n_history = buffer_size(&m->history);
    int r = spool_record_outcome(&m->lines, now, recipient, attempt, outcome, &spool_via);

    if (r >= 0)
        r = buffer_append(
            &m->history, buffer_data(&m->lines) + before, buffer_size(&m->lines) - before);
    if (r >= 0 && list)
        r = note_outcome(m, find_recipient(m, recipient), list);
    if (r < 0) {
        buffer_truncate(&m->lines, before);
        buffer_truncate(&m->history, n_history);
        if (list)
            buffer_truncate(list, n_list);
        return r;
    }
    join(&m->lines);
    return 0;
}

static int add_last_line(const MessageEnd *end, Buffer *lines)
{
    switch (end->kind) {
    case END_SENT: return end->keep ? spool_record_sent(lines, end->now) : 0;
    case END_DEFERRED:
        return spool_record_retry(lines, end->now, end->attempt, end->next, end->hint);
    case END_FAILED:
        return spool_record_failed(lines, end->now, end->error, end->text ?: "", end->hint);
    default: return 0;
    }
}

static int gather_last_line(DatabaseMessage *m, const MessageEnd *end)
{
    size_t before = buffer_size(&m->lines), middle;
    int r = 0;

    if (m->last_line)
        return 0;
    if (m->told && end->kind == END_DEFERRED)
        r = spool_record_warned(&m->lines, end->now);
    middle = buffer_size(&m->lines);
    if (middle > before)
        join(&m->lines);
    if (r >= 0)
        r = add_last_line(end, &m->lines);
    if (r < 0) {
        buffer_truncate(&m->lines, before);
        return r;
    }
    if (buffer_size(&m->lines) > middle)
        join(&m->lines);
    m->last_line = true;
    return 0;
}

/* ---- forming ---- */

/* `,"NAME":[...]`, of a list whose items have a comma behind them. */
static int add_list(Buffer *out, const char *name, const Buffer *list)
{
    size_t n = buffer_size(list);

    if (n == 0)
        return 0;
    if (buffer_appendf(out, ",\"%s\":[", name) < 0 ||
        buffer_append(out, buffer_data(list), n - 1) < 0)
        return -ENOMEM;
    return buffer_append(out, "]", 1);
}

static int add_text(Buffer *out, const char *name, const char *text)
{
    _cleanup_free_
    char *plain = text_printable(text ?: "", strlen(text ?: ""), TEXT_MAX), *json = NULL;
    json_t *string = plain ? json_string(plain) : NULL;

    json = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    json_decref(string);
    return json ? buffer_appendf(out, ",\"%s\":%s", name, json) : -ENOMEM;
}

/* Until when a message that is returned is left alone; 0: not at all. */
static usec_t returned_until(const MessageEnd *end)
{
    if (end->until > 0)
        return end->until;
    if (end->unread)
        return usec_add(end->now, UNREAD_PAUSE);
    return end->aside ? usec_add(end->now, ASIDE_PAUSE) : 0;
}

/* Whether another daemon may send it now: not for want of room, for the others are as full, and it
 * is this one's to ask for. */
static bool may_go_elsewhere(const MessageEnd *end)
{
    return end->aside && !end->full;
}

static const char *state_of(const DatabaseMessage *m, const MessageEnd *end)
{
    switch (end->kind) {
    case END_SENT: return "sent";
    case END_FAILED: return "failed";
    case END_DEFERRED: return "deferred";
    default: return m->due > 0 ? "deferred" : "returned";
    }
}

static usec_t due_of(const MessageEnd *end)
{
    if (end->kind == END_DEFERRED)
        return end->next;
    return end->kind == END_RETURNED ? returned_until(end) : 0;
}

static int form_notice(const DatabaseMessage *m, Buffer *out)
{
    int r = buffer_append_string(out, ",\"notice\":\"");

    if (r >= 0)
        r = buffer_append(out, buffer_data(&m->notice), buffer_size(&m->notice));
    if (r >= 0)
        r = buffer_append_string(out, "\"");
    return r < 0 ? r : add_text(out, "notice_to", m->told);
}

static int form(DatabaseMessage *m, const MessageEnd *end, Buffer *out)
{
    const DatabaseSource *d = database_source_from(m->base.source);
    int r = buffer_appendf(out, ",\"state\":\"%s\"", state_of(m, end));

    if (r >= 0 && end->kind == END_SENT && end->keep)
        r = buffer_append_string(out, ",\"keep\":true");
    if (r >= 0 && end->kind == END_DEFERRED)
        r = buffer_appendf(out, ",\"attempts\":%u,\"first_attempt\":%llu", end->attempt,
            (unsigned long long)database_time_there(
                d, m->base.first_attempt > 0 ? m->base.first_attempt : end->now));
    if (r >= 0 && m->due > 0)
        r = buffer_appendf(
            out, ",\"due\":%llu", (unsigned long long)database_time_there(d, m->due));
    if (r >= 0 && m->put_off)
        r = buffer_appendf(out, ",\"declined\":%s", may_go_elsewhere(end) ? "true" : "false");
    if (r >= 0 && m->told)
        r = form_notice(m, out);
    if (r < 0 || end->kind != END_FAILED)
        return r;
    r = buffer_appendf(out, ",\"error\":%d", end->error);
    return r < 0 ? r : add_text(out, "text", end->text);
}

int database_message_end(DatabaseMessage *m, const MessageEnd *end)
{
    int r = gather_last_line(m, end);

    buffer_clear(&m->end);
    m->due = due_of(end);
    m->put_off = end->kind == END_RETURNED && m->due > 0;
    m->goes = end->kind == END_SENT && !end->keep;
    return r < 0 ? r : form(m, end, &m->end);
}

int database_message_return(DatabaseMessage *m)
{
    const MessageEnd end = {.kind = END_RETURNED};

    return database_message_end(m, &end);
}

/* ---- writing ---- */

static int append_outcomes(const DatabaseMessage *m, Buffer *out)
{
    int r = add_list(out, "lines", &m->lines);

    if (r >= 0)
        r = add_list(out, "delivered", &m->delivered);
    return r < 0 ? r : add_list(out, "refused", &m->refused);
}

/* Of a message that goes with its end no outcome is written. */
static int append_rest(const DatabaseMessage *m, bool again, Buffer *out)
{
    int r = m->ends && m->goes ? 0 : append_outcomes(m, out);

    if (r >= 0)
        r = m->ends ? buffer_append(out, buffer_data(&m->end), buffer_size(&m->end))
                    : buffer_append_string(out, ",\"state\":\"noted\"");
    if (r >= 0 && again)
        r = buffer_append_string(out, ",\"again\":true");
    return r < 0 ? r : buffer_append(out, "}", 1);
}

int database_message_append(DatabaseMessage *m, bool again, Buffer *out)
{
    size_t before = buffer_size(out);
    int r = buffer_appendf(out, "%s{\"message\":%s", before > 1 ? "," : "", m->id);

    if (r >= 0)
        r = append_rest(m, again, out);
    if (r < 0) {
        buffer_truncate(out, before);
        return r;
    }
    m->writing = true;
    m->writes_end = m->ends;
    m->n_lines = buffer_size(&m->lines);
    m->n_delivered_list = buffer_size(&m->delivered);
    m->n_refused_list = buffer_size(&m->refused);
    return 0;
}

void database_message_written(DatabaseMessage *m)
{
    buffer_consume(&m->lines, m->n_lines);
    buffer_consume(&m->delivered, m->n_delivered_list);
    buffer_consume(&m->refused, m->n_refused_list);
}
