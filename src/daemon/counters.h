/* What the daemon counts from its start on, for `outbox metrics`. Bounded: what strangers choose,
 * such as addresses and names of messages, is never counted by. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/clock.h"
#include "delivery/report.h"
#include "settings/config.h"

#define COUNTERS_RELAYS 30
#define COUNTERS_DELAYS 13 /* upper bounds of the histogram; a last bucket has none */

/* Recipients, by outcome. */
typedef struct CountersRecipients {
    uint64_t delivered, deferred, refused;
} CountersRecipients;

typedef struct CountersRelay {
    char *name; /* NULL: the place is free */
    CountersRecipients recipients;
    uint64_t holds;
    usec_t last_delivered; /* realtime; 0: never */
} CountersRelay;

typedef struct Counters {
    CountersRecipients recipients;
    uint64_t bytes;                       /* of messages, once a reply that took them */
    uint64_t delays[COUNTERS_DELAYS + 1]; /* recipients, from queueing to the reply */
    usec_t delay_sum;                     /* of all of those */
    uint64_t notices, untold;             /* of messages that failed or are late */
    uint64_t problems;                    /* failures of this machine's */
    CountersRelay relays[COUNTERS_RELAYS];
} Counters;

void counters_done(Counters *counters);

void counters_note_outcome(Counters *counters, const OutcomeReport *report, usec_t now);
void counters_note_message(Counters *counters, const MessageReport *report);
void counters_note_relay(Counters *counters, const RelayReport *report);

/* Relays that the configuration has not got are forgotten, for others to have their places. */
void counters_keep_relays(Counters *counters, const Config *config);

/* NULL where nothing was counted of it. */
const CountersRelay *counters_relay(const Counters *counters, const char *name);

/* {"recipients": {...}, "bytes": N, "delay": {"sum": N, "bounds": [...], "counts": [...]}, ...},
 * times in microseconds and the counts not added up, those behind the last that is not 0 left out;
 * or NULL without memory. */
json_t *counters_to_json(const Counters *counters);
