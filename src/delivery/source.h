/* Where messages come from and where their fate is written: the one interface between the engine
 * and a store of messages. The engine does not know that they are files (delivery/spool_source.h is
 * the directory's side of it).
 *
 * A store is a structure that starts with a Source, a claimed message one that starts with a
 * SourceMessage. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/failure.h"
#include "base/outcome.h"
#include "message/message.h"

typedef struct Source Source;

/* A message that this process holds: nobody else delivers it until one of the ends below. */
typedef struct SourceMessage {
    Source *source;
    const char *id;
    Message *message;   /* envelope and content */
    usec_t arrival;     /* realtime */
    usec_t retry_start; /* realtime: retry.give_up_after counts from here */
    unsigned attempts;  /* counted so far */
    size_t *pending; /* indices of the envelope's recipients that are not finished, or NULL for all
                        of them */
    size_t n_pending;
    size_t n_delivered; /* finished in earlier attempts */
    size_t n_refused;
} SourceMessage;

/* Where an outcome came from; members may be NULL. */
typedef struct OutcomeVia {
    const char *relay, *address, *tls;
} OutcomeVia;

typedef enum SourceResult {
    SOURCE_NONE = 0,    /* nothing to deliver at present */
    SOURCE_CLAIMED = 1, /* a message */
    SOURCE_DEFECT = 2,  /* a message that cannot be sent: it has been failed already, id and Failure
                           say which and why */
    SOURCE_RECOVERED = 3, /* found one of a dead process and made it deliverable again: id */
    SOURCE_STUCK = 4, /* of an end: the record could not be written, the message is still held; try
                         the same end again later */
    SOURCE_PROBLEM = 5, /* a message that nothing can be done with at present, id and Failure say
                           which and why; it is left alone for a while, the others are not */
} SourceResult;

#define SOURCE_ID_MAX 256

typedef struct SourceOps {
    /* The next message to deliver, in `ret`, or its id in `ret_id`. A SourceResult, or a negative
     * errno with a Failure for a failure of our own that will not be better at once. SOURCE_NONE
     * while has_candidates() only ends a bounded step. */
    int (*next)(Source *source, usec_t now, SourceMessage **ret, char ret_id[static SOURCE_ID_MAX],
        Failure *f);

    /* Whether a message is known that next() may find deliverable now. */
    bool (*has_candidates)(const Source *source, usec_t now);

    /* Whether there may be others that only a look through the store can tell; look() does a
     * bounded step of it. SOURCE_NONE, SOURCE_RECOVERED or SOURCE_PROBLEM with the id in `ret_id`,
     * or a negative errno with a Failure. */
    bool (*is_unread)(const Source *source, usec_t now);
    int (*look)(Source *source, usec_t now, char ret_id[static SOURCE_ID_MAX], Failure *f);

    /* The realtime at which either may change by itself; USEC_NEVER: when told. */
    usec_t (*next_due)(const Source *source);
    size_t (*waiting)(const Source *source);          /* candidates known */
    size_t (*deferred_waiting)(const Source *source); /* messages that wait for a time */

    /* Everything that waits for a time is due now. */
    void (*flush)(Source *source);

    /* Nothing is in flight: the time to let go of what was kept for speed. */
    void (*rest)(Source *source);

    /* Lines for the message's record: outcomes are gathered, and durable when write() returns. */
    int (*record_outcome)(SourceMessage *message, usec_t now, const char *recipient,
        unsigned attempt, const DeliveryOutcome *outcome, const OutcomeVia *via);
    int (*write)(SourceMessage *message, Failure *f);

    /* The ends. Each writes what was gathered where the record outlives the change, and consumes
     * the message when it returns 0 or a negative errno (with a Failure: the store will find the
     * message again by itself). SOURCE_STUCK, with a Failure, leaves it claimed, so that no
     * recipient that has had the message gets it again: the same end is to be tried later. */
    int (*complete)(SourceMessage *message, usec_t now, bool keep_sent, Failure *f);
    int (*defer)(SourceMessage *message, usec_t now, unsigned attempt, usec_t next, Failure *f);
    int (*fail)(SourceMessage *message, usec_t now, int error, const char *text, Failure *f);
    int (*release)(SourceMessage *message,
        Failure *f); /* nothing is held against it; it is deliverable at once */

    /* Frees a message whose end is stuck, as it is: what was not written is forgotten. */
    void (*abandon)(SourceMessage *message);
} SourceOps;

struct Source {
    const SourceOps *ops;
};
