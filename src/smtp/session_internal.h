/* What the parts of the session share. Nothing outside of session*.c includes it.
 *
 * The parts: session.c (the public face and the loop), session_steps.c (commands out, replies in,
 * time), session_greeting.c (up to READY), session_auth.c (of that, the login), session_command.c
 * (the caller's commands, QUIT), session_transaction.c (MAIL, DATA, and what is written when),
 * session_rcpt.c (the recipients), session_content.c (the message), session_events.c (outcomes),
 * session_end.c (why the session ends, and what is still read before it does). */
#pragma once

#include "smtp/content.h"
#include "smtp/session.h"

/* More than this waiting to be written: no further command, no further content. */
#define SMTP_OUTPUT_HIGH_BYTES ((size_t)64 * 1024)

/* A message up to this goes out by BDAT without waiting for the replies to RCPT: to send it in vain
 * costs less than the round trip. */
#define SMTP_CONTENT_SMALL_BYTES (64 * 1024)

/* Every command, or what else is answered by a reply. Each has a smtp_send_x() that writes it, and
 * a smtp_on_x_reply() that judges the reply.
 *
 * name, stem of its functions, stage, patience in minutes (RFC 5321, 4.5.3.2), whether a trace may
 * show it as it was written, what the session is doing meanwhile */
#define SMTP_STEPS(X)                                                                      \
    X(GREETING, greeting, STAGE_GREETING, 5, true, "waiting for the greeting")             \
    X(EHLO, ehlo, STAGE_EHLO, 5, true, "waiting for the reply to EHLO")                    \
    X(HELO, helo, STAGE_EHLO, 5, true, "waiting for the reply to HELO")                    \
    X(STARTTLS, starttls, STAGE_STARTTLS, 5, true, "waiting for the reply to STARTTLS")    \
    X(AUTH, auth, STAGE_AUTH, 5, false, "waiting for the reply to AUTH")                   \
    X(RSET, rset, STAGE_RSET, 5, true, "waiting for the reply to RSET")                    \
    X(MAIL, mail, STAGE_MAIL, 5, true, "waiting for the reply to MAIL")                    \
    X(RCPT, rcpt, STAGE_RCPT, 5, true, "waiting for the reply to RCPT")                    \
    X(DATA, data, STAGE_DATA, 2, true, "waiting for the reply to DATA")                    \
    X(CHUNK, chunk, STAGE_CONTENT, 10, false, "waiting for the reply to BDAT")             \
    X(CONTENT, content, STAGE_CONTENT, 10, false,                                          \
        "waiting for the reply to the end of the message")                                 \
    X(NOTHING, nothing, STAGE_DATA, 10, true, "waiting for the reply to an empty message") \
    X(COMMAND, command, STAGE_IDLE, 5, true, "waiting for the reply to the command")       \
    X(QUIT, quit, STAGE_QUIT, 5, true, "waiting for the reply to QUIT")

typedef enum SmtpStep {
#define SMTP_STEP_ENUM(name, stem, stage, minutes, shown, doing) SMTP_STEP_##name,
    SMTP_STEPS(SMTP_STEP_ENUM)
#undef SMTP_STEP_ENUM
        SMTP_STEP_MAX,
} SmtpStep;

/* How far a transaction's own commands have been written. */
typedef enum SmtpFlightPhase {
    SMTP_FLIGHT_START,   /* nothing yet; it is looked at first */
    SMTP_FLIGHT_RSET,    /* next: RSET, where one is due */
    SMTP_FLIGHT_MAIL,    /* next: MAIL */
    SMTP_FLIGHT_RCPT,    /* next: RCPT for `next` */
    SMTP_FLIGHT_DATA,    /* next: DATA, or the first BDAT */
    SMTP_FLIGHT_ASKED,   /* DATA is written. Nothing else may be until it is answered */
    SMTP_FLIGHT_CONTENT, /* the message is being written */
    SMTP_FLIGHT_SENT,    /* nothing more to write; replies may be due */
} SmtpFlightPhase;

typedef enum SmtpRecipientState {
    SMTP_RECIPIENT_OPEN,
    SMTP_RECIPIENT_UNSENDABLE, /* judged without RCPT, so that no reply is due to it */
    SMTP_RECIPIENT_JUDGED,     /* has had its event */
    SMTP_RECIPIENT_ODD,        /* the reply to its RCPT was neither yes nor no */
    SMTP_RECIPIENT_OUT,        /* said no to after the session was given up: no verdict, but the
                                  message is not delivered to it either */
} SmtpRecipientState;

