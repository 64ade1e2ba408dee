/* How a claimed file is settled, and what its record says of it. Must never let a message come to
 * its end before that is written down. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "queue/file_message_internal.h"
#include "spool/notice.h"
#include "spool/record.h"

static FileMessage *from_base(HeldMessage *message)
{
    return (FileMessage *)message;
}

void file_message_discard(FileMessage *m)
{
    message_free(m->base.message);
    free(m->base.pending);
    free(m->base.routes);
    failure_done(&m->record_failure);
    buffer_done(&m->lines);
    free(m->told);
    attachment_release(m->attachment);
    free(m);
}

void file_message_end_reading(FileMessage *m)
{
    if (m->marked)
        caution_was_read(&m->attachment->caution, m->base.id);
    m->marked = false;
}

int file_message_reserve(FileMessage *m, Failure *f)
{
    return m->base.n_pending > 1 ? spool_claim_reserve(m->claim, m->base.n_pending, f) : 0;
}

/* ---- the record ---- */

int file_message_record(HeldMessage *message, usec_t now, const char *recipient, unsigned attempt,
    const DeliveryOutcome *outcome, const OutcomeVia *via)
{
    const SpoolVia spool_via = {.relay = via->relay, .address = via->address, .tls = via->tls};

    return spool_record_outcome(
        &from_base(message)->lines, now, recipient, attempt, outcome, &spool_via);
}

/* Brings what was gathered to the disk. */
static int write_lines(FileMessage *m, Failure *f)
{
    int r;

    if (buffer_size(&m->lines) == 0)
        return 0;
    r = spool_record_append(m->claim, &m->lines, f);
    if (r >= 0)
        buffer_clear(&m->lines);
    return r;
}

/* Between two transactions: the next one needs the room that this one may have used. */
int file_message_sync(HeldMessage *message, Failure *f)
{
    FileMessage *m = from_base(message);
    int r = write_lines(m, f);

    return r < 0 ? r : file_message_reserve(m, f);
}

/* The attempt's last line, gathered once: the same end may be tried again. */
static int gather_last_line(FileMessage *m, const MessageEnd *end)
{
    int r = 0;

    if (m->last_line_gathered)
        return 0;
    switch (end->kind) {
    case END_SENT: r = end->keep ? spool_record_sent(&m->lines, end->now) : 0; break;
    case END_DEFERRED:
        if (m->told)
            r = spool_record_warned(&m->lines, end->now);
        if (r >= 0)
            r = spool_record_retry(&m->lines, end->now, end->attempt, end->next, end->hint);
        break;
    case END_FAILED:
        r = spool_record_failed(&m->lines, end->now, end->error, end->text ?: "", end->hint);
        break;
    case END_RETURNED: break;
    }
    m->last_line_gathered = r >= 0;
    return r;
}

/* ---- telling of a failure ---- */

static void tell_notice(
    const FileMessage *m, SourceFinding finding, const char *id, const Failure *f)
{
    const SourceFound found = {.id = id, .owner = m->base.owner};

    if (m->base.source->handlers)
        m->base.source->handlers->found(m->base.source->user, finding, &found, f);
}

/* Whether somebody may have to hear of this end. */
static bool tells(const FileMessage *m, const MessageEnd *end)
{
    const SpoolHistory *history = spool_claim_history(m->claim);

    return end->kind == END_FAILED ||
           (end->kind == END_DEFERRED &&
               notices_warn(m->attachment->notices, spool_claim_arrival(m->claim),
                   history && history->warned, end->now));
}

static int read_verdicts(const void *record, SpoolVerdictHandler handler, void *user, Failure *f)
{
    return spool_record_verdicts(record, handler, user, f);
}

/* 1 when there is something to tell, and it was made. */
static int make_notice(FileMessage *m, const MessageEnd *end, Failure *f)
{
    Notices *notices = m->attachment->notices;
    _cleanup_buffer_ Buffer content = {0};
    const NoticeSubject subject = {
        .id = spool_claim_id(m->claim),
        .owner = spool_claim_owner(m->claim),
        .arrival = spool_claim_arrival(m->claim),
        .first_attempt = m->base.first_attempt,
        .message = m->opened,
        .verdicts = read_verdicts,
        .record = m->claim,
    };
    int r = notices_format(notices, &subject, end, &content, &m->told, f);

    if (r > 0)
        r = spool_notice_prepare(m->claim, &content, f) ?: 1;
    if (r > 0)
        notices_made(notices, &subject, end);
    else
        free(TAKE_PTR(m->told));
    return r < 0 ? notices_give_up(r) : r;
}

/* The notice is on disk before the record says what it tells: what happens in between is
 * mended by spool_recover(). 0, or a negative errno with a Failure: the end is to be tried again.
 */
