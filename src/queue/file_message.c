/* A claimed file as a message to deliver. Must never let a finished recipient be sent to again: a
 * record that cannot be read stops the message. */
#include "queue/file_message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "message/not_before.h"
#include "queue/file_message_internal.h"
#include "spool/record.h"

/* A record up to this is read at once: that takes less than a message does. */
#define LONG_RECORD_BYTES (64 * 1024)

/* A file that could not be read for so long is taken to be lost. */
#define UNREAD_MAX USEC_PER_HOUR

FileMessage *file_message_new(
    Attachment *attachment, SpoolClaim *claim, const char *name, NameKind kind)
{
    FileMessage *m = calloc(1, sizeof(FileMessage));

    if (!m) {
        (void)spool_release(claim, NULL, NULL);
        return NULL;
    }
    m->base.source = attachment->source;
    m->attachment = attachment;
    attachment->held++;
    m->claim = claim;
    m->kind = kind;
    m->flushed = attachment->names.flushed;
    m->base.id = spool_claim_id(claim);
    m->base.owner = spool_claim_owner(claim);
    memccpy(m->name, name, '\0', sizeof(m->name));
    return m;
}

const char *file_message_name(const FileMessage *m)
{
    return m->name;
}

uid_t file_message_owner(const FileMessage *m)
{
    return m->base.owner;
}

const char *file_message_owner_name(FileMessage *m)
{
    (void)snprintf(m->owner_name, sizeof(m->owner_name), "%u", m->base.owner);
    return m->owner_name;
}

unsigned file_message_flushed(const FileMessage *m)
{
    return m->flushed;
}

/* ---- opening ---- */

bool file_message_is_long(const FileMessage *m)
{
    return spool_claim_record_bytes(m->claim) > LONG_RECORD_BYTES ||
           spool_claim_size(m->claim) > MESSAGE_LARGE;
}

void file_message_load_record(FileMessage *m)
{
    m->record_result = spool_history_load(m->claim, &m->record_failure);
}

static int open_content(FileMessage *m, Failure *f)
{
    if (m->base.message)
        return 0;
    input_file_init(&m->content, spool_claim_fd(m->claim), spool_claim_size(m->claim));
    int r = message_open(
        &m->content.base, spool_claim_arrival(m->claim), m->base.id, &m->base.message, f);

    m->opened = m->base.message;
    return r;
}

void file_message_look(FileMessage *m)
{
    uint64_t size = spool_claim_size(m->claim);

    if (m->record_result >= 0 && size > MESSAGE_LARGE && size <= MESSAGE_LOOK_MAX &&
        open_content(m, NULL) >= 0)
        (void)message_look(m->base.message);
}

typedef struct Place {
    size_t recipient;
    unsigned loss; /* the latest attempt that lost a connection under it; 0: none */
} Place;

static int compare_places(const void *a, const void *b)
{
    const Place *one = a, *other = b;

    if (one->loss != other->loss)
        return one->loss < other->loss ? -1 : 1;
    return one->recipient < other->recipient ? -1 : one->recipient > other->recipient;
}

/* Those under whom connections were lost go behind the others, and those of the latest loss last:
 * else one at whom the relay always loses them would keep the message from all behind it. */
static int put_lost_last(FileMessage *m, const SpoolLosses *losses)
{
    const EnvelopeRecipient *recipients = message_envelope(m->base.message)->recipients;
    _cleanup_free_
    Place *places = malloc(m->base.n_pending * sizeof(Place));

    if (!places)
        return -ENOMEM;
    for (size_t i = 0; i < m->base.n_pending; i++) {
        size_t recipient = m->base.pending[i];

        places[i] = (Place){recipient, spool_losses_latest(losses, recipients[recipient].address)};
        m->base.n_lost += places[i].loss > 0;
    }
    qsort(places, m->base.n_pending, sizeof(Place), compare_places);
    for (size_t i = 0; i < m->base.n_pending; i++)
        m->base.pending[i] = places[i].recipient;
    m->base.losses = losses->attempts;
    return 0;
}

