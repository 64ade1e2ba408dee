/* Serving one directory: wires the watch to the engine and the engine to the log, and opens it all
 * anew after the directory was lost. Must never free the engine or the watch from one of their own
 * calls: that is left to the check timer. */
#include "daemon/queue.h"

#include <errno.h>
#include <stdlib.h>

#include "base/errors.h"
#include "base/macros.h"
#include "daemon/events.h"
#include "queue/timer.h"
#include "daemon/watch.h"

#define REOPEN_FIRST USEC_PER_SEC
#define REOPEN_MAX (30 * USEC_PER_SEC)
#define RECOVER_FIRST (5 * USEC_PER_SEC)
#define RECOVER_MAX (10 * USEC_PER_MINUTE)
#define PROBLEMS_MAX 10 /* entries in PROBLEMS_SPAN */
#define PROBLEMS_SPAN (10 * USEC_PER_MINUTE)

struct Queue {
    sd_event *loop;
    Log *log;
    Config *config;
    const QueueHandlers *handlers;
    void *user;

    Spool *spool; /* these three are all there, or none is */
    Watch *watch;
    Engine *engine;

    sd_event_source *check; /* armed while the directory is in doubt or lost */
    usec_t reopen_delay;
    sd_event_source *recover; /* armed while a `.sending` file may have lost its process */
    usec_t recover_delay, recovered_at;
    usec_t problems_since; /* problems told, or left out, since then */
    unsigned problems, problems_left_out;
    bool stopping;
};

/* ---- What the watch sees ---- */

static void on_notice(void *user, const char *file_name, EngineNotice notice)
{
    Queue *queue = user;

    engine_notice(queue->engine, file_name, notice);
}

static void on_overflow(void *user)
{
    Queue *queue = user;

    engine_rescan(queue->engine);
}

/* Mounts elsewhere on a busy machine lead here as well: for those this look is all. */
static void on_doubt(void *user)
{
    Queue *queue = user;

    if (spool_is_current(queue->spool) != 1)
        timer_arm(queue->check, 0);
}

/* The lock outlives the event for a moment, and a live process may only have looked at the file: so
 * the scan comes later, and ever later as long as this goes on. */
static void on_abandoned(void *user)
{
    Queue *queue = user;

    if (clock_monotonic() > usec_add(queue->recovered_at, RECOVER_MAX))
        queue->recover_delay = RECOVER_FIRST;
    timer_arm(queue->recover, queue->recover_delay);
}

static const WatchHandlers watch_handlers = {
    .notice = on_notice,
    .abandoned = on_abandoned,
    .overflow = on_overflow,
    .doubt = on_doubt,
};

static int on_recover(_unused_ sd_event_source *source, usec_t now, void *user)
{
    Queue *queue = user;

    queue->recovered_at = now;
    queue->recover_delay = MIN(queue->recover_delay * 2, RECOVER_MAX);
    if (queue->engine)
        engine_rescan(queue->engine);
    return 0;
}

/* ---- What the engine reports ---- */

static void on_outcome(void *user, const OutcomeReport *report)
{
    Queue *queue = user;

    event_outcome(queue->log, report);
}

static void on_message(void *user, const MessageReport *report)
{
    Queue *queue = user;

    event_message(queue->log, report);
    queue->handlers->changed(queue->user);
}

static void on_relay(void *user, const RelayReport *report)
{
    Queue *queue = user;

    event_relay(queue->log, report);
    queue->handlers->changed(queue->user);
}

/* What lasts, such as a full disk, is met again with every attempt and every message: a log that
 * fills up with it would be of no use, and perhaps fill the same disk. */
static bool may_tell_problem(Queue *queue)
{
    usec_t now = clock_monotonic();

    if (queue->problems_since == 0 || now >= usec_add(queue->problems_since, PROBLEMS_SPAN)) {
        if (queue->problems_left_out > 0)
            event_problems_left_out(queue->log, queue->problems_left_out);
        queue->problems_since = now;
        queue->problems = queue->problems_left_out = 0;
    }
    if (queue->problems == PROBLEMS_MAX) {
        queue->problems_left_out++;
        return false;
    }
    queue->problems++;
    return true;
}

static void on_problem(void *user, const ProblemReport *report)
{
    Queue *queue = user;

    if (may_tell_problem(queue))
        event_problem(queue->log, report->id, report->failure);
    /* Perhaps the directory as a whole cannot be used any more. */
    if (!report->id)
        timer_arm(queue->check, REOPEN_FIRST);
    queue->handlers->changed(queue->user);
}

static void on_idle(void *user)
{
    Queue *queue = user;

    queue->handlers->changed(queue->user);
    queue->handlers->idle(queue->user);
}

static const EngineObserver observer = {
    .outcome = on_outcome,
    .message = on_message,
    .relay = on_relay,
    .problem = on_problem,
    .idle = on_idle,
};

