/* Serving one queue, a directory or a database: the source, the engine and the log, wired together.
 */
#pragma once

#include <systemd/sd-event.h>

#include "base/worker.h"
#include "daemon/log.h"
#include "database/source.h"
#include "delivery/engine.h"

typedef struct Queue Queue;

/* Called from the loop; none may free the queue. */
typedef struct QueueHandlers {
    void (*changed)(void *user); /* the statistics may differ from before; cheap, comes often */
    void (*health)(
        void *user);          /* the same, of how we and our relays are: whoever asks is to know */
    void (*idle)(void *user); /* nothing is queued or in flight */
    void (*outcome)(void *user, const OutcomeReport *report); /* as the log is told */
    void (*message)(void *user, const MessageReport *report); /* likewise */
    void (*relay)(void *user, const RelayReport *report);     /* likewise, and what is no news */
    void (*problem)(void *user, const ProblemReport *report); /* likewise, each time */
} QueueHandlers;

/* Opens the directory and sets the watch, or begins to connect to the database, and starts the
 * engine. Loop, log and handlers are borrowed,
 * worker and configuration are referenced. 0, or a negative errno with a Failure that says what to
 * do. */
int queue_new(sd_event *loop, Log *log, Worker *worker, Config *config,
    const QueueHandlers *handlers, void *user, Queue **ret, Failure *f);
void queue_free(Queue *queue); /* what is in flight goes back to the queue; accepts NULL */

/* Says in the log, where it is so, that this process cannot tell whether others still write to the
 * files they put into the queue. */
void queue_warn(Queue *queue);

/* At most so many connections at a time, whatever is configured. */
void queue_limit_connections(Queue *queue, size_t n);

/* From now on by this configuration, whose queue is the same. 0, or a negative errno with a
 * Failure, after which the old one stays in force. */
int queue_reload(Queue *queue, Config *config, Failure *f);

/* Tries everything now: held relays, deferred messages, a lost directory or database. */
void queue_flush(Queue *queue);

/* Claims no more; `idle` comes when nothing is in flight any more, at `deadline` (monotonic) at the
 * latest. */
void queue_stop(Queue *queue, usec_t deadline);

/* The relay of that place, as engine_relay(). */
bool queue_relay(const Queue *queue, size_t place, EngineRelay *ret);

/* The lane of that number, as engine_lane(). */
bool queue_lane(const Queue *queue, unsigned number, EngineLane *ret);

/* As directory_say(), or database_source_say(). */
int queue_say(Queue *queue, const void *text, size_t n);

/* As database_source_oldest(); false of a directory. */
bool queue_oldest(Queue *queue, usec_t every, DatabaseOldest *ret);

/* False while the directory, or the database, cannot be used. */
bool queue_statistics(const Queue *queue, EngineStatistics *ret);

DEFINE_CLEANUP(Queue, queue_free);
