/* The queue directory being served: Spool, Watch and Engine as one thing that survives the loss of
 * the directory. While the directory is gone, or may not be used, it tries to open it again. */
#pragma once

#include "daemon/log.h"
#include "delivery/engine.h"

typedef struct Queue Queue;

/* Called from the loop; neither may free the queue. */
typedef struct QueueHandlers {
    void (*changed)(void *user); /* the statistics may differ from before; cheap, comes often */
    void (*idle)(void *user);    /* nothing is queued or in flight */
} QueueHandlers;

/* Opens the directory, sets the watch and starts the engine. Loop, log and handlers are borrowed,
 * the configuration is referenced. 0, or a negative errno with a Failure that says what to do. */
int queue_new(sd_event *loop, Log *log, Config *config, const QueueHandlers *handlers, void *user,
    Queue **ret, Failure *f);
void queue_free(Queue *queue); /* what is in flight goes back to `.queued`; accepts NULL */

/* From now on by this configuration, whose directory is the same. 0, or a negative errno with a
 * Failure, after which the old one stays in force. */
int queue_reload(Queue *queue, Config *config, Failure *f);

/* Tries everything now: held relays, deferred messages, a lost directory. */
void queue_flush(Queue *queue);

/* Claims no more; `idle` comes when nothing is in flight any more, at `deadline` (monotonic) at the
 * latest. True when that is so already. */
bool queue_stop(Queue *queue, usec_t deadline);

/* False, and nothing in `ret`, while the directory cannot be used. */
bool queue_statistics(const Queue *queue, EngineStatistics *ret);

DEFINE_CLEANUP(Queue, queue_free);
