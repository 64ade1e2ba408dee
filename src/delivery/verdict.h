/* What becomes of a message at the end of an attempt, by the outcomes of its recipients alone.
 * Pure. */
#pragma once

#include "delivery/report.h"
#include "settings/config.h"

/* How the attempt went. */
typedef struct Tally {
    unsigned attempt;                    /* its number, 1 for the first */
    usec_t first_attempt;                /* realtime of the first counted attempt; 0: none */
    size_t recipients;                   /* of the message */
    size_t pending;                      /* of those, not finished when the attempt began */
    size_t refused_before;               /* in earlier attempts */
    size_t delivered, refused, deferred; /* in this one; what is missing to `pending` met with
                                            nothing that is held against it */
    const char *reason;                  /* of the last recipient that was not delivered, or NULL */
} Tally;

typedef struct Verdict {
    MessageChange change; /* MESSAGE_SENT, _DEFERRED, _FAILED or _RETURNED */
    usec_t next;          /* MESSAGE_DEFERRED: realtime */
    int error;            /* MESSAGE_FAILED */
    char *text;           /* MESSAGE_FAILED, MESSAGE_DEFERRED; owned; NULL when memory is short */
} Verdict;

/* `random` is where in its jitter the next attempt comes. */
Verdict verdict_reach(const Tally *tally, const RetryConfig *retry, uint32_t random, usec_t now);
