/* What happened at each address of a relay, for the words that are told when none was of use. */
#pragma once

#include "base/outcome.h"
#include "net/address.h"

typedef struct Try {
    char address[ADDRESS_TEXT_MAX]; /* "": of several that did not answer */
    DeliveryOutcome outcome;
    char *text; /* of the outcome, bounded */
    struct Try *next;
} Try;

typedef struct Tries {
    Try *first;
    char *text; /* what tries_conclude() made */
} Tries;

/* Notes how an address failed. 0 or -ENOMEM. */
int tries_note(Tries *tries, const char *address, const DeliveryOutcome *outcome);

/* The outcome of the address that came farthest, with what happened at the others in its text;
 * `unanswered` names those that did not answer, or is "". It borrows from `tries`. Without a try
 * noted `outcome` is given back. */
DeliveryOutcome tries_conclude(
    Tries *tries, const DeliveryOutcome *outcome, const char *unanswered);

void tries_done(Tries *tries);
