/* One message on its way over one connection: its transactions, the outcomes of its recipients, and
 * the decision at the end of the attempt. */
#pragma once

#include "delivery/report.h"
#include "net/connection.h"
#include "queue/source.h"
#include "settings/config.h"

typedef struct Attempt Attempt;

/* What every attempt of an engine shares; borrowed. */
typedef struct AttemptContext {
    const RetryConfig *retry;
    bool keep_sent;
    const EngineObserver *observer;
    void *user;
} AttemptContext;

/* Takes the message over. `relay` and `connection` (for address and TLS) are borrowed until the
 * attempt is over. 0 or -ENOMEM. */
int attempt_new(
    HeldMessage *message, const RelayConfig *relay, const Connection *connection, Attempt **ret);

/* What the recipients that have had their turn met with is made durable and reported, so that
 * others of the message can go over another relay. False: the attempt is to end. */
bool attempt_pause(Attempt *attempt, const AttemptContext *context, usec_t now);

/* Goes on with the current part of the message (delivery/split.h) after a pause. As attempt_new().
 */
void attempt_go_on(Attempt *attempt, const RelayConfig *relay, const Connection *connection);

/* Recipients are left that wait for a relay on hold: a message that is returned at the end of the
 * attempt is not deliverable before that (realtime). */
void attempt_wait_until(Attempt *attempt, usec_t until);

/* Why no other relay is asked for what this one cannot take; freed with the attempt. */
void attempt_set_nowhere(Attempt *attempt, char *words);

/* Hands the next part of the recipients, at most `max_recipients`, to the session; `now` is
 * realtime. 0 or -ENOMEM. */
int attempt_submit(Attempt *attempt, SmtpSession *session, unsigned max_recipients, usec_t now,
    usec_t now_monotonic);

/* The attempt a session's transaction belongs to. */
Attempt *attempt_of(const SmtpTransaction *transaction);

/* The id of its message. */
const char *attempt_id(const Attempt *attempt);

/* Whose file the message is, or FILE_OWNER_UNKNOWN. */
uid_t attempt_owner(const Attempt *attempt);

/* Answers SMTP_EVENT_NEED_CONTENT. 0 or -ENOMEM. */
int attempt_feed(Attempt *attempt, SmtpSession *session, Buffer *scratch, usec_t now_monotonic);

/* Notes SMTP_EVENT_RECIPIENT. A recipient that is postponed goes in a further transaction; one that
 * was cut off waits for attempt_judge(). Memory that cannot be had costs words at most. */
void attempt_note(
    Attempt *attempt, const AttemptContext *context, const SmtpEvent *event, usec_t now);

/* How the connection ended under it: the outcome of those that were cut off, or NULL. Borrowed. */
const DeliveryOutcome *attempt_cut_off(const Attempt *attempt);

/* Those that were cut off are deferred, with the end of the connection as the reason. */
void attempt_defer_cut_off(Attempt *attempt, const AttemptContext *context, usec_t now);

/* Reports what is known of recipients and can wait no longer: the reply to the content may be long
 * in coming. */
void attempt_report(Attempt *attempt, const AttemptContext *context, usec_t now);

/* This machine could not read the message: nothing is held against it, but it waits a while. */
void attempt_note_unread(Attempt *attempt);

/* On SMTP_EVENT_TRANSACTION_DONE: 1 when recipients are left that should go over the same
 * connection (attempt_submit() again), 0 when the attempt is over (attempt_end()). With more to
 * come, what is known is made durable first. */
int attempt_transaction_done(
    Attempt *attempt, const AttemptContext *context, bool connection_lives, usec_t now);

/* Whether all its recipients have the message, so that its end is to take the file away. */
bool attempt_is_sent(const Attempt *attempt, const AttemptContext *context);

/* Has attempt_end() fail the message for a fault of the relay's, whatever its outcomes; `text`
 * tells of it. 0 or -ENOMEM. */
int attempt_give_up(Attempt *attempt, const DeliveryOutcome *fault, const char *text);

/* Ends the attempt: the message goes to its next state, which is reported. A message that met with
 * nothing that is held against it goes back to the queue. 0: the attempt is consumed. Otherwise it
 * has not ended: SOURCE_LATER (attempt_ended() is to be called when the source says so), or a
 * negative errno, which has been reported: call it again later. The connection is not looked at. */
int attempt_end(
    Attempt *attempt, const AttemptContext *context, EngineStatistics *statistics, usec_t now);

/* The source has settled the message, `result` as of SourceOps.settle(). As attempt_end(). */
int attempt_ended(Attempt *attempt, const AttemptContext *context, EngineStatistics *statistics,
    int result, const char *id, const Failure *f);

/* Lets go of a message whose end could not be written, as if this process had died. */
void attempt_abandon(Attempt *attempt);

/* The same at the end of this process, which is told of those that somebody gets again. */
void attempt_abandon_at_end(Attempt *attempt, const AttemptContext *context);

/* The message it is about; borrowed. */
HeldMessage *attempt_message(const Attempt *attempt);

/* The link of a list of attempts, for whoever holds them, and when it is to be ended again. */
Attempt **attempt_next(Attempt *attempt);
