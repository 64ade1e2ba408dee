/* A claimed file and its ends. Must never let a finished recipient be sent to again: a record that
 * cannot be read stops the message. */
#include "delivery/spool_message.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "spool/record.h"

typedef struct SpoolMessage {
    SourceMessage base;
    SpoolClaim *claim;
    Buffer lines;            /* of the record, not yet written */
    bool last_line_gathered; /* the attempt's `retry` or `failed` line is among them */
} SpoolMessage;

static SpoolMessage *from_base(SourceMessage *message)
{
    return (SpoolMessage *)message;
}

static void spool_message_free(SpoolMessage *m)
{
    if (!m)
        return;
    message_free(m->base.message);
    free(m->base.pending);
    buffer_done(&m->lines);
    free(m);
}
DEFINE_CLEANUP(SpoolMessage, spool_message_free);

/* Leaves out the recipients that earlier attempts finished. */
static int find_pending(SpoolMessage *m, const SpoolHistory *history)
{
    const Envelope *envelope = message_envelope(m->base.message);

    m->base.n_pending = envelope->n_recipients;
    if (history->n_delivered == 0 && history->n_refused == 0)
        return 0;
    m->base.pending = malloc(envelope->n_recipients * sizeof(size_t));
    if (!m->base.pending)
        return -ENOMEM;
    m->base.n_pending = 0;
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        if (spool_history_has(history, envelope->recipients[i].address))
            m->base.n_delivered++;
        else if (spool_history_has_refused(history, envelope->recipients[i].address))
            m->base.n_refused++;
        else
            m->base.pending[m->base.n_pending++] = i;
    }
    return 0;
}

/* Reads record and header. 0, -EBADMSG for a message that cannot be sent, or another negative
 * errno, with a Failure. */
static int load(SpoolMessage *m, usec_t now, Failure *f)
{
    const SpoolHistory *history;
    usec_t arrival = spool_claim_arrival(m->claim);
    int r;

    r = spool_history_load(m->claim, f);
    if (r < 0)
        return r;
    r = message_open(spool_claim_fd(m->claim), spool_claim_size(m->claim), arrival,
        spool_claim_id(m->claim), &m->base.message, f);
    if (r < 0)
        return r;
    m->base.id = spool_claim_id(m->claim);
    m->base.arrival = arrival;
    history = spool_claim_history(m->claim);
    /* Somebody released it, or had it retried: its life begins again. */
    if (history->waiting && spool_claim_from(m->claim) == SPOOL_QUEUED) {
        m->base.retry_start = now;
        r = spool_record_queued(&m->lines, now);
        return r < 0 ? r : find_pending(m, history);
    }
    m->base.retry_start = history->first_attempt > 0 ? history->first_attempt : now;
    m->base.attempts = history->attempts;
    return find_pending(m, history);
}

/* Gives a message back for which nothing can be done at present. Consumes it. */
static int drop(SpoolMessage *m, int error, Failure *f)
{
    buffer_clear(&m->lines);
    (void)spool_message_release(&m->base, NULL);
    return f && f->text ? error : failure_set_errno(f, error, "cannot read the message");
}

/* What to do with a file that could not be loaded. Consumes the message. */
static int reject(SpoolMessage *m, usec_t now, int r, Failure *f)
{
    _cleanup_failure_ Failure second = {0};
    int end;

    if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
        return drop(m, r, f);
    end = spool_message_fail(&m->base, now, f->number, failure_text(f), &second);
    if (end == 0)
        return SOURCE_DEFECT;
    (void)failure_set(f, 0, second.number, "%s", failure_text(&second));
    return end == SOURCE_STUCK ? drop(m, -EIO, f) : end;
}

/* The message of a process that died between the last outcome and the end. Consumes it. */
static int finish(SpoolMessage *m, bool keep_sent, usec_t now, Failure *f)
{
    static const char text[] = "recipients were refused in an earlier attempt";
    int r;

    if (m->base.n_refused == 0) {
        r = spool_message_complete(&m->base, now, keep_sent, f);
    } else {
        r = spool_message_fail(&m->base, now, ERROR_REFUSED, text, f);
        if (r == 0)
            return failure_set(f, SOURCE_DEFECT, ERROR_REFUSED, "%s", text);
    }
    if (r == 0)
        return -EAGAIN;
    return r == SOURCE_STUCK ? drop(m, -EIO, f) : r;
}

