/* Emptying a queue, a directory or a database, once, as the daemon would: what
 * outbox_process_queue() and `outbox process` have in common. Each has words of its own for what is
 * reported. */
#pragma once

#include "database/source.h"
#include "delivery/engine.h"
#include "queue/directory.h"

/* Told from within the loop, and by emptying_done(). All of it is borrowed; none may be NULL but
 * `trace`. */
typedef struct EmptyingObserver {
    const char *program; /* as it is called in the queue directory while it delivers from there */
    void (*outcome)(void *user, const OutcomeReport *report);
    void (*message)(void *user, const MessageReport *report);
    /* A relay is held. `ends`: it was the last one, and what is left stays queued. */
    void (*relay_held)(void *user, const RelayReport *report, bool ends);
    void (*problem)(void *user, const ProblemReport *report);
    SmtpTrace trace;
    bool quiet; /* nobody else is told of messages that fail */
} EmptyingObserver;

typedef struct Emptying {
    EmptyingObserver observer;
    void *user;
    sd_event *loop;
    Directory *directory;     /* NULL: it is the other */
    DatabaseSource *database; /* likewise */
    Engine *engine;
    usec_t stop_timeout; /* as configured */
    usec_t deadline;     /* monotonic, of the stop; USEC_NEVER: it goes on */
    bool told_to_stop;   /* by emptying_stop(), and not of itself */
    bool source_lost;    /* the database, at one time at least */
    bool fails_at_once;  /* retry.max_attempts = 1: what waits ends in .failed, not in .queued */
    size_t sent, deferred, failed; /* messages */
    Failure *lost;                 /* of emptying_run(): for why the queue cannot be reached */
} Emptying;

/* `path`: the directory; NULL: what the configuration says. 0, or a negative errno with a Failure;
 * to be freed with emptying_done() in any case, and not to
 * be moved. Threads inherit the signal mask from here. */
int emptying_init(Emptying *emptying, const char *path, Config *config,
    const EmptyingObserver *observer, void *user, Failure *f);
void emptying_done(Emptying *emptying); /* what was counted stays */

/* Until all is done, or was stopped and is at rest, or the loop was ended. 0, or a negative errno
 * with a Failure; a database that is lost on the way is a problem. */
int emptying_run(Emptying *emptying, Failure *f);

/* Whoever runs it wants it to end: nothing more is claimed, and what is in flight has so long to
 * end. An earlier end stays. */
void emptying_stop(Emptying *emptying, usec_t timeout);
