/* One message in delivery: its transactions and their content. */
#include <errno.h>

#include "delivery/delivery_internal.h"

#define FEED_BYTES 65536

int delivery_new(
    SourceMessage *message, const char *relay, const Connection *connection, Delivery **ret)
{
    Delivery *d = calloc(1, sizeof(Delivery));

    if (!d)
        return -ENOMEM;
    d->message = message;
    d->relay = relay;
    d->connection = connection;
    *ret = d;
    return 0;
}

void delivery_free(Delivery *d)
{
    free(d->group.text);
    free(d->group.recipients);
    free(d->part);
    free(d->reason);
    free(d->verdict.text);
    free(d);
}

Delivery *delivery_of(const SmtpTransaction *transaction)
{
    return transaction->user;
}

/* The recipient at place `i` of those that were pending when the attempt began. */
static const EnvelopeRecipient *pending_recipient(const Delivery *d, size_t i)
{
    const SourceMessage *m = d->message;

    return &message_envelope(m->message)->recipients[m->pending ? m->pending[i] : i];
}

static int make_room(Delivery *d, size_t n)
{
    if (n <= d->part_allocated)
        return 0;
    free(d->part);
    free(d->group.recipients);
    d->part_allocated = 0;
    d->part = malloc(n * sizeof(SmtpRecipient));
    d->group.recipients = malloc(2 * n * sizeof(char *));
    if (!d->part || !d->group.recipients)
        return -ENOMEM;
    d->unrecorded = d->group.recipients + n;
    d->part_allocated = n;
    return 0;
}

int delivery_submit(
    Delivery *d, SmtpSession *session, unsigned max_recipients, usec_t now_monotonic)
{
    const Envelope *envelope = message_envelope(d->message->message);
    size_t n = MIN(d->message->n_pending - d->submitted, (size_t)max_recipients);
    int r;

    r = make_room(d, n);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        const EnvelopeRecipient *recipient = pending_recipient(d, d->submitted + i);

        d->part[i] =
            (SmtpRecipient){.address = recipient->address, .parameters = recipient->parameters};
    }
    if (d->submitted > 0)
        message_rewind(d->message->message);
    d->fed = 0;
    d->submitted += n;
    d->transaction = (SmtpTransaction){
        .sender = envelope->sender,
        .sender_parameters = envelope->sender_parameters,
        .recipients = d->part,
        .n_recipients = n,
        .size = message_size(d->message->message),
        .is_8bit = message_may_be_8bit(d->message->message),
        .wants_utf8 = message_wants_utf8(d->message->message),
        .user = d,
    };
    return smtp_session_submit(session, &d->transaction, now_monotonic);
}

int delivery_feed(Delivery *d, SmtpSession *session, Buffer *scratch, usec_t now_monotonic)
{
    int64_t n;
    int r;

    buffer_clear(scratch);
    n = message_read(d->message->message, FEED_BYTES, scratch);
    if (n < 0) {
        smtp_session_content_abort(session,
            "the message file could not be read to its end; it became shorter or its disk fails");
        return n == -ENOMEM ? -ENOMEM : 0;
    }
    r = smtp_session_content(session, buffer_data(scratch), buffer_size(scratch));
    d->fed += (uint64_t)n;
    if (r >= 0 && (n == 0 || d->fed >= message_size(d->message->message)))
        r = smtp_session_content_end(session, now_monotonic);
    return r;
}

int delivery_transaction_done(
    Delivery *d, const DeliveryContext *context, bool connection_lives, usec_t now)
{
    size_t settled = d->delivered + d->refused + d->deferred;

    delivery_report_group(
        d, context, now); /* there is room for the recipients of one transaction */
    if (!connection_lives || d->submitted == d->message->n_pending || settled < d->submitted ||
        d->n_unrecorded > 0)
        return 0;
    /* The end of the attempt tries again to write, and reports it. */
    return d->message->source->ops->write(d->message, NULL) < 0 ? 0 : 1;
}

Delivery **delivery_next(Delivery *d)
{
    return &d->next;
}