/* A transaction under way. */
typedef struct SmtpFlight {
    SmtpTransaction *transaction;
    SmtpFlightPhase phase;
    unsigned char *states; /* SmtpRecipientState, one a recipient; kept for the next transaction */
    size_t states_allocated;
    size_t n_open;   /* without their event */
    size_t n_odd;    /* of those, in this state */
    size_t n_out;    /* likewise */
    size_t verdict;  /* LMTP: recipients before this one have had the reply to the content's end */
    size_t accepted; /* RCPT with a positive reply */
    size_t limit;    /* `accepted` when the first reply of a limit came, and none was behind it */
    size_t next;     /* recipient whose RCPT is to be written */
    size_t answered; /* recipients before this one have had the reply to their RCPT */
    size_t rcpt_due; /* replies to RCPT due */
    size_t outstanding; /* replies due, of all kinds */
    uint64_t mail_at;   /* position of MAIL in all that was ever written */
    bool mail_written;  /* MAIL has been put into the output */
    uint64_t end_at;    /* likewise of what follows the content's end; 0: not there yet */
    bool end_due;       /* the content's end has been put into the output, its reply is due */
    bool end_judged;    /* and has come, and was yes or no */
    bool bdat;          /* BDAT instead of DATA */
    bool rset_behind;   /* RSET has been written behind it */
    bool rset_needed;   /* by the RSET in front of it: the server may be within a transaction */
    bool withheld;     /* MAIL was refused, and that is told when what went behind it is answered */
    bool mail_refused; /* likewise, when the session was given up: no verdict */
    bool unsure;       /* RCPT met with 421, or a chunk was not accepted: a message that is taken
                          all the same may or may not be what it should */
    unsigned refused;  /* SmtpCapabilities.refused, when MAIL was written */
    bool waits;        /* the replies to all RCPT come before DATA: the message is not to go without
                          some, or (LMTP) to others than those */
    bool stopped;      /* one of these was refused, and the others are to be told */
    bool aborted;      /* smtp_session_content_abort() */
    SmtpContent content;
    size_t content_bytes; /* raw, since the last that was traced */
} SmtpFlight;

/* Replies due, in order. A run of the same step is one entry, so that the ring's size is bounded:
 * RSET, MAIL, RCPT, BDAT and the end are five a transaction. */
typedef struct SmtpExpected {
    SmtpStep step;
    SmtpFlight *flight; /* NULL outside of transactions */
    size_t n;
    uint64_t at; /* position of the first command in all that was ever written */
} SmtpExpected;

#define SMTP_EXPECTED_MAX 16

typedef enum SmtpSessionState {
    SMTP_SESSION_OPENING, /* from the greeting to AUTH */
    SMTP_SESSION_TLS,     /* the driver does the handshake */
    SMTP_SESSION_READY,
    SMTP_SESSION_CLOSING, /* given up: nothing is said any more, but the replies to ends of content
                             that were written are still read */
    SMTP_SESSION_ENDING,  /* what is under way gets its events */
    SMTP_SESSION_OVER,
} SmtpSessionState;

struct SmtpSession {
    const SmtpOptions *options;
    SmtpMemory *memory, own_memory; /* the caller's, or our own */
    SmtpSessionState state;
    usec_t now;       /* of the last call that said it */
    usec_t progress;  /* when the deadline began to run */
    usec_t operation; /* when that of the whole operation did */

    Buffer input, output;
    size_t masked;      /* bytes of the input that have been looked through for secrets */
    bool output_secret; /* the output held a password: it is wiped when it is empty */
    uint64_t written;   /* bytes the driver consumed from the output */
    SmtpReply reply;
    SmtpExpected expected[SMTP_EXPECTED_MAX];
    size_t expected_first, n_expected;

    SmtpCapabilities capabilities;
    SmtpTlsInfo tls;
    Buffer tls_data; /* what `tls` points to */
    SmtpAuth *auth;
    Failure auth_failure; /* why our side cancelled the login */
    char mechanism[32];
    SmtpAuthWays auth_excluded; /* they failed, or make no sense any more */
    SmtpAuthWays auth_refused;  /* those of them that the server did not take */
    char auth_tried[256];       /* "SCRAM-SHA-256, PLAIN" */
    bool pipelining, chunking;  /* offered and allowed */
    unsigned disputed;          /* of capabilities.refused, those that MAIL was refused with */

    SmtpFlight flights[2];
    size_t first_flight, n_flights;
    bool unclean;        /* the server may still be within a transaction */
    bool no_rset;        /* it does not know RSET */
    bool knows_bdat;     /* it has accepted a chunk */
    size_t transactions; /* begun */

