/* One SMTP client session: bytes in, bytes out, events pulled, a deadline. No descriptor, no clock,
 * no log.
 *
 * Use, by a driver:
 *   feed what was read to smtp_session_receive();
 *   call smtp_session_step() until it returns 0, acting on each event;
 *   write what smtp_session_output() holds, and consume it there;
 *   wait for input, for room to write, or until smtp_session_deadline().
 *
 * Pipelining (RFC 2920) is the normal case and goes across transactions: submit the next
 * transaction while the content of the one before is under way, and its MAIL, RCPT and DATA leave
 * in the same write as the end of that content. Outcomes come one a recipient. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/outcome.h"
#include "smtp/auth.h"
#include "smtp/capabilities.h"
#include "smtp/command.h"
#include "smtp/memory.h"

typedef enum SmtpTls {
    SMTP_TLS_NONE,
    SMTP_TLS_IF_OFFERED,
    SMTP_TLS_REQUIRED,
    SMTP_TLS_ACTIVE, /* implicit TLS: it stands before the greeting */
} SmtpTls;

typedef enum SmtpTraceDirection {
    SMTP_TRACE_CLIENT = 0,
    SMTP_TRACE_SERVER = 1,
    SMTP_TRACE_INFO = 2
} SmtpTraceDirection;

/* One line of the dialogue, without its end; secrets are "***" (but see `shows_secrets`); message
 * content is never shown. */
typedef void (*SmtpTrace)(void *user, SmtpTraceDirection direction, const char *line, size_t n);

/* Borrowed for the life of the session. */
typedef struct SmtpOptions {
    const char *hello; /* argument of EHLO; a domain or an address literal */
    bool lmtp;       /* LMTP (RFC 2033): LHLO, and a reply a recipient to the end of the content */
    bool extensions; /* false: HELO and nothing else */
    bool pipelining; /* use where offered */
    bool chunking;
    unsigned discarded; /* SmtpCapability: as if not offered */
    SmtpMemory *memory; /* or NULL */
    bool send_rset;     /* RSET before each transaction but the first */
    bool bare_dots;     /* a local part that has quotes for its dots alone goes out without them */
    SmtpTls tls;
    SmtpAuthOptions auth;
    size_t max_line_bytes;
    usec_t timeout;        /* without a whole reply or a byte written; 0: none */
    usec_t time_in_all;    /* for the way to READY, for a message (from its submission, or the end
                              of the one before), for a command; 0: none */
    usec_t began;          /* when the way to READY did; counts with time_in_all */
    bool timeout_by_stage; /* replies may take at least as long as RFC 5321, 4.5.3.2 says */
    bool shows_secrets;    /* the trace has what the client says to log in as it is */
    SmtpTrace trace;       /* or NULL */
    void *trace_user;
} SmtpOptions;

typedef enum SmtpEventType {
    SMTP_EVENT_NEED_TLS, /* start TLS on the transport, then smtp_session_tls_started(). Bytes that
                          * came behind the 220 have been refused already: then CLOSED comes instead
                          */
    SMTP_EVENT_READY,    /* greeted, EHLO done, authenticated: transactions may be submitted. Once a
                            session */
    SMTP_EVENT_NEED_CONTENT,     /* before the next step call smtp_session_content() for
                                  * event.transaction, smtp_session_content_end() (with the last
                                  * bytes: that saves a chunk), or ..._abort(). Repeated while
                                  * there is room in the output */
    SMTP_EVENT_RECIPIENT,        /* the final outcome of event.transaction's recipient number
                                    event.recipient, in this attempt */
    SMTP_EVENT_TRANSACTION_DONE, /* every recipient of it has had its event; its memory is the
                                  * caller's again. `accepted` tells of a limit that was met */
    SMTP_EVENT_REPLY,  /* to smtp_session_command(): event.outcome (DELIVERED stands for 2xx), and
                          all its lines in smtp_session_last_reply() */
    SMTP_EVENT_CLOSED, /* the session is over: after QUIT (outcome.kind DELIVERED), or cut off, and
                          event.outcome tells how. The last event */
} SmtpEventType;

typedef struct SmtpEvent {
    SmtpEventType type;
    SmtpTransaction *transaction;
    size_t recipient;
    size_t accepted; /* TRANSACTION_DONE: recipients that were accepted when the first reply of a
                        limit came (452 or 552 to RCPT); 0: none came, or before any was */
    const DeliveryOutcome
        *outcome; /* RECIPIENT, REPLY, CLOSED; borrowed until the next call on the session */
} SmtpEvent;

/* What an outcome says, beside a verdict of the relay's on a recipient (DELIVERED, REFUSED,
 * DEFERRED: CAUSE_REPLY) and one of our own (REFUSED, CAUSE_OWN, STAGE_MESSAGE):
 *
 * POSTPONED: the recipient is to go at once in a further transaction, over this session where it
 * can be submitted to. It was refused for now behind one that was accepted, so that it may be over
 * a limit; or it, or the whole transaction, was for what the session had chosen to say (SIZE, BODY,
 * SMTPUTF8, DSN, BDAT) and says no more. That comes to an end: a transaction that postpones has a
 * recipient accepted, or leaves the session with less to choose.
 *
 * CUT_OFF: the session ended before a verdict, and these are the facts; whose fault it was is not
 * said. `cause` is REPLY (421 anywhere; 530 to MAIL with STAGE_AUTH; a refused RSET that was
 * needed; 500 to 504 or 555 to BDAT, see SmtpMemory; 502 or 503 to a MAIL without any parameter of
 * ours; before READY any refusal), LOST,
 * TIMEOUT, PROTOCOL (a reply that is none, or none that may come there; then with its code), or
 * OWN; `stage` is where the session was. `under_way`: a byte of this transaction's MAIL may have
 * reached the relay. `perhaps`: the end of its content was written in full, and no reply said yes
 * or no to it, though it was waited for as long as it could come; or it said yes where no recipient
 * is known to be meant. It is not said of what was written when the server told that it closes, and
 * did. In CLOSED both stand for any transaction that was cut off. */

