/* What the messages of a queue wait for, each by itself: counted while they are gone through. */
#pragma once

#include "tool/inspect.h"
#include "tool/waiting.h"

#define STATUS_LOOKED_MAX \
    10000 /* messages that are read for it; others count as having their turn */

/* A relay that messages wait for, which a rule sends them to. */
typedef struct RelayWait {
    char *relay;
    size_t messages;
} RelayWait;

typedef struct StatusWaits {
    RelayWait *relays;
    size_t n;
    Waiting first;     /* of those that wait for a relay, what can go first */
    Waiting scheduled; /* of those that wait for their time or lane, the same */
    bool turn;         /* some wait for neither */
    size_t looked;
} StatusWaits;

void status_waits_done(StatusWaits *waits);

/* Nothing new would be told by more of them. */
bool status_waits_knows_enough(const StatusWaits *waits, const Servers *servers);

/* Takes note of one that could be sent. 0 or -ENOMEM. */
int status_waits_note(
    StatusWaits *waits, const Servers *servers, const Inspection *message, usec_t now);

/* What all wait for, where `waiting` says no more than that it is their turn. */
void status_waits_judge(StatusWaits *waits, Waiting *waiting);

/* How many wait for that relay. */
size_t status_waits_count(const StatusWaits *waits, const char *relay);

/* {"primary": 3}; NULL when memory is short. */
json_t *status_waits_to_json(const StatusWaits *waits);
