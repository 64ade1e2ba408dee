/* A claimed file and how it is settled. Must never let a finished recipient be sent to again: a
 * record that cannot be read stops the message. */
#include "queue/file_message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/input.h"
#include "spool/record.h"

/* A record up to this is read at once: that takes less than a message does. */
#define LONG_RECORD_BYTES (64 * 1024)

/* A file that could not be read for so long is taken to be lost. */
#define UNREAD_MAX USEC_PER_HOUR

struct FileMessage {
    HeldMessage base;
    Attachment *attachment;
    SpoolClaim *claim;
    NameKind kind;
    unsigned flushed;          /* how often everything had been tried when it was claimed */
    bool marked;               /* as being read */
    char name[SPOOL_NAME_MAX]; /* the id under which it came up */
    char owner_name[12];
    InputFile content;
    int record_result; /* of reading it, with its Failure */
    Failure record_failure;
    Buffer lines;            /* of the record, not yet written */
    bool last_line_gathered; /* the attempt's `retry`, `sent` or `failed` line is among them */
};

static FileMessage *from_base(HeldMessage *message)
{
    return (FileMessage *)message;
}

/* Lets go of everything but the claim, which is no more. */
static void file_message_free(FileMessage *m)
{
    message_free(m->base.message);
    free(m->base.pending);
    failure_done(&m->record_failure);
    buffer_done(&m->lines);
    attachment_release(m->attachment);
    free(m);
}

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

/* Reading it did not kill the process. */
static void end_reading(FileMessage *m)
{
    if (m->marked)
        caution_was_read(&m->attachment->caution, m->base.id);
    m->marked = false;
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
    return message_open(
        &m->content.base, spool_claim_arrival(m->claim), m->base.id, &m->base.message, f);
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

/* Some of several recipients may have the message when others have not, and that must not be
 * forgotten. Of one, the file's end says it. */
static int reserve(FileMessage *m, Failure *f)
{
    return m->base.n_pending > 1 ? spool_claim_reserve(m->claim, m->base.n_pending, f) : 0;
}

void file_message_put_back(FileMessage *m, char ret_id[static SPOOL_NAME_MAX])
{
    end_reading(m);
    if (spool_release(m->claim, ret_id, NULL) < 0)
        attachment_suspect(m->attachment);
    else
        attachment_expect(m->attachment, ret_id, names_state(m->kind));
    file_message_free(m);
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
    file_message_free(m);
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

/* The claim is no more. What could not be renamed is `.sending` still. */
static int end_claim(FileMessage *m, int r)
{
    if (r < 0 && r != -ENOENT)
        attachment_suspect(m->attachment);
    file_message_free(m);
    return r < 0 ? SOURCE_GONE : 0;
}

/* The same, of a message that has got on: it is not to fall back. */
static int end_attempt(FileMessage *m, int r)
{
    attachment_ended(m->attachment);
    return end_claim(m, r);
}

static int defer(FileMessage *m, usec_t next, char *ret_id, Failure *f)
{
    int r = spool_defer(m->claim, next, ret_id, f);

    if (r >= 0) {
        attachment_expect(m->attachment, ret_id, SPOOL_DEFERRED);
        attachment_put(m->attachment, ret_id, NAME_DEFERRED, next);
    }
    return end_attempt(m, r);
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
    int r = defer(m, spool_claim_history(m->claim)->next, id, f);

    return r == 0 ? FILE_MESSAGE_DONE : -ESTALE;
}

int file_message_open(FileMessage *m, const MessageTerms *terms, usec_t now, HeldMessage **ret,
    char ret_id[static SPOOL_NAME_MAX], Failure *f)
{
    int r;

    memccpy(ret_id, m->base.id, '\0', SPOOL_NAME_MAX);
    if (is_lost(m, terms, now)) {
        end_reading(m);
        return give_up_unread(m, now, ret_id, f);
    }
    if (m->record_result >= 0 && is_early(m, terms->retry_max, now)) {
        end_reading(m);
        return wait_again(m, f);
    }
    r = load(m, now, f);
    end_reading(m);
    if (r == 0 && m->base.n_pending > 0)
        r = check_sender(m, terms->senders, f);
    if (r == -EBADMSG)
        return reject(m, now, ret_id, f);
    if (r < 0)
        return drop(m, r, f);
    if (m->base.n_pending == 0)
        return finish(m, terms->keep_sent, now, ret_id, f);
    r = reserve(m, f);
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

    return r < 0 ? r : reserve(m, f);
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

/* ---- the ends ---- */

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
        usec_t due = end->unread || end->aside
                         ? names_after_trouble(names, ret_id, m->flushed, end->unread, end->now)
                         : 0;

        attachment_expect(m->attachment, ret_id, names_state(m->kind));
        attachment_put(m->attachment, ret_id, deferred ? NAME_DEFERRED_NOW : NAME_QUEUED, due);
    }
    return end_claim(m, r);
}

int file_message_settle(
    HeldMessage *message, const MessageEnd *end, char ret_id[static SOURCE_ID_MAX], Failure *f)
{
    FileMessage *m = from_base(message);
    int r;

    if (end->kind == END_SENT)
        return complete(m, end, ret_id, f);
    r = gather_last_line(m, end);
    if (r < 0)
        return failure_set(f, r, ERROR_MEMORY, "no memory for the record of %s", m->base.id);
    r = write_lines(m, f);
    if (r < 0)
        return r;
    switch (end->kind) {
    case END_DEFERRED: return defer(m, end->next, ret_id, f);
    case END_FAILED: return end_attempt(m, spool_fail(m->claim, ret_id, f));
    default: return release(m, end, ret_id, f);
    }
}

void file_message_abandon(HeldMessage *message)
{
    FileMessage *m = from_base(message);

    end_reading(m);
    spool_claim_free(m->claim);
    file_message_free(m);
}
