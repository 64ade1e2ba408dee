/* Serving one queue, a directory or a database. Must never decide anything: source and engine do,
 * and this says it to the log. */
#include "daemon/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "daemon/events.h"
#include "daemon/place.h"
#include "queue/directory.h"

#define PROBLEMS_MAX 10 /* entries in PROBLEMS_SPAN */
#define PROBLEMS_SPAN (10 * USEC_PER_MINUTE)

struct Queue {
    Log *log;
    char *place; /* for people */
    const QueueHandlers *handlers;
    void *user;
    Directory *directory;     /* NULL: it is the other */
    DatabaseSource *database; /* likewise */
    Engine *engine;
    usec_t problems_since; /* problems told, or left out, since then */
    unsigned problems, problems_left_out;
};

static void on_outcome(void *user, const OutcomeReport *report)
{
    Queue *queue = user;

    event_outcome(queue->log, report);
    queue->handlers->outcome(queue->user, report);
}

static void on_message(void *user, const MessageReport *report)
{
    Queue *queue = user;

    event_message(queue->log, report);
    queue->handlers->message(queue->user, report);
    queue->handlers->changed(queue->user);
}

static void on_health(void *user)
{
    Queue *queue = user;

    queue->handlers->health(queue->user);
    queue->handlers->changed(queue->user);
}

static void on_relay(void *user, const RelayReport *report)
{
    Queue *queue = user;

    event_relay(queue->log, report);
    queue->handlers->relay(queue->user, report);
    on_health(queue);
}

static void on_lane(void *user, const LaneReport *report)
{
    Queue *queue = user;

    event_lane(queue->log, report);
    on_health(queue);
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
        event_problem(queue->log, report);
    queue->handlers->problem(queue->user, report);
    on_health(queue);
}

static void on_source(void *user, bool back, const Failure *failure)
{
    Queue *queue = user;

    if (queue->database)
        event_database(queue->log, queue->place, back ? NULL : failure);
    else if (back)
        event_directory_back(queue->log, queue->place);
    else
        event_directory_lost(queue->log, queue->place, failure);
    on_health(queue);
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
    .lane = on_lane,
    .problem = on_problem,
    .source = on_source,
    .health = on_health,
    .idle = on_idle,
};

static int open_source(Queue *queue, sd_event *loop, Worker *worker, Config *config, Failure *f)
{
    const DirectoryOptions options = {
        .path = config->spool.directory, .config = config, .watch = true};

    if (config->spool.database)
        return database_source_new(loop, worker, config, &queue->database, f);
    return directory_new(loop, worker, &options, &queue->directory, f);
}

static Source *source_of(const Queue *queue)
{
    return queue->database ? database_source_base(queue->database)
                           : directory_source(queue->directory);
}

int queue_new(sd_event *loop, Log *log, Worker *worker, Config *config,
    const QueueHandlers *handlers, void *user, Queue **ret, Failure *f)
{
    _cleanup_(queue_free_p) Queue *queue = calloc(1, sizeof(*queue));
    int r;

    if (!queue)
        return failure_set_errno(f, -ENOMEM, "cannot open the queue");
    queue->log = log;
    queue->handlers = handlers;
    queue->user = user;
    queue->place = place_name(config);
    if (!queue->place)
        return failure_set_errno(f, -ENOMEM, "cannot open the queue");
    r = open_source(queue, loop, worker, config, f);
    if (r < 0)
        return r;
    r = engine_new(loop, source_of(queue), worker, config, &observer, queue, &queue->engine);
    if (r < 0)
        return failure_set_errno(f, r, "cannot start delivering from %s", queue->place);
    engine_start(queue->engine);
    *ret = TAKE_PTR(queue);
    return 0;
}

void queue_free(Queue *queue)
{
    if (!queue)
        return;
    engine_free(queue->engine);
    directory_free(queue->directory);
    database_source_free(queue->database);
    free(queue->place);
    free(queue);
}

void queue_warn(Queue *queue)
{
    _cleanup_failure_ Failure f = {0};

    if (queue->directory && directory_check_leases(queue->directory, &f) < 0)
        event_no_leases(queue->log, &f);
}

void queue_limit_connections(Queue *queue, size_t n)
{
    engine_limit_connections(queue->engine, n);
}

int queue_reload(Queue *queue, Config *config, Failure *f)
{
    int r = engine_reload(queue->engine, config);

    if (r < 0)
        return failure_set_errno(f, r, "cannot take the new configuration");
    if (queue->database)
        database_source_configure(queue->database, config);
    else
        directory_configure(queue->directory, config);
    return 0;
}

void queue_flush(Queue *queue)
{
    engine_flush(queue->engine);
}

void queue_stop(Queue *queue, usec_t deadline)
{
    engine_stop(queue->engine, deadline);
}

bool queue_lane(const Queue *queue, unsigned number, EngineLane *ret)
{
    return engine_lane(queue->engine, number, ret);
}

bool queue_relay(const Queue *queue, size_t place, EngineRelay *ret)
{
    return engine_relay(queue->engine, place, ret);
}

int queue_say(Queue *queue, const void *text, size_t n)
{
    return queue->database ? database_source_say(queue->database, text, n)
                           : directory_say(queue->directory, text, n);
}

bool queue_oldest(Queue *queue, usec_t every, DatabaseOldest *ret)
{
    if (queue->database)
        database_source_oldest(queue->database, every, ret);
    return queue->database != NULL;
}

bool queue_statistics(const Queue *queue, EngineStatistics *ret)
{
    engine_statistics(queue->engine, ret);
    return queue->database ? database_source_is_open(queue->database)
                           : directory_is_open(queue->directory);
}
