/* The inside of an Attempt, shared by attempt.c (its transactions), attempt_outcomes.c (what
 * becomes of its recipients) and attempt_end.c. */
#pragma once

#include "delivery/attempt.h"
#include "delivery/content.h"
#include "delivery/verdict.h"

/* Recipients with one outcome in a row, reported together. */
typedef struct Group {
    DeliveryOutcome outcome;
    char *text; /* owned copy of outcome.text */
    const char *hint;
    const char **recipients;
    size_t n;
    struct Group *next;
} Group;

/* A recipient that is finished, and there was no memory to note it. */
typedef struct Unrecorded {
    const char *address;
    DeliveryOutcome outcome; /* but for its text */
} Unrecorded;

struct Attempt {
    SmtpTransaction transaction;
    HeldMessage *message;
    const RelayConfig *relay;
    const Connection *connection;
    size_t *later; /* indices of the envelope's recipients that were postponed, room for all
                      pending; NULL while there is none */
    size_t n_later, later_taken;
    SmtpRecipient *part; /* the recipients of the transaction under way */
    size_t *part_index;  /* where they stand in the envelope */
    size_t part_allocated;
    size_t submitted, end; /* places in the message's pending: the next that goes for the first
                              time, and behind the last of those that go over this relay */
    size_t n_lost;         /* of those, as HeldMessage.n_lost */
    size_t delivered, refused, deferred;
    Content content;       /* of the transaction under way */
    Group first_group;     /* not yet reported; further ones behind it */
    Group *last_group;     /* NULL: none */
    const char **reported; /* room for the recipients of the part, of which so many are in groups */
    size_t n_reported;
    Unrecorded *unrecorded; /* of the part */
    size_t n_unrecorded;
    const char **cut; /* of the part: without a verdict, for the connection ended */
    size_t n_cut;
    DeliveryOutcome cut_outcome;
    char *cut_text;   /* of cut_outcome */
    char *reason;     /* of the last recipient that was not delivered */
    const char *hint; /* what can be done about that, or NULL */
    char *nowhere;    /* why no other relay is asked, or NULL */
    bool unread;      /* this machine could not read the message */
    usec_t until; /* realtime: when what others of the message wait for may be there; 0: nothing */
    bool decided;
    Verdict verdict;        /* meaningful when decided */
    char id[SOURCE_ID_MAX]; /* for the report, which is made when the message is gone; as is: */
    char *sender;
    MessageReport report;
    OutcomeReport late; /* of the groups, while the source settles the message */
    /* Owned copies of its; the first NULL: there is none. */
    char *late_relay, *late_address, *late_tls;
    Attempt *next; /* for a list of whoever holds it */
};

static inline unsigned attempt_number(const Attempt *a)
{
    return a->message->attempts + 1;
}

/* Recipients that have had no transaction of this attempt, and those that were postponed. */
static inline size_t attempt_left(const Attempt *a)
{
    return a->end - a->submitted + a->n_later - a->later_taken;
}

void attempt_free(Attempt *attempt);

/* Forgets what was gathered. */
void attempt_drop_groups(Attempt *attempt);

/* ---- attempt_outcomes.c ---- */

/* What is the same in all that is told of the outcomes of this attempt; borrows from it and from
 * the message. */
OutcomeReport attempt_report_start(const Attempt *attempt, usec_t now);

/* Reports what was gathered. */
void attempt_report_groups(
    Attempt *attempt, const AttemptContext *context, const OutcomeReport *start);

/* Makes up for lines of the record that there was no memory for. 0 or -ENOMEM. */
int attempt_record_late(Attempt *attempt, usec_t now);