static int prepare_notice(FileMessage *m, const MessageEnd *end, Failure *f)
{
    _cleanup_failure_ Failure why = {0};
    int r;

    if (m->noticed)
        return 0;
    r = write_lines(m, f);
    if (r < 0)
        return r;
    r = make_notice(m, end, &why);
    if (r < 0)
        return failure_set(f, r, why.number, "%s", failure_text(&why));
    m->noticed = true;
    memccpy(m->notice_of, m->base.id, '\0', sizeof(m->notice_of));
    if (r == 0 && why.text)
        tell_notice(m, FOUND_UNTOLD, m->base.id, &why);
    return 0;
}

/* The message is `.failed`, or waits. What cannot be queued now is found by the next pass. */
static void queue_notice(const FileMessage *m, const char *id, const char *what)
{
    _cleanup_failure_ Failure f = {0};
    char notice[SPOOL_NAME_MAX];

    if (!m->told || spool_notice_queue(m->attachment->spool, m->notice_of, notice) < 0)
        return;
    attachment_expect(m->attachment, notice, SPOOL_QUEUED);
    attachment_put(m->attachment, notice, NAME_QUEUED, 0);
    (void)failure_set(&f, 0, 0, "%s is told that it %s, by the message %s", m->told, what, notice);
    tell_notice(m, FOUND_NOTICE, id, &f);
}

/* ---- the ends ---- */

/* The claim is no more. What could not be renamed is `.sending` still. */
static int end_claim(FileMessage *m, int r)
{
    if (r < 0 && r != -ENOENT)
        attachment_suspect(m->attachment);
    file_message_discard(m);
    return r < 0 ? SOURCE_GONE : 0;
}

/* The same, of a message that has got on: it is not to fall back. */
static int end_attempt(FileMessage *m, int r)
{
    attachment_ended(m->attachment);
    return end_claim(m, r);
}

int file_message_defer(FileMessage *m, usec_t next, char *ret_id, Failure *f)
{
    int r = spool_defer(m->claim, next, ret_id, f);

    if (r >= 0) {
        attachment_expect(m->attachment, ret_id, SPOOL_DEFERRED);
        attachment_put(m->attachment, ret_id, NAME_DEFERRED, next);
        queue_notice(m, ret_id, "is delayed");
    }
    return end_attempt(m, r);
}

static int fail(FileMessage *m, char *ret_id, Failure *f)
{
    int r = spool_fail(m->claim, ret_id, f);

    if (r >= 0)
        queue_notice(m, ret_id, "failed");
    return end_attempt(m, r);
}

/* What cannot be taken away is known as sent, whoever looks at it next. */
static void write_sent(FileMessage *m, usec_t now)
{
    const MessageEnd sent = {.kind = END_SENT, .now = now, .keep = true};

    if (gather_last_line(m, &sent) >= 0)
        (void)write_lines(m, NULL);
}

/* Delivered: what cannot be kept is let go. */
static int complete(FileMessage *m, const MessageEnd *end, char *ret_id, Failure *f)
{
    bool keep = end->keep;
    int r = keep ? gather_last_line(m, end) : 0;

    if (r >= 0 && keep)
        r = write_lines(m, f);
    r = spool_complete(m->claim, keep && r >= 0, ret_id, f);
    if (r > 0) {
        write_sent(m, end->now);
        return -r;
    }
    return end_attempt(m, r);
}

/* Back to where it came from, deliverable at once, or after a pause. */
static int release(FileMessage *m, const MessageEnd *end, char *ret_id, Failure *f)
{
    bool deferred = name_is_deferred(m->kind);
    int r = spool_release(m->claim, ret_id, f);

    if (r >= 0) {
        Names *names = &m->attachment->names;
        usec_t due = 0;

        if (end->until > 0)
            due = names->flushed == m->flushed ? end->until : 0;
        else if (end->unread || end->aside)
            due = names_after_trouble(names, ret_id, m->flushed, end->unread, end->now);
        attachment_expect(m->attachment, ret_id, names_state(m->kind));
        attachment_put(m->attachment, ret_id, deferred ? NAME_DEFERRED_NOW : NAME_QUEUED, due);
    }
    return end_claim(m, r);
}

int file_message_settle(
    HeldMessage *message, const MessageEnd *end, char ret_id[static SOURCE_ID_MAX], Failure *f)
{
    FileMessage *m = from_base(message);
    int r = 0;

    if (end->kind == END_SENT)
        return complete(m, end, ret_id, f);
    if (tells(m, end))
        r = prepare_notice(m, end, f);
    if (r < 0)
        return r;
    r = gather_last_line(m, end);
    if (r < 0)
        return failure_set(f, r, ERROR_MEMORY, "no memory for the record of %s", m->base.id);
    r = write_lines(m, f);
    if (r < 0)
        return r;
    switch (end->kind) {
    case END_DEFERRED: return file_message_defer(m, end->next, ret_id, f);
    case END_FAILED: return fail(m, ret_id, f);
    default: return release(m, end, ret_id, f);
    }
}

void file_message_abandon(HeldMessage *message)
{
    FileMessage *m = from_base(message);

    file_message_end_reading(m);
    spool_claim_free(m->claim);
    file_message_discard(m);
}
