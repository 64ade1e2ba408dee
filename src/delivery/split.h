/* Which recipients of a held message go which way, by the rules of `routes`: it goes over one relay
 * after the other, in one attempt, and has one end. Inside the layer only, but for split_ask().
 *
 * A message whose recipients all go by default has no split, where that way is all it may go: it
 * waits with the others, and what is said here of it is what there is to say of such. */
#pragma once

#include "delivery/attempt.h"
#include "delivery/relay.h"
#include "queue/source.h"
#include "settings/routes.h"

/* Recipients that go the same way: neighbours in the message's `pending`. */
typedef struct SplitPart {
    size_t way;
    size_t first, n;
    size_t n_lost;      /* of them, at the end, as HeldMessage.n_lost */
    uint64_t unfit_for; /* as HeldMessage.unfit_for */
    bool done;          /* they had their turn in this attempt */
} SplitPart;

typedef struct Split {
    Attempt *attempt; /* under way, while the message waits between two relays; or NULL */
    size_t current;   /* the part that is under way, or next */
    size_t n_parts;
    SplitPart parts[];
} Split;

/* The message's, or NULL. */
Split *split_of(const HeldMessage *message);

/* Finds out, once, and has what belongs together stand together. 0 or -ENOMEM. */
int split_message(const RouteRules *rules, HeldMessage *message);

/* Asks the rules about a message, for recipients to be asked about. 0 or -ENOMEM. */
int split_ask(const RouteRules *rules, const Message *message, RouteQuery **ret);

/* Relays that may take messages of a way now: of those that are not on hold, and not restrained for
 * long, up to the first that works. */
uint64_t split_usable(const RelaySet *relays, const RouteWay *way);

/* Those that may take any part of the message that has not had its turn; 0: it waits in vain. */
uint64_t split_relays(const RelaySet *relays, const RouteRules *rules, const HeldMessage *message);

/* Makes the first part current that this relay may take. False: there is none. */
bool split_turn_to(
    const RelaySet *relays, const RouteRules *rules, HeldMessage *message, size_t relay);

/* Whether a relay stands behind that one, in any way, that is not on hold. */
bool split_has_next(const RelaySet *relays, const RouteRules *rules, size_t relay);

/* Which way the current part goes. */
size_t split_way_number(const HeldMessage *message);

/* All relays of the current way, and those of them that were found to lack something. */
uint64_t split_way(const RouteRules *rules, const HeldMessage *message);
uint64_t *split_unfit_for(HeldMessage *message);

/* The recipients of the current part: `ret_first` to so many behind it in `pending`. */
size_t split_recipients(const HeldMessage *message, size_t *ret_first, size_t *ret_lost);

/* The relay that a part of it waits for that comes back first; NULL: none is waited for. */
const Relay *split_waits_for(
    const RelaySet *relays, const RouteRules *rules, const HeldMessage *message);

/* When that one comes back. */
usec_t split_away_until(const Relay *relay);

/* Whether a relay that a part of it may go to is at no fault, and takes none for a while. */
bool split_rests(const RelaySet *relays, const RouteRules *rules, const HeldMessage *message);
