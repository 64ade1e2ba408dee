/* The relays in order of preference, and their health: which one a new connection goes to, and how
 * long one that is at fault is left alone. Pure but for the shared connection state it keeps. */
#pragma once

#include <stdbool.h>

#include "net/connection.h"
#include "settings/config.h"

typedef struct Relay {
    const RelayConfig *config;
    ConnectionShared *shared;
    bool held;             /* at fault since the last success */
    usec_t held_until;     /* monotonic; meaningful while `held` */
    usec_t pause;          /* of the hold under way */
    DeliveryOutcome fault; /* the last; meaningful while `held` */
    char *fault_text;      /* of `fault`, owned; NULL when memory was short */
    unsigned connections;  /* open or opening */
    unsigned limit;        /* at most so many: the setting, or less after the relay refused more */
    usec_t limit_until;    /* monotonic; when the limit goes back to the setting */
} Relay;

/* Counted: connections keep the set they were made from when a reload brings a new one. */
typedef struct RelaySet {
    unsigned references;
    Config *config;
    Relay *relays;
    size_t n_relays;
} RelaySet;

/* References the Config and the worker. 0 or -ENOMEM. */
int relay_set_new(Config *config, Worker *worker, RelaySet **ret);
RelaySet *relay_set_ref(RelaySet *set);
RelaySet *relay_set_unref(RelaySet *set); /* accepts NULL; returns NULL */

/* The relay a new connection should go to, or NULL when all are held or at their limit. */
Relay *relay_set_choose(RelaySet *set, usec_t now);

/* When a relay on hold may be tried again, or one with a lowered limit have more connections;
 * USEC_NEVER when there is none. */
usec_t relay_set_next(const RelaySet *set, usec_t now);

/* True while every relay is on hold. */
bool relay_set_all_held(const RelaySet *set, usec_t now);

/* A connection failed before it was of any use. As long as there are others to the same relay
 * (`relay->connections`) it may only refuse more of them: the limit is lowered for a while. With
 * the last one the relay is held, longer each time. Returns true when the outage, or a new reason
 * for it, should be reported. */
bool relay_fault(Relay *relay, const DeliveryOutcome *outcome, uint32_t random, usec_t now);

/* It said what becomes of a message. Returns true when that ends an outage. */
bool relay_works(Relay *relay);

/* All holds end now. */
void relay_set_flush(RelaySet *set);

/* What an operator can do about a fault, one sentence. Never NULL. */
const char *relay_hint(const DeliveryOutcome *outcome);