/* Leaves out the recipients that earlier attempts finished. */
static int find_pending(FileMessage *m)
{
    const Envelope *envelope = message_envelope(m->base.message);
    const SpoolHistory *history = spool_claim_history(m->claim);

    m->base.n_pending = envelope->n_recipients;
    if (!history)
        return 0;
    if (history->n_delivered == 0 && history->n_refused == 0 &&
        (history->losses.n == 0 || envelope->n_recipients == 1))
        return 0;
    m->base.pending = malloc(envelope->n_recipients * sizeof(size_t));
    if (!m->base.pending)
        return -ENOMEM;
    m->base.n_pending = 0;
    for (size_t i = 0; i < envelope->n_recipients; i++) {
        const char *mailbox = envelope_mailbox(&envelope->recipients[i]);

        if (spool_history_has(history, mailbox))
            m->base.n_delivered++;
        else if (spool_history_has_refused(history, mailbox))
            m->base.n_refused++;
        else
            m->base.pending[m->base.n_pending++] = i;
    }
    return m->base.n_pending > 1 && history->losses.n > 0 ? put_lost_last(m, &history->losses) : 0;
}

/* Where the message stands in its life. One that was deferred and now comes from the queue has been
 * released, or is tried again by somebody's will: its attempts and its age count anew, and its
 * record says so. */
static int begin_life(FileMessage *m, usec_t now)
{
    const SpoolHistory *history = spool_claim_history(m->claim);

    m->base.arrival = spool_claim_arrival(m->claim);
    m->base.deferred = name_is_deferred(m->kind);
    if (!history)
        return 0;
    if (history->waiting && spool_claim_from(m->claim) == SPOOL_QUEUED)
        return spool_record_queued(&m->lines, now);
    m->base.attempts = history->attempts;
    m->base.first_attempt = history->first_attempt;
    return 0;
}

/* Reads the header. 0, -EBADMSG for a message that cannot be sent, or another negative errno, with
 * a Failure. */
static int load(FileMessage *m, usec_t now, Failure *f)
{
    int r = m->record_result;

    if (r < 0)
        return failure_set(f, r, m->record_failure.number, "%s", failure_text(&m->record_failure));
    r = begin_life(m, now);
    if (r < 0)
        return r;
    r = open_content(m, f);
    return r < 0 ? r : find_pending(m);
}

/* Whether who queued it may name its sender. As sender_rules_check(). */
static int check_sender(const FileMessage *m, const SenderRules *senders, Failure *f)
{
    return sender_rules_check(senders, m->base.owner,
        spool_directory_owner(spool_claim_spool(m->claim)),
        message_envelope(m->base.message)->sender, f);
}

void file_message_put_back(FileMessage *m, char ret_id[static SPOOL_NAME_MAX])
{
    file_message_end_reading(m);
    if (spool_release(m->claim, ret_id, NULL) < 0)
        attachment_suspect(m->attachment);
    else
        attachment_expect(m->attachment, ret_id, names_state(m->kind));
    file_message_discard(m);
}

/* Gives a message back for which nothing can be done at present. Consumes it. */
static int drop(FileMessage *m, int error, Failure *f)
{
    char id[SPOOL_NAME_MAX];

    file_message_put_back(m, id);
    return f && f->text ? error : failure_set_errno(f, error, "cannot read the message");
}

bool file_message_begin(
    FileMessage *m, usec_t now, usec_t *ret_due, char ret_id[static SPOOL_NAME_MAX], Failure *f)
{
    Caution *caution = &m->attachment->caution;

    if (caution_read(caution, m->base.id, now, ret_due, f)) {
        m->marked = caution->on;
        return true;
    }
    memccpy(ret_id, m->base.id, '\0', SPOOL_NAME_MAX);
    (void)drop(m, -EDEADLK, f);
    return false;
}

/* Settles what needs no delivery. Consumes the message. */
static int settle_at_once(
    FileMessage *m, const MessageEnd *end, int result, char *ret_id, Failure *f)
{
    int r = file_message_settle(&m->base, end, ret_id, f);

    if (r == 0)
        return result;
    if (r == SOURCE_GONE) {
        failure_done(f);
        *f = (Failure){0};
        return FILE_MESSAGE_DONE;
    }
    return drop(m, r, f);
}

/* A message that cannot be sent. Consumes it; `f` keeps the reason. */
static int reject(FileMessage *m, usec_t now, char *ret_id, Failure *f)
{
    _cleanup_failure_ Failure failed = {0};
    int r = spool_fail_defect(m->claim, now, f->number, failure_text(f), ret_id, &failed);

    if (r < 0) /* it was put back */
        attachment_expect(m->attachment, ret_id, names_state(m->kind));
    file_message_discard(m);
    return r < 0 ? failure_set(f, r, failed.number, "%s", failure_text(&failed))
                 : FILE_MESSAGE_DEFECT;
}

/* Whether its file is on a bad sector, as far as can be told: it has been tried all the time, and a
 * message of its age would be given up for any other reason. */