    Buffer scratch;     /* a command that is only tried, or put before what is there */
    size_t chunk_start; /* offset in the output of the chunk that is being filled */
    bool chunk_open;

    /* Events to come. */
    bool ready_due, tls_due;
    bool reply_due;        /* to a command of the caller's; it is in `outcome` */
    SmtpFlight *announced; /* gets `outcome`, or NULL */
    size_t recipient;      /* next of its recipients to look at */
    bool announce_all;     /* every open recipient, not `recipient` alone */
    bool announce_rest;    /* they are those that nothing is sent to for its sake */
    DeliveryOutcome outcome;
    Buffer text;              /* of `outcome` */
    DeliveryOutcome withheld; /* the verdict on the transaction that has `withheld` set */
    Buffer withheld_text;

    /* The end. */
    bool quit_wanted, quitting, lost;
    DeliveryOutcome refusal; /* what the session went on after, before READY; code 0: nothing */
    Buffer refusal_text;
    bool ehlo_refused;
    bool cut_short;      /* something was left to be written when the session was given up */
    uint64_t farewell;   /* `written` when the server said that it closes (421, 221); 0: it has
                            not, or has gone on since */
    usec_t farewell_at;  /* the first 421; 0: none */
    DeliveryOutcome end; /* why the session ends; before that, with `lost`: why the transport did */
    Buffer end_text;
};

static inline SmtpFlight *smtp_oldest_flight(SmtpSession *s)
{
    return s->n_flights > 0 ? &s->flights[s->first_flight] : NULL;
}

/* -- session_steps.c: commands out, replies in, time -- */

#define SMTP_STEP_FUNCTIONS(name, stem, stage, minutes, shown, doing) \
    int smtp_send_##stem(SmtpSession *s, SmtpFlight *flight);         \
    int smtp_on_##stem##_reply(SmtpSession *s, SmtpFlight *flight);
SMTP_STEPS(SMTP_STEP_FUNCTIONS)
#undef SMTP_STEP_FUNCTIONS

/* Writes a step's command and expects its reply. The output is as before when that fails. */
int smtp_say(SmtpSession *s, SmtpStep step, SmtpFlight *flight);

/* Expects one more reply, to what stands in the output from `at` on. */
void smtp_expect(SmtpSession *s, SmtpStep step, SmtpFlight *flight, size_t at);

/* Takes one reply from the input and judges it. 1 when there was one, 0, or a negative errno. */
int smtp_read_reply(SmtpSession *s);

/* "waiting for the reply to MAIL", "sending the message", ... */
const char *smtp_doing(const SmtpSession *s);

/* Whether it is the time of the whole operation that is over. */
bool smtp_time_is_over(const SmtpSession *s);

/* How long nothing may happen; USEC_NEVER: for ever. */
usec_t smtp_patience(const SmtpSession *s);

void smtp_trace(const SmtpSession *s, SmtpTraceDirection direction, const char *data, size_t n);
void smtp_trace_content(const SmtpSession *s, SmtpFlight *flight);

/* -- session_greeting.c -- */

/* The way to READY begins; after STARTTLS, begins again. */
int smtp_greet(SmtpSession *s);

/* Whether a server without extensions will do. */
bool smtp_hello_suffices(const SmtpSession *s);

/* Says of `outcome`, of which EHLO came to nothing, why HELO does not do instead. 0 or -ENOMEM. */
int smtp_explain_ehlo(SmtpSession *s);

/* Ends the session: the server sent something behind its reply to STARTTLS. */
int smtp_refuse_plaintext(SmtpSession *s);

/* -- session_auth.c -- */

/* Logs in; READY follows. */
int smtp_begin_auth(SmtpSession *s);
void smtp_become_ready(SmtpSession *s);

/* The connection ends within a login: the next one begins with what is left to try. */
void smtp_note_login_cut_off(SmtpSession *s);

/* -- session_transaction.c -- */

/* Writes what may be written now of the transactions under way. */
int smtp_pump(SmtpSession *s);

/* No more of a transaction is to be written, as far as that can be helped. */
void smtp_flight_stop(SmtpSession *s, SmtpFlight *flight);

/* The next recipient whose RCPT is answered, by the reply that has come. */
size_t smtp_answered_recipient(SmtpFlight *flight);

/* The reply is to go by no verdict: the message goes again at once, in a further transaction. */
int smtp_postpone(SmtpSession *s, SmtpFlight *flight, DeliveryStage stage);

