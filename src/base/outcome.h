/* What became of one recipient, or of a relay, in one attempt: the word that all layers share for
 * it.
 *
 * A failure to deliver is data of this type; a failure of our own is a negative errno. */
#pragma once

#include <stdbool.h>

#include "base/reason.h"

typedef enum DeliveryKind {
    DELIVERY_DELIVERED, /* the relay has taken responsibility (RFC 5321, 6.1) */
    DELIVERY_DEFERRED,  /* temporary: a 4xx reply, or a fault that is held against the message */
    DELIVERY_REFUSED,   /* permanent for this recipient: 5xx to MAIL, RCPT, DATA or the content */
    DELIVERY_POSTPONED, /* no verdict, it goes in a further transaction at once: over a limit of the
                           relay's (RFC 5321, 4.5.3.1.10), or refused for what this side chose to
                           say and says no more */
    DELIVERY_CUT_OFF,   /* no verdict: the connection came to nothing or ended before there was one;
                           cause, stage and code say how, and delivery/blame.h whose fault it is */
    DELIVERY_KIND_MAX,
} DeliveryKind;

/* What decided an outcome. */
typedef enum DeliveryCause {
    CAUSE_REPLY,    /* a reply of the relay's */
    CAUSE_LOST,     /* the connection could not be made, broke, or was closed */
    CAUSE_TIMEOUT,  /* nothing came in time */
    CAUSE_PROTOCOL, /* what came is no reply, or none that may come there */
    CAUSE_OWN,      /* this side, before or instead of a word to the relay */
} DeliveryCause;

/* Where it happened; the names are those of the record, the journal and the tool. */
typedef enum DeliveryStage {
    STAGE_NONE,
    STAGE_LOOKUP,
    STAGE_CONNECT,
    STAGE_PROXY,
    STAGE_TLS,
    STAGE_CERTIFICATE,
    STAGE_GREETING,
    STAGE_EHLO,
    STAGE_STARTTLS,
    STAGE_AUTH,
    STAGE_MAIL,
    STAGE_RCPT,
    STAGE_DATA,    /* the DATA command */
    STAGE_CONTENT, /* the message itself, up to the reply to its end */
    STAGE_RSET,
    STAGE_QUIT,
    STAGE_IDLE,    /* between transactions */
    STAGE_MESSAGE, /* our own look at the message: nothing was sent */
    STAGE_MAX,
} DeliveryStage;

typedef struct DeliveryOutcome {
    DeliveryKind kind;
    DeliveryCause cause;
    DeliveryStage stage;
    bool under_way;     /* CUT_OFF: something of this transaction may have reached the relay */
    bool perhaps;       /* CUT_OFF: the message's end was sent and its reply never came, so that the
                           relay may have taken it */
    int code;           /* reply code (RFC 5321, 4.2); 0 when no reply decided */
    char enhanced[12];  /* "5.1.1" (RFC 3463); "" when there is none */
    int error;          /* a number of base/errors.h; 0 when delivered */
    FaultReason reason; /* CUT_OFF before the session, or below it: what exactly it was */
    const char *text;   /* the reply's text, lines joined by a blank, printable; or our own words.
                         * Borrowed: who hands out the outcome says until when. Never NULL. */
} DeliveryOutcome;

/* "delivered", "deferred", "refused", "postponed", "fault" (cut off). */
const char *delivery_kind_name(DeliveryKind kind);

/* "lookup", "connect", ... "content". */
const char *delivery_stage_name(DeliveryStage stage);

/* The codes in front of a reply's text, for whoever shows it: "550 5.1.1 ", "451 ", or "" when no
 * reply decided. Returns `ret`. */
#define DELIVERY_CODES_MAX 32
const char *delivery_format_codes(
    const DeliveryOutcome *outcome, char ret[static DELIVERY_CODES_MAX]);

/* True for the stages whose failures are the relay's and never a message's. */
bool delivery_stage_is_relay(DeliveryStage stage);
