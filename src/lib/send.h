/* Sending one message: its transactions, over as many connections and relays as it takes. */
#pragma once

#include <outbox/client.h>
#include <outbox/events.h>
#include <stdbool.h>

#include "delivery/content.h"
#include "smtp/session.h"

typedef struct Sending {
    OutboxMessage *source;
    Message *message;
    Content outgoing; /* of the transaction under way */
    SmtpVerb verb;
    SmtpRecipient *waiting; /* recipients without an outcome so far */
    size_t *places;         /* of each, in client->outcomes */
    AddresseeKind *kinds;   /* by place */
    bool *done;             /* those that the transaction under way has an outcome for */
    size_t n_waiting;
    SmtpTransaction transaction; /* under way: the first of those that wait */
    uint64_t handed;             /* bytes of its content so far */
    bool transfers;              /* its start has been told */
    bool required;               /* it has a recipient without whom nobody is sent to */
    bool elsewhere;              /* another relay is asked for what this one does not offer */
    Buffer lacks;                /* why those before it were none, with a NUL behind it */
    bool postponed;              /* a recipient is to go in a further transaction */
    int number; /* of the first recipient, no blind copy, that was not delivered to */
    char *text; /* and the words; NULL: there is none */
} Sending;

/* As programs are told: OUTBOX_DELIVERED and the like. */
int send_kind(const DeliveryOutcome *outcome);

/* The connection stands: the first transaction over it. 0 or -ENOMEM. */
int send_begin(OutboxClient *client);
int send_on_event(OutboxClient *client, const SmtpEvent *event);

/* Whether a recipient has no outcome yet. */
bool send_has_waiting(const OutboxClient *client);

/* Whether those that have none need what this relay does not offer, and another may; says so where
 * the client's failure is. */
bool send_goes_elsewhere(OutboxClient *client);

/* All have one: the call is over. */
void send_finish(OutboxClient *client);

/* There is no connection for those that wait: they are deferred, and the call is over. */
void send_give_up(OutboxClient *client, int number);

/* The same where the call is ended from outside. */
void send_abandon(OutboxClient *client);

/* Frees what is known of the last message. */
void send_forget(OutboxClient *client);