/* The capabilities as they were when the transaction began. */
SmtpCapabilities smtp_capabilities_then(const SmtpSession *s, const SmtpFlight *flight);

/* Parameters that we chose to say were refused: the message goes again without them; or is refused
 * without them too, so that it was not they. */
DeliveryKind smtp_do_without(SmtpSession *s, unsigned disputed);
void smtp_use_again(SmtpSession *s);

/* -- session_rcpt.c -- */

/* The recipient has been refused, which is being announced. Where the message is not to go without
 * it, it goes to nobody, and the others get the same outcome. */
void smtp_recipient_refused(SmtpSession *s, SmtpFlight *flight, size_t recipient);

/* -- session_content.c -- */

/* Whether the reply to BDAT, the first in this session, says that the command is not known. "503
 * bad sequence" is said of one that is. */
bool smtp_bdat_is_unknown(const SmtpSession *s, const SmtpFlight *flight);

/* LMTP: the recipient that the reply to the content's end is about, which are answered in the order
 * of their RCPT (RFC 2033, 4.2); SIZE_MAX: nobody that still waits for one. */
size_t smtp_next_verdict(SmtpFlight *flight);

/* Those that the server accepted have the message; with LMTP, the one that the reply is about. 0 or
 * -ENOMEM. */
int smtp_delivered(SmtpSession *s, SmtpFlight *flight);

/* The transaction whose message is being written, or NULL. */
SmtpFlight *smtp_content_flight(SmtpSession *s);
bool smtp_wants_content(SmtpSession *s);
void smtp_content_begin(SmtpSession *s, SmtpFlight *flight);

/* The server has refused the message before its end. What was begun with DATA cannot be stopped, so
 * the session ends. */
int smtp_refused_early(SmtpSession *s, SmtpFlight *flight);

/* Forgets the chunk that is being filled. */
void smtp_chunk_drop(SmtpSession *s);

/* -- session_events.c: outcomes, and the session's end -- */

/* Makes `outcome` from the reply, or from our own words. 0 or -ENOMEM. */
int smtp_outcome_reply(SmtpSession *s, DeliveryKind kind, DeliveryStage stage);
int smtp_outcome_own(SmtpSession *s, const DeliveryOutcome *like, const char *format, ...)
    _printf_(3, 4);

/* The reply to MAIL has refused all recipients, as `outcome` says, and what was pipelined behind it
 * is not answered yet. That is waited for: the server may take the message all the same. */
void smtp_withhold(SmtpSession *s, SmtpFlight *flight);

/* As smtp_outcome_reply(), but what was withheld goes first: the reply only follows from that. */
int smtp_outcome_verdict(
    SmtpSession *s, const SmtpFlight *flight, DeliveryKind kind, DeliveryStage stage);

/* Makes it from a reply that is none of those that may come here. */
int smtp_outcome_unexpected(SmtpSession *s);

/* Adds to the text of `outcome`. */
int smtp_outcome_append(SmtpSession *s, const char *more);

/* Gives `outcome` to one recipient, or to all that are open. */
void smtp_announce(SmtpSession *s, SmtpFlight *flight, size_t recipient);
void smtp_announce_all(SmtpSession *s, SmtpFlight *flight);

/* The next event that is due. 1, 0, or -ENOMEM. */
int smtp_next_event(SmtpSession *s, SmtpEvent *ret);

/* -- session_end.c --
 *
 * Each tells why the session ends: what is under way gets that outcome, unless a reply decided
 * before. Only the first of them counts. 0 or -ENOMEM. */

/* Gives the session up with `outcome`. What was written stays written: the replies up to the last
 * end of content among it are read first. */
int smtp_give_up(SmtpSession *s);

/* Whether a session that was given up may say QUIT but for a reply that is due to DATA: behind "go
 * ahead" it would be content, behind a refusal it is a command. */
bool smtp_awaits_go_ahead(const SmtpSession *s);

/* QUIT, of a session that was given up, if the server can still hear it (RFC 5321, 4.1.1.10). It is
 * written as far as that needs no waiting, and no reply to it is read. 0 or -ENOMEM. */
int smtp_say_last_word(SmtpSession *s);

/* The same for a reply that is final for the session but no verdict on a message. */
int smtp_end_reply(SmtpSession *s, DeliveryStage stage, int error);

/* The same for 421. */
int smtp_end_closing(SmtpSession *s);

/* The same for a reply that is none of those that may come here. */
int smtp_end_unexpected(SmtpSession *s);