typedef struct SmtpSession SmtpSession;

int smtp_session_new(const SmtpOptions *options, usec_t now, SmtpSession **ret);
void smtp_session_free(SmtpSession *session);

/* Room for input of at least `n` bytes; write there, then say how many with
 * smtp_session_received(). NULL when memory is short. */
char *smtp_session_reserve(SmtpSession *session, size_t n);
void smtp_session_received(SmtpSession *session, size_t n, usec_t now);

/* Whether input waits that no event has come of yet. */
bool smtp_session_has_input(const SmtpSession *session);

/* 1 with an event, 0 when input, output room or time is needed, or -ENOMEM (the session is then of
 * no further use). */
int smtp_session_step(SmtpSession *session, usec_t now, SmtpEvent *ret);

/* What is to be written; the driver consumes what it wrote with smtp_session_written(). Asking for
 * it ends a BDAT chunk, so ask only when about to write. */
Buffer *smtp_session_output(SmtpSession *session);
void smtp_session_written(SmtpSession *session, size_t n, usec_t now);

/* Monotonic time at which smtp_session_step() must be called even without input, which then closes
 * for a time-out; USEC_NEVER: none. After steps until 0 it is never past. */
usec_t smtp_session_deadline(const SmtpSession *session);

/* So long nobody listened to the server: that time does not count. */
void smtp_session_put_off(SmtpSession *session, usec_t time);

/* Whether smtp_session_submit() may be called: ready, not closing, and fewer than two transactions
 * under way. */
bool smtp_session_can_submit(const SmtpSession *session);

/* True when nothing is under way: READY was seen and every transaction is done. */
bool smtp_session_is_idle(const SmtpSession *session);

/* Hands over a transaction. Recipients whose address the server cannot take (UTF-8), or a message
 * above the server's SIZE, get their events without a word sent. 0 or -ENOMEM. */
int smtp_session_submit(SmtpSession *session, SmtpTransaction *transaction, usec_t now);

/* Raw content for the transaction of the NEED_CONTENT event. 0 or -ENOMEM. */
int smtp_session_content(SmtpSession *session, const char *data, size_t n);
int smtp_session_content_end(SmtpSession *session, usec_t now);

/* The content cannot be had (reading failed): the session closes without ending the message, its
 * recipients are CUT_OFF by CAUSE_OWN at STAGE_MESSAGE with `text` (copied). */
void smtp_session_content_abort(SmtpSession *session, const char *text);

/* TLS stands. `info` is copied. */
int smtp_session_tls_started(SmtpSession *session, const SmtpTlsInfo *info, usec_t now);

/* The transport is gone or never came up. Of `why` the cause, stage, error, reason and text
 * (copied) count; STAGE_NONE is where the session is. Replies that were received before are judged
 * first. What is under way gets its events, then CLOSED comes. */
void smtp_session_lost(SmtpSession *session, const DeliveryOutcome *why);

/* Whether the end of a message has been written in full whose reply has not come. As long as that
 * is so reading is worth while, even where nothing can be written any more. */
bool smtp_session_awaits_verdict(const SmtpSession *session);

/* Says one command as it stands ("NOOP", "VRFY postmaster") while the session is idle; REPLY
 * follows. 0; -EBUSY when it is not idle; -EINVAL for a line that holds a control character, or
 * begins what is more than a command and its reply (DATA, BDAT, STARTTLS, AUTH, QUIT); -ENOMEM. */
int smtp_session_command(SmtpSession *session, const char *line, usec_t now);

/* Whether the line begins what is more than a command and its reply. */
bool smtp_session_command_is_reserved(const char *line);

/* The last reply of the server, all its lines. Borrowed until the next step; without a reply so far
 * its code is 0. */
const SmtpReply *smtp_session_last_reply(const SmtpSession *session);

/* Says QUIT when idle; CLOSED follows. */
void smtp_session_quit(SmtpSession *session, usec_t now);

const SmtpCapabilities *smtp_session_capabilities(const SmtpSession *session);

/* Whether TLS is in use, with a certificate that was verified. */
bool smtp_session_is_verified(const SmtpSession *session);

/* The AUTH mechanism in use, or NULL. */
const char *smtp_session_mechanism(const SmtpSession *session);

/* What the server offers to log in with, and how each mechanism fares, as smtp_auth_explain().
 * Nothing where there has been no reply to EHLO, or no login is wanted. */
void smtp_session_explain_auth(
    const SmtpSession *session, void (*tell)(void *user, const SmtpAuthFit *fit), void *user);

/* The stage the session is in, for messages and the STATUS line. */
DeliveryStage smtp_session_stage(const SmtpSession *session);

DEFINE_CLEANUP(SmtpSession, smtp_session_free);