/* ---- Opening and losing the directory ---- */

static int attach(Queue *queue, Failure *f)
{
    const char *path = queue->config->spool.directory;
    _cleanup_(spool_free_p) Spool *spool = NULL;
    _cleanup_(watch_free_p) Watch *watch = NULL;
    int r;

    r = spool_open(path, &spool, f);
    if (r < 0)
        return r;
    r = watch_new(queue->loop, path, &watch_handlers, queue, &watch, f);
    if (r < 0)
        return r;
    /* Between the two calls the path may have come to lead elsewhere. */
    if (spool_is_current(spool) != 1)
        return failure_set(
            f, -ESTALE, ERROR_SPOOL, "%s was replaced while it was being opened; try again", path);
    r = engine_new(queue->loop, spool, queue->config, &observer, queue, &queue->engine);
    if (r < 0)
        return failure_set_errno(f, r, "cannot start delivering from %s", path);
    queue->spool = TAKE_PTR(spool);
    queue->watch = TAKE_PTR(watch);
    engine_start(queue->engine);
    return 0;
}

static void detach(Queue *queue)
{
    engine_free(TAKE_PTR(queue->engine));
    watch_free(TAKE_PTR(queue->watch));
    spool_free(TAKE_PTR(queue->spool));
}

/* 0 when the path still leads to the open directory and it can be used; else says why not. */
static int inspect(Queue *queue, Failure *f)
{
    _cleanup_(spool_free_p) Spool *again = NULL;

    if (spool_is_current(queue->spool) != 1)
        return failure_set(f, -ESTALE, ERROR_SPOOL,
            "it was removed, moved, replaced or unmounted; put it back, or create it with the "
            "owner and mode it had");
    return spool_open(queue->config->spool.directory, &again, f);
}

static int on_check(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    Queue *queue = user;
    _cleanup_failure_ Failure f = {0};

    if (queue->engine) {
        if (inspect(queue, &f) >= 0)
            return 0;
        event_directory_lost(queue->log, queue->config->spool.directory, &f);
        detach(queue);
        queue->reopen_delay = REOPEN_FIRST;
        timer_arm(queue->check, queue->reopen_delay);
        queue->handlers->changed(queue->user);
        if (queue->stopping)
            queue->handlers->idle(queue->user);
        return 0;
    }
    if (attach(queue, &f) < 0) {
        queue->reopen_delay = MIN(queue->reopen_delay * 2, REOPEN_MAX);
        timer_arm(queue->check, queue->reopen_delay);
        return 0;
    }
    event_directory_back(queue->log, queue->config->spool.directory);
    queue->handlers->changed(queue->user);
    return 0;
}

/* ---- The face ---- */

int queue_new(sd_event *loop, Log *log, Config *config, const QueueHandlers *handlers, void *user,
    Queue **ret, Failure *f)
{
    _cleanup_(queue_free_p) Queue *queue = calloc(1, sizeof(*queue));
    int r;

    if (!queue)
        return failure_set_errno(f, -ENOMEM, "cannot open the queue");
    queue->loop = loop;
    queue->log = log;
    queue->config = config_ref(config);
    queue->handlers = handlers;
    queue->user = user;
    queue->recover_delay = RECOVER_FIRST;
    r = timer_new(loop, on_check, queue, &queue->check);
    if (r >= 0)
        r = timer_new(loop, on_recover, queue, &queue->recover);
    if (r < 0)
        return failure_set_errno(f, r, "cannot open the queue");
    r = attach(queue, f);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(queue);
    return 0;
}

void queue_free(Queue *queue)
{
    if (!queue)
        return;
    detach(queue);
    (void)sd_event_source_disable_unref(queue->check);
    (void)sd_event_source_disable_unref(queue->recover);
    config_unref(queue->config);
    free(queue);
}

int queue_reload(Queue *queue, Config *config, Failure *f)
{
    int r;

    if (queue->engine) {
        r = engine_reload(queue->engine, config);
        if (r < 0)
            return failure_set_errno(f, r, "cannot take the new configuration");
        timer_arm(queue->check, 0);
    }
    config_unref(queue->config);
    queue->config = config_ref(config);
    return 0;
}

void queue_flush(Queue *queue)
{
    if (queue->engine)
        engine_flush(queue->engine);
    timer_disarm(queue->check);
    timer_arm(queue->check, 0);
}

bool queue_stop(Queue *queue, usec_t deadline)
{
    queue->stopping = true;
    if (!queue->engine)
        return true;
    engine_stop(queue->engine, deadline);
    return false;
}

bool queue_statistics(const Queue *queue, EngineStatistics *ret)
{
    if (!queue->engine)
        return false;
    engine_statistics(queue->engine, ret);
    return true;
}