int spool_message_open(
    Source *source, SpoolClaim *claim, bool keep_sent, usec_t now, SourceMessage **ret, Failure *f)
{
    SpoolMessage *m = calloc(1, sizeof(SpoolMessage));
    int r;

    if (!m) {
        char id[SPOOL_NAME_MAX];

        SpoolState from = spool_claim_from(claim);

        (void)spool_release(claim, id, NULL);
        spool_source_requeue(source, id, from);
        return -ENOMEM;
    }
    m->base.source = source;
    m->base.id = spool_claim_id(claim);
    m->claim = claim;
    r = load(m, now, f);
    if (r < 0)
        return reject(m, now, r, f);
    if (m->base.n_pending == 0)
        return finish(m, keep_sent, now, f);
    *ret = &m->base;
    return 0;
}

int spool_message_record_outcome(SourceMessage *message, usec_t now, const char *recipient,
    unsigned attempt, const DeliveryOutcome *outcome, const OutcomeVia *via)
{
    const SpoolVia spool_via = {.relay = via->relay, .address = via->address, .tls = via->tls};

    return spool_record_outcome(
        &from_base(message)->lines, now, recipient, attempt, outcome, &spool_via);
}

int spool_message_write(SourceMessage *message, Failure *f)
{
    SpoolMessage *m = from_base(message);
    int r;

    if (buffer_size(&m->lines) == 0)
        return 0;
    r = spool_record_append(m->claim, &m->lines, f);
    if (r >= 0)
        buffer_clear(&m->lines);
    return r;
}

int spool_message_complete(SourceMessage *message, usec_t now, bool keep_sent, Failure *f)
{
    SpoolMessage *m = from_base(message);
    int r = 0;

    if (keep_sent && !m->last_line_gathered)
        r = spool_record_sent(&m->lines, now);
    m->last_line_gathered = r >= 0;
    if (r >= 0 && keep_sent)
        r = spool_message_write(message, f);
    if (r < 0) /* delivered all the same: what cannot be kept is let go */
        keep_sent = false;
    r = spool_complete(m->claim, keep_sent, NULL, f);
    if (r == 1)
        return SOURCE_STUCK;
    spool_message_free(m);
    return r;
}

/* Writes what was gathered, `line` being the attempt's last. 0, or SOURCE_STUCK: nothing was
 * consumed. */
static int write_last(SpoolMessage *m, int line, Failure *f)
{
    m->last_line_gathered = line >= 0;
    if (line < 0)
        return failure_set(
            f, SOURCE_STUCK, ERROR_MEMORY, "no memory for the record of %s", m->base.id);
    return spool_message_write(&m->base, f) < 0 ? SOURCE_STUCK : 0;
}

int spool_message_defer(
    SourceMessage *message, usec_t now, unsigned attempt, usec_t next, Failure *f)
{
    SpoolMessage *m = from_base(message);
    int r;

    r = write_last(
        m, m->last_line_gathered ? 0 : spool_record_retry(&m->lines, now, attempt, next), f);
    if (r == SOURCE_STUCK)
        return r;
    r = spool_defer(m->claim, next, NULL, f);
    spool_message_free(m);
    return r;
}

int spool_message_fail(SourceMessage *message, usec_t now, int error, const char *text, Failure *f)
{
    SpoolMessage *m = from_base(message);
    int r;

    r = write_last(
        m, m->last_line_gathered ? 0 : spool_record_failed(&m->lines, now, error, text), f);
    if (r == SOURCE_STUCK)
        return r;
    r = spool_fail(m->claim, NULL, f);
    spool_message_free(m);
    return r;
}

int spool_message_release(SourceMessage *message, Failure *f)
{
    SpoolMessage *m = from_base(message);
    SpoolState from = spool_claim_from(m->claim);
    char id[SPOOL_NAME_MAX];
    int r;

    if (spool_message_write(message, f) < 0)
        return SOURCE_STUCK;
    r = spool_release(m->claim, id, f);
    if (r >= 0)
        spool_source_requeue(m->base.source, id, from);
    spool_message_free(m);
    return r;
}

void spool_message_abandon(SourceMessage *message)
{
    SpoolMessage *m = from_base(message);

    spool_claim_free(m->claim);
    spool_message_free(m);
}