static bool is_lost(const FileMessage *m, const MessageTerms *terms, usec_t now)
{
    usec_t unread = aside_unread(&m->attachment->names.aside, m->name, now);
    usec_t age = MAX(unread, clock_age(spool_claim_arrival(m->claim), now));

    return terms->give_up_after > 0 && unread >= UNREAD_MAX && age > terms->give_up_after;
}

static int give_up_unread(FileMessage *m, usec_t now, char *ret_id, Failure *f)
{
    (void)failure_set(f, -EIO, ERROR_FILE,
        "its file could not be read for an hour, and it is older than retry.give_up_after; see "
        "whether the disk fails, and queue it again from elsewhere");
    return reject(m, now, ret_id, f);
}

/* The message of a process that died between the last outcome and the end. Consumes it. */
static int finish(FileMessage *m, bool keep_sent, usec_t now, char *ret_id, Failure *f)
{
    static const char text[] = "recipients were refused in an earlier attempt";
    const MessageEnd sent = {.kind = END_SENT, .now = now, .keep = keep_sent};
    const MessageEnd failed = {
        .kind = END_FAILED, .now = now, .error = ERROR_REFUSED, .text = text};
    int r;

    if (m->base.n_refused == 0)
        return settle_at_once(m, &sent, FILE_MESSAGE_DONE, ret_id, f);
    r = settle_at_once(m, &failed, FILE_MESSAGE_DEFECT, ret_id, f);
    return r == FILE_MESSAGE_DEFECT ? failure_set(f, r, ERROR_REFUSED, "%s", text) : r;
}

/* The record tells when a deferred message is due; its file's time, by which it came up, may have
 * been set by anybody. A time that is further away than a retry can be is a wrong clock's. */
static bool is_early(const FileMessage *m, usec_t retry_max, usec_t now)
{
    const SpoolHistory *history = spool_claim_history(m->claim);

    return m->kind == NAME_DEFERRED && history && history->waiting &&
           history->next > usec_add(now, USEC_PER_SEC) && history->next <= usec_add(now, retry_max);
}

static int wait_again(FileMessage *m, Failure *f)
{
    char id[SPOOL_NAME_MAX];
    int r = file_message_defer(m, spool_claim_history(m->claim)->next, id, f);

    return r == 0 ? FILE_MESSAGE_DONE : -ESTALE;
}

/* Whoever queued it wants it to wait. Only in the queue: one that has been tried, or that an
 * operator made `.deferred`, has been past that. */
static bool is_before_its_time(const FileMessage *m, usec_t now)
{
    const SpoolHistory *history = spool_claim_history(m->claim);

    return spool_claim_from(m->claim) == SPOOL_QUEUED && (!history || history->tries == 0) &&
           message_envelope(m->base.message)->not_before > now;
}

int file_message_open(FileMessage *m, const MessageTerms *terms, usec_t now, HeldMessage **ret,
    char ret_id[static SPOOL_NAME_MAX], Failure *f)
{
    int r;

    memccpy(ret_id, m->base.id, '\0', SPOOL_NAME_MAX);
    if (is_lost(m, terms, now)) {
        file_message_end_reading(m);
        return give_up_unread(m, now, ret_id, f);
    }
    if (m->record_result >= 0 && is_early(m, terms->retry_max, now)) {
        file_message_end_reading(m);
        return wait_again(m, f);
    }
    r = load(m, now, f);
    file_message_end_reading(m);
    if (r == 0 && m->base.n_pending > 0)
        r = check_sender(m, terms->senders, f);
    if (r == 0 && is_before_its_time(m, now))
        r = not_before_check(message_envelope(m->base.message)->not_before, now, f);
    if (r == -EBADMSG)
        return reject(m, now, ret_id, f);
    if (r < 0)
        return drop(m, r, f);
    if (m->base.n_pending == 0)
        return finish(m, terms->keep_sent, now, ret_id, f);
    if (is_before_its_time(m, now)) {
        *terms->ret_not_before = message_envelope(m->base.message)->not_before;
        file_message_put_back(m, ret_id);
        return FILE_MESSAGE_EARLY;
    }
    r = file_message_reserve(m, f);
    if (r < 0) {
        (void)drop(m, r, f);
        return FILE_MESSAGE_NO_ROOM;
    }
    *ret = &m->base;
    return FILE_MESSAGE_READY;
}

bool file_message_was_on_disk(const HeldMessage *message)
{
    return ((const FileMessage *)message)->content.base.was_on_disk;
}
