/* One message on its way over one connection: its transactions, the outcomes of its recipients, and
 * the decision at the end of the attempt. */
#pragma once

#include "delivery/report.h"
#include "delivery/source.h"
#include "net/connection.h"
#include "settings/config.h"

typedef struct Delivery Delivery;

/* What every delivery of an engine shares; borrowed. */
typedef struct DeliveryContext {
    const RetryConfig *retry;
    bool keep_sent;
    const EngineObserver *observer;
    void *user;
} DeliveryContext;

/* Takes the message over. `relay` is the relay's name; it and `connection` (for address and TLS)
 * are borrowed until the delivery ends. */
int delivery_new(
    SourceMessage *message, const char *relay, const Connection *connection, Delivery **ret);

/* Hands the next part of the recipients, at most `max_recipients`, to the session. 0 or -ENOMEM. */
int delivery_submit(
    Delivery *delivery, SmtpSession *session, unsigned max_recipients, usec_t now_monotonic);

/* The delivery a session's transaction belongs to. */
Delivery *delivery_of(const SmtpTransaction *transaction);

/* Answers SMTP_EVENT_NEED_CONTENT. 0 or -ENOMEM. */
int delivery_feed(Delivery *delivery, SmtpSession *session, Buffer *scratch, usec_t now_monotonic);

/* Notes SMTP_EVENT_RECIPIENT. `stale` says that the connection had been idle and was closed under
 * it: then a loss before any reply is nobody's fault. Memory that
 * cannot be had costs words at most. */
void delivery_note(Delivery *delivery, const DeliveryContext *context, const SmtpEvent *event,
    bool stale, usec_t now);

/* On SMTP_EVENT_TRANSACTION_DONE: 1 when recipients are left that should go over the same
 * connection (delivery_submit() again), 0 when the attempt is over (delivery_end()). With more to
 * come, what is known is made durable first. */
int delivery_transaction_done(
    Delivery *delivery, const DeliveryContext *context, bool connection_lives, usec_t now);

/* Has delivery_end() fail the message with an error of base/errors.h, whatever its outcomes. 0 or
 * -ENOMEM. */
int delivery_give_up(Delivery *delivery, int error, const char *text);

/* Ends the attempt: the message goes to its next state, which is reported. A message that met with
 * nothing that is held against it goes back to the queue. Consumes the delivery when it returns 0;
 * SOURCE_STUCK: the record cannot be written, which has been reported; call it again later. */
int delivery_end(
    Delivery *delivery, const DeliveryContext *context, EngineStatistics *statistics, usec_t now);

/* Lets go of a message whose end could not be written, as if this process had died: it stays
 * `.sending`, unlocked, until somebody recovers it. */
void delivery_abandon(Delivery *delivery);

/* The link of a list of deliveries, for whoever holds them. */
Delivery **delivery_next(Delivery *delivery);
