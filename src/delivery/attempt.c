/* One message in delivery: its transactions and their content. */
#include "delivery/attempt.h"

#include <errno.h>

#include "delivery/attempt_internal.h"
#include "delivery/split.h"

#define FEED_BYTES 65536

static void set_recipients(Attempt *a)
{
    size_t first, n = split_recipients(a->message, &first, &a->n_lost);

    a->submitted = first;
    a->end = first + n;
    a->n_later = a->later_taken = 0;
}

int attempt_new(
    HeldMessage *message, const RelayConfig *relay, const Connection *connection, Attempt **ret)
{
    Attempt *a = calloc(1, sizeof(Attempt));

    if (!a)
        return -ENOMEM;
    a->message = message;
    message->sending = true;
    a->relay = relay;
    a->connection = connection;
    set_recipients(a);
    *ret = a;
    return 0;
}

void attempt_go_on(Attempt *a, const RelayConfig *relay, const Connection *connection)
{
    a->relay = relay;
    a->connection = connection;
    set_recipients(a);
}

bool attempt_pause(Attempt *a, const AttemptContext *context, usec_t now)
{
    const SourceOps *ops = a->message->source->ops;

    if (a->unread || a->decided || a->n_unrecorded > 0 || ops->sync(a->message, NULL) != 0)
        return false;
    attempt_report(a, context, now);
    a->n_cut = 0; /* nothing is held against those */
    attempt_set_nowhere(a, NULL);
    a->relay = NULL;
    a->connection = NULL;
    return true;
}

void attempt_wait_until(Attempt *a, usec_t until)
{
    a->until = until;
}

void attempt_set_nowhere(Attempt *a, char *words)
{
    free(a->nowhere);
    a->nowhere = words;
}

void attempt_drop_groups(Attempt *a)
{
    Group *next;

    for (Group *group = a->last_group ? &a->first_group : NULL; group; group = next) {
        next = group->next;
        free(group->text);
        if (group != &a->first_group)
            free(group);
    }
    a->last_group = NULL;
    a->n_reported = 0;
}

void attempt_free(Attempt *a)
{
    attempt_drop_groups(a);
    free(a->later);
    free(a->reported);
    free(a->unrecorded);
    free(a->cut);
    content_done(&a->content);
    free(a->part);
    free(a->part_index);
    free(a->cut_text);
    free(a->reason);
    free(a->nowhere);
    free(a->sender);
    free(a->late_relay);
    free(a->late_address);
    free(a->late_tls);
    free(a->verdict.text);
    free(a);
}

Attempt *attempt_of(const SmtpTransaction *transaction)
{
    return transaction->user;
}

HeldMessage *attempt_message(const Attempt *a)
{
    return a->message;
}

const char *attempt_id(const Attempt *a)
{
    return a->message->id;
}

uid_t attempt_owner(const Attempt *a)
{
    return a->message->owner;
}

Attempt **attempt_next(Attempt *a)
{
    return &a->next;
}

/* The index of the next recipient: those that were not tried come first. */
static size_t next_recipient(Attempt *a)
{
    const HeldMessage *m = a->message;
    size_t i;

    if (a->submitted == a->end)
        return a->later[a->later_taken++];
    i = a->submitted++;
    return m->pending ? m->pending[i] : i;
}

/* Where connections were lost under some, those go by themselves, and fewer at a time with every
 * loss: whether it is one of them that the relay stumbles over, or their number, in the end one is
 * alone with it. */
static size_t part_size(const Attempt *a, size_t max)
{
    size_t unsuspected = a->end - a->n_lost, n = MIN(attempt_left(a), max);

    if (a->n_lost == 0)
        return n;
    if (a->submitted < unsuspected)
        return MIN(n, unsuspected - a->submitted);
    return MIN(n, MAX(a->n_lost >> MIN(2 * a->message->losses, 63u), (size_t)1));
}

static int make_room(Attempt *a, size_t n)
{
    if (n <= a->part_allocated)
        return 0;
    free(a->part);
    free(a->part_index);
    free(a->reported);
    free(a->unrecorded);
    free(a->cut);
    a->part = malloc(n * sizeof(SmtpRecipient));
    a->part_index = malloc(n * sizeof(size_t));
    a->reported = malloc(n * sizeof(char *));
    a->unrecorded = malloc(n * sizeof(Unrecorded));
    a->cut = malloc(n * sizeof(char *));
    a->part_allocated = a->part && a->part_index && a->reported && a->unrecorded && a->cut ? n : 0;
    return a->part_allocated > 0 ? 0 : -ENOMEM;
}

int attempt_submit(
    Attempt *a, SmtpSession *session, unsigned max_recipients, usec_t now, usec_t now_monotonic)
{
    const Envelope *envelope = message_envelope(a->message->message);
    size_t n = part_size(a, max_recipients);
    int r;

    r = make_room(a, n);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        const EnvelopeRecipient *recipient;

        a->part_index[i] = next_recipient(a);
        recipient = &envelope->recipients[a->part_index[i]];
        a->part[i] =
            (SmtpRecipient){.address = recipient->address, .parameters = recipient->parameters};
    }
    r = content_open(
        &a->content, a->message->message, smtp_session_capabilities(session), a->relay);
    if (r < 0)
        return r;
    a->transaction = (SmtpTransaction){
        .sender = envelope->sender,
        .sender_parameters = envelope->sender_parameters,
        .recipients = a->part,
        .n_recipients = n,
        .size = a->content.size,
        .now = now,
        .waited = clock_age(a->message->arrival, now) / USEC_PER_SEC,
        .unfit = a->content.unfit,
        .nowhere = a->nowhere,
        .is_8bit = a->content.is_8bit,
        .user = a,
    };
    return smtp_session_submit(session, &a->transaction, now_monotonic);
}

int attempt_feed(Attempt *a, SmtpSession *session, Buffer *scratch, usec_t now_monotonic)
{
    int64_t n;
    int r;

    buffer_clear(scratch);
    n = content_read(&a->content, FEED_BYTES, scratch);
    if (n < 0) {
        smtp_session_content_abort(session,
            "the message file could not be read to its end; it became shorter or its disk fails");
        return n == -ENOMEM ? -ENOMEM : 0;
    }
    r = smtp_session_content(session, buffer_data(scratch), buffer_size(scratch));
    if (r >= 0 && (n == 0 || a->content.at >= a->content.total))
        r = smtp_session_content_end(session, now_monotonic);
    return r;
}
