/* What a message waits for. */
#pragma once

#include "tool/inspect.h"
#include "tool/servers.h"

typedef enum WaitsFor {
    WAITS_FOR_NOTHING,  /* it is being sent, is sent, or was given up */
    WAITS_FOR_TURN,     /* as many as may be are being sent before it */
    WAITS_FOR_TIME,     /* its next attempt */
    WAITS_FOR_OPERATOR, /* it is held */
    WAITS_FOR_LANE,     /* its lane is to send nothing now, or as many as it may are being sent */
    WAITS_FOR_RELAY,    /* no relay can be used at present */
    WAITS_FOR_MACHINE,  /* a failure of this machine's, such as a full disk */
    WAITS_FOR_DAEMON,   /* nobody delivers */
    WAITS_FOR_MAX,
} WaitsFor;

/* "nothing", "turn", "time", "operator", "lane", "relay", "machine", "daemon". */
const char *waits_for_name(WaitsFor what);

typedef struct Waiting {
    WaitsFor what;
    usec_t until; /* realtime, as far as it is known; else 0 */
    char *relay;  /* WAITS_FOR_RELAY: its name, the first of them to be of use; else NULL */
    char *text;   /* why, and what to do; NULL: the word says it all */
} Waiting;

/* What that message waits for, which is in that lane (NULL: in none), or with NULL all those of its
 * state that nothing is the matter with; `next` is when a deferred one is due. 0 or -ENOMEM. */
int waiting_find(const Servers *servers, const char *id, const char *lane, SpoolState state,
    usec_t next, usec_t now, Waiting *ret);

/* What that message waits for; as above. */
int waiting_find_of(const Servers *servers, const Inspection *message, usec_t now, Waiting *ret);
void waiting_done(Waiting *waiting);

/* {"for": "relay", "relay": NAME, "until": TIME, "text": TEXT}; NULL when memory is short. */
json_t *waiting_to_json(const Waiting *waiting);
