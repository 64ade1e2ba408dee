/* The inside of a Delivery, shared by delivery.c (its transactions), delivery_outcomes.c (what
 * becomes of its recipients) and delivery_end.c. */
#pragma once

#include "delivery/delivery.h"
#include "delivery/verdict.h"

/* Recipients with one outcome in a row, reported together. */
typedef struct Group {
    DeliveryOutcome outcome;
    char *text; /* owned copy of outcome.text */
    const char **recipients;
    size_t n;
} Group;

struct Delivery {
    SmtpTransaction transaction;
    SourceMessage *message;
    const char *relay;
    const Connection *connection;
    SmtpRecipient *part; /* the recipients of the transaction under way */
    size_t part_allocated;
    size_t submitted; /* of message->n_pending, this attempt */
    size_t delivered, refused, deferred;
    uint64_t fed; /* bytes of content of the transaction under way */
    Group group;
    const char **unrecorded; /* of the part: had the message, and no memory to note it */
    size_t n_unrecorded;
    char *reason; /* of the last recipient that was not delivered */
    bool decided;
    Verdict verdict; /* meaningful when decided */
    Delivery *next;  /* for a list of whoever holds it */
};

static inline unsigned delivery_attempt(const Delivery *d)
{
    return d->message->attempts + 1;
}

void delivery_free(Delivery *delivery);

/* ---- delivery_outcomes.c ---- */

/* Reports what was gathered. */
void delivery_report_group(Delivery *delivery, const DeliveryContext *context, usec_t now);

/* Makes up for lines of the record that there was no memory for. 0 or -ENOMEM. */
int delivery_record_late(Delivery *delivery, usec_t now);
