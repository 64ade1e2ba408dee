/* Whose fault it is that a connection came to nothing: the relay's, the message's that was under
 * way, or nobody's. The one place where that is decided; doc/decisions/whose-fault.md has the
 * reasons. Pure. */
#pragma once

#include <stdbool.h>

#include "base/outcome.h"

/* Everything that the decision hangs on. */
typedef struct LinkEnd {
    const DeliveryOutcome *outcome; /* DELIVERY_CUT_OFF */
    bool usable;                    /* the session had become ready */
    bool fresh;      /* the relay had said nothing of any message on this connection */
    bool in_turn;    /* a message had been handed over, and the next reply was to be about it */
    unsigned others; /* further connections to the relay, open or being opened */
    unsigned others_ready; /* of those, the ones that are of use */
    unsigned losses; /* fresh connections lost in a row before this one, with nothing said of any
                        message */
    unsigned met_before; /* how often the same message met with such an end there before */
    bool others_passed;  /* since then this relay has said what becomes of others */
    bool others_lost;    /* other messages met with such losses since the relay last worked */
    bool elsewhere;      /* a relay behind this one gets the mail when this one is held */
} LinkEnd;

typedef enum RelayBlame {
    BLAME_NOTHING, /* it works, as far as this tells */
    BLAME_SUSPECT, /* it may be at fault, or the message: the next one shows */
    BLAME_LIMIT,   /* it bears the connections that it has, and no more */
    BLAME_FAULT,   /* it is at fault: no use for a while */
} RelayBlame;

typedef struct Blame {
    RelayBlame relay;
    bool counts;     /* as an attempt of the message: it is deferred, with the outcome as reason */
    bool remember;   /* that the message met with it */
    bool exonerates; /* the message alone is to blame: what the relay was held for is over */
    bool unread;     /* the message could not be read: it waits a while, and nothing is counted */
    bool ours;       /* a failure of this process, which every connection would meet with */
} Blame;

Blame blame(const LinkEnd *end);
