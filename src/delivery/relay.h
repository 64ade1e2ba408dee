/* The relays in order of preference, and their health: a state machine for each. Pure but for the
 * shared connection state it keeps. Times are of one clock that goes on while the machine sleeps
 * (CLOCK_BOOTTIME). */
#pragma once

#include <stdbool.h>

#include "base/worker.h"
#include "delivery/restraint.h"
#include "net/connection.h"
#include "settings/config.h"

/* name, word */
#define RELAY_STATES(X)                                                               \
    X(WORKS, "works")     /* as many connections as are configured */                 \
    X(LIMITED, "limited") /* it refused more than `limit` at a time; until `until` */ \
    X(HELD, "held")       /* at fault: none, until `until` */                         \
    X(PROBING, "probing") /* the hold is over: one, until it says what becomes of a message */

typedef enum RelayState {
#define RELAY_STATE_ENUM(name, word) RELAY_STATE_##name,
    RELAY_STATES(RELAY_STATE_ENUM)
#undef RELAY_STATE_ENUM
        RELAY_STATE_MAX,
} RelayState;

const char *relay_state_name(RelayState state);

/* What it offers to a message. */
typedef struct RelayOffer {
    SmtpCapabilities capabilities;
    bool verified; /* over TLS with a certificate that was verified */
    usec_t until;  /* when that is to be found out anew */
} RelayOffer;

typedef struct Relay {
    const RelayConfig *config;
    ConnectionShared *shared;
    RelayState state;
    usec_t until;          /* LIMITED, HELD */
    bool flushed;          /* PROBING: everything was to be tried since that began */
    usec_t pause;          /* of the latest hold, while the outage lasts: HELD, PROBING */
    unsigned holds;        /* in a row; likewise */
    unsigned limit;        /* LIMITED */
    usec_t limit_told;     /* when that was news; 0: never */
    DeliveryOutcome fault; /* the latest; meaningful but in WORKS */
    char *fault_text;      /* of `fault`, owned; NULL when memory was short */
    uint64_t words_told;   /* what the fault said that was told last, by its words */
    usec_t words_since;    /* other words of the same fault were told since then */
    unsigned words_times;  /* so often */
    unsigned lacks;        /* SmtpCapability, as far as that was told */
    unsigned losses;       /* fresh connections lost in a row */
    uint64_t lost;         /* the message that met with the first of them */
    bool lost_several;     /* others met with the rest */
    RelayOffer offer;      /* of its latest session that was ready */
    uint64_t served;       /* the engine's count of verdicts at its latest one */
    bool logged_in;        /* a login was taken, and none refused since */
    usec_t expiry_next;    /* when certificates are looked at again for their end */
    bool silence_told;     /* since it was last ready, or put on hold */
    bool worked;           /* it has said what becomes of a message */
    unsigned
        recipients_max;    /* that it takes in a transaction, as far as it has shown; 0: unknown */
    Restraint *restraint;  /* NULL: it may take any number at any time */
    usec_t restraint_told; /* when that it takes no more was news; 0: never */
    bool restrained;       /* that was told, and not that it is over */
    usec_t rests_until;    /* it takes none before, for longer than is waited for; 0: it may */
    usec_t recipients_until; /* when that is to be found out anew */
    usec_t certificate_ends; /* realtime, of its latest session; 0: not known, or no TLS */
} Relay;

/* Counted: connections keep the set they were made from when a reload brings a new one. */
typedef struct RelaySet {
    unsigned references;
    Config *config;
    Relay *relays;
    size_t n_relays;
} RelaySet;

/* References Config and worker. 0 or -ENOMEM. */
int relay_set_new(Config *config, Worker *worker, const RelaySet *former, RelaySet **ret);
RelaySet *relay_set_ref(RelaySet *set);
RelaySet *relay_set_unref(RelaySet *set); /* accepts NULL; returns NULL */

/* The relay's place in the order of preference. */
size_t relay_place(const RelaySet *set, const Relay *relay);

/* True while every relay is held. */
bool relay_set_all_held(const RelaySet *set);

/* ---- What happens to a relay. Each returns true when that is news, to be reported. ---- */

/* Time has passed: a hold, or what was found of its limits, may be over. */
void relay_tick(Relay *relay, usec_t now);

/* It is at fault: held, longer each time. News: the outage, or another reason for it, which may be
 * other words alone. What differs in words that have a digit, such as a time or an id, is the same,
 * and of those who say something else each time there are a few an hour. */
bool relay_fault(Relay *relay, const DeliveryOutcome *outcome, uint32_t random, usec_t now);

/* A session with it is ready for messages. News: its login is taken, which was in doubt. */
bool relay_ready(Relay *relay);

/* Whether it is to be seen that it takes the login. Servers count passwords that are wrong, and
 * shut out whoever says one too often: until it is known, only one connection says it. */
bool relay_is_unproven(const Relay *relay);

/* Whether it is time to look whether its certificates end soon: once a day where they do, and once
 * an hour where they do not. */
bool relay_looks_at_expiry(const Relay *relay, usec_t now);
void relay_looked_at_expiry(Relay *relay, bool soon, usec_t now);

/* None of its connections has come to be of use for a while. News: that, unless it is on
 * hold, or comes back from a hold by a time-out, which said as much. */
bool relay_silent(Relay *relay);

/* It refused a connection beside `n` others, of which `n_ready` are of use: it bears those. News,
 * not more than once an hour: that it is limited. */
bool relay_refused_more(
    Relay *relay, const DeliveryOutcome *outcome, unsigned n, unsigned n_ready, usec_t now);

/* It said what becomes of a message, or it was a message's fault. News: the end of an outage. */
bool relay_works(Relay *relay);

/* A fresh connection was lost with nothing said of any message; `message` tells which was under
 * way.
 */
void relay_lost(Relay *relay, uint64_t message);

/* Whether another message than this one met with such a loss since the relay last worked. */
bool relay_lost_others(const Relay *relay, uint64_t message);

/* It took so many recipients in a transaction and no more: so it is for an hour. What looked like a
 * limit may have been one mailbox that was full, or of that message alone. */
void relay_learn_recipients(Relay *relay, unsigned taken, usec_t now);

/* A session says what it offers; for a while that holds for the relay, as far as messages are kept
 * from it: what it was found to lack it may have got. */
void relay_learn_offer(Relay *relay, const SmtpSession *session, usec_t now);

/* What is known of that, or NULL. */
const RelayOffer *relay_offer(const Relay *relay, usec_t now);

/* What it lacks, as of connection_shared_lacks(). News: something. */
bool relay_lacks(Relay *relay, unsigned lacks);

/* Holds and limits end now. */
void relay_set_flush(RelaySet *set);