/* Ends the session as `outcome` says; what the server refused before READY stands in front of it.
 */
int smtp_end_after_refusal(SmtpSession *s);

/* Keeps `outcome` for the words of the end: the session goes on, but if the connection is lost
 * before READY this is why. */
void smtp_note_refusal(SmtpSession *s);

/* The same for a reason of our own. */
int smtp_end_own(SmtpSession *s, DeliveryStage stage, int error, const char *text);

/* The server does without these: they are not used any more, in no session with it. */
void smtp_lacks(SmtpSession *s, unsigned capabilities);

/* The same for a message that was refused before its end, whose recipients have been given
 * `outcome` already. */
void smtp_end_refused_early(SmtpSession *s);

/* The reply refuses what follows other messages for now, and nothing of it but the connection can
 * be meant: that has carried its share, and the next one will do. OpenSMTPD says "too many
 * recipients" (4.5.3, RFC 3463, 3.6) where none has been named, and Stalwart speaks of the session.
 * 1: the session is given up for it, 0: it is something else, or -ENOMEM. */
int smtp_end_used_up(SmtpSession *s, SmtpFlight *flight, DeliveryStage stage);

/* The server does not know BDAT, which it offers, and what it makes of the content behind it cannot
 * be known: no reply is read any more. */
int smtp_end_not_known(SmtpSession *s, SmtpFlight *flight);

/* Nothing more can be read: the server does not speak SMTP; the transport is gone; time is over. */
int smtp_end_protocol(SmtpSession *s, const char *what);
int smtp_end_lost(SmtpSession *s);
int smtp_end_timeout(SmtpSession *s);

/* The content cannot be had. */
int smtp_end_aborted(SmtpSession *s);

/* Keeps the words for smtp_end_lost() or smtp_end_aborted(). */
void smtp_keep_end_text(SmtpSession *s, const char *text);

/* The reply to an expected step, once the session is given up: only what was accepted counts. 0 or
 * -ENOMEM. */
int smtp_drain_reply(SmtpSession *s, SmtpStep step, SmtpFlight *flight);

/* Notes what the reply to RCPT says of the recipient, short of an outcome. */
void smtp_note_rcpt_reply(SmtpSession *s, SmtpFlight *flight, size_t recipient);

/* All open recipients will not have had the message, whatever is said later. */
void smtp_leave_out(SmtpFlight *flight);

/* Whether there are recipients for whom a positive reply to the content would be good. Of those
 * whose RCPT got a reply that is neither yes nor no it is only while there are no others: then they
 * must be meant. */
bool smtp_flight_is_hopeful(const SmtpFlight *flight);

/* Those count as open again. */
void smtp_admit_odd(SmtpFlight *flight);

/* And those that were left out, too, for the event they still have to get. */
void smtp_readmit(SmtpFlight *flight);

/* Whether a byte of it may have reached the server; whether the server may have taken it over
 * although no reply says so. */
bool smtp_flight_is_under_way(const SmtpSession *s, const SmtpFlight *flight);
bool smtp_flight_may_be_taken(const SmtpSession *s, const SmtpFlight *flight);

/* Reply codes, judged by their first digit (RFC 5321, 4.2.1): done; refused for now or for ever. */
static inline bool smtp_reply_done_well(const SmtpSession *s)
{
    return s->reply.code / 100 == 2;
}

/* "Closing", to whatever it is the reply (RFC 5321, 3.8). */
static inline bool smtp_reply_is_farewell(const SmtpSession *s)
{
    return s->reply.code == 421 || s->reply.code == 221;
}

/* Done well, and of the mail system (RFC 5321, 4.2.1): a second greeting is no reply to EHLO. */
static inline bool smtp_reply_done_mail(const SmtpSession *s)
{
    return s->reply.code / 10 == 25;
}

/* It speaks of the command or its parameters, not of what they are about (RFC 5321, 4.2.2). */
static inline bool smtp_reply_is_about_command(const SmtpSession *s)
{
    return (s->reply.code >= 500 && s->reply.code <= 504) || s->reply.code == 555;
}

static inline bool smtp_reply_refused(const SmtpSession *s)
{
    return s->reply.code >= 400;
}

/* 503 (bad sequence) tells of the dialogue: of a login that is missing, of a server that loses
 * commands. Whoever the message is for, it is no reason to give it up. */
static inline DeliveryKind smtp_reply_kind(const SmtpSession *s)
{
    return s->reply.code >= 500 && s->reply.code != 503 ? DELIVERY_REFUSED : DELIVERY_DEFERRED;
}
