/* Emptying a queue once. Must never leave what is in flight on its own: whatever ends it
 * early lets that end first. */
#include "lib/emptying.h"

#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "delivery/limits.h"
#include "spool/closer.h"

/* Three messages, or one three times: then it is not a message that the relay stumbles over. */
#define HOLDS_MAX 3

static void stop(Emptying *e, usec_t timeout)
{
    e->deadline = MIN(e->deadline, usec_add(clock_monotonic(), timeout));
    engine_stop(e->engine, e->deadline);
}

void emptying_stop(Emptying *e, usec_t timeout)
{
    e->told_to_stop = true;
    stop(e, timeout);
}

/* What became of messages in flight nobody else knows before it is written: a database is waited
 * for as long as they are nobody else's, whatever a stop may take, unless whoever runs it has told
 * it to end. */
static usec_t patience(const Emptying *e)
{
    return e->source_lost ? MAX(e->stop_timeout, DATABASE_SOURCE_LEASE) : e->stop_timeout;
}

/* Of itself. */
static void end_early(Emptying *e)
{
    stop(e, patience(e));
}

/* ---- What the engine reports ---- */

static void on_outcome(void *user, const OutcomeReport *report)
{
    Emptying *e = user;

    if (report->outcome->kind != DELIVERY_POSTPONED)
        e->observer.outcome(e->user, report);
}

static void on_message(void *user, const MessageReport *report)
{
    Emptying *e = user;

    e->sent += report->change == MESSAGE_SENT;
    e->deferred += report->change == MESSAGE_DEFERRED;
    e->failed += report->change == MESSAGE_FAILED;
    e->observer.message(e->user, report);
}

/* With the last one that is to take nothing for a while, what is left stays queued: another run
 * goes on with it. */
static void end_restrained(Emptying *e, const RelayReport *report)
{
    _cleanup_failure_ Failure f = {0};
    char until[RFC3339_MAX];
    EngineStatistics statistics;

    engine_statistics(e->engine, &statistics);
    if (statistics.relays_held + statistics.relays_restrained < statistics.relays)
        return;
    (void)failure_set(&f, -EAGAIN, ERROR_WOULD_BLOCK,
        "relay %s is to take no message before %s: %s; what is left stays in the queue",
        report->relay, clock_format_rfc3339(report->until, until), report->restraint);
    e->observer.problem(e->user, &(ProblemReport){.failure = &f});
    end_early(e);
}

/* There is no coming back for a relay that does not answer: with the last one held, what is left
 * stays queued. One that may have stumbled over a message is given another chance, with another
 * message. */
static void on_relay(void *user, const RelayReport *report)
{
    Emptying *e = user;
    EngineStatistics statistics;
    bool ends;

    if (report->change == RELAY_RESTRAINED)
        end_restrained(e, report);
    if (report->change != RELAY_HELD)
        return;
    engine_statistics(e->engine, &statistics);
    ends = statistics.relays_held >= statistics.relays && !e->fails_at_once &&
           (delivery_stage_is_relay(report->outcome->stage) || report->holds >= HOLDS_MAX);
    e->observer.relay_held(e->user, report, ends);
    if (ends)
        end_early(e);
}

/* What is left of it stays queued: another run goes on with it. It is told once nothing else is
 * left to do, for others go on. */
static void tell_lanes(const Emptying *e)
{
    EngineLane lane;

    for (unsigned i = 0; engine_lane(e->engine, i, &lane); i++) {
        _cleanup_failure_ Failure f = {0};
        char until[RFC3339_MAX];

        if (lane.waiting + lane.put_off == 0 || lane.restrained_until == 0)
            continue;
        (void)failure_set(&f, -EAGAIN, ERROR_WOULD_BLOCK,
            "lane %s is to send no message before %s: %s; what is left of it stays in the queue",
            lane.config->name, clock_format_rfc3339(lane.restrained_until, until), lane.restraint);
        e->observer.problem(e->user, &(ProblemReport){.failure = &f});
    }
}

static void on_problem(void *user, const ProblemReport *report)
{
    Emptying *e = user;

    e->observer.problem(e->user, report);
    /* A message that waits would keep the loop for ever: another run goes on with it. */
    if (report->pauses || report->waits)
        end_early(e);
}

/* It may be back in a moment, or tomorrow: another run goes on with what is left. What has not
 * begun has failed as a whole. */
static void on_source(void *user, bool back, const Failure *failure)
{
    Emptying *e = user;
    EngineStatistics statistics;

    if (back)
        return;
    engine_statistics(e->engine, &statistics);
    if (statistics.in_flight + e->sent + e->deferred + e->failed == 0)
        (void)failure_set(e->lost, -EIO, failure->number, "%s", failure_text(failure));
    else
        e->observer.problem(e->user, &(ProblemReport){.failure = failure});
    e->source_lost = e->database;
    if (!e->told_to_stop) /* where it ended of itself before, there is more to wait for now */
        e->deadline = USEC_NEVER;
    end_early(e);
}

static void on_idle(void *user)
{
    const Emptying *e = user;

    tell_lanes(e);
    (void)sd_event_exit(e->loop, 0);
}

static const EngineObserver engine_observer = {
    .outcome = on_outcome,
    .message = on_message,
    .relay = on_relay,
    .problem = on_problem,
    .source = on_source,
    .idle = on_idle,
};

/* ---- The run ---- */

/* Connections are held to what the limit of open files allows. */
static void limit_connections(Emptying *e, const Config *config)
{
    Limits limits;

    limits_compute(file_descriptors_max(), CLOSER_KEPT_MAX, config, &limits);
    engine_limit_connections(e->engine, limits.bearable);
}

/* A path is that of a directory, whatever is configured. */
static int open_source(Emptying *e, const char *path, Worker *worker, Config *config, Failure *f)
{
    const DirectoryOptions options = {
        .path = path ?: config->spool.directory, .config = config, .quiet = e->observer.quiet};
    int r;

    if (path || !config->spool.database)
        return directory_new(e->loop, worker, &options, &e->directory, f);
    r = database_source_new(e->loop, worker, config, &e->database, f);
    if (r >= 0)
        database_source_pass(e->database, e->observer.quiet);
    return r;
}

static Source *source_of(const Emptying *e)
{
    return e->database ? database_source_base(e->database) : directory_source(e->directory);
}

int emptying_init(Emptying *e, const char *path, Config *config, const EmptyingObserver *observer,
    void *user, Failure *f)
{
    _cleanup_worker_ Worker *worker = NULL;
    int r;

    *e = (Emptying){
        .observer = *observer,
        .user = user,
        .stop_timeout = config->daemon.stop_timeout,
        .deadline = USEC_NEVER,
        .fails_at_once = config->retry.max_attempts == 1,
    };
    r = sd_event_new(&e->loop);
    if (r >= 0)
        r = worker_new(&worker);
    if (r < 0)
        return failure_set_errno(f, r, "cannot empty the queue");
    r = open_source(e, path, worker, config, f);
    if (r < 0)
        return r;
    r = engine_new(e->loop, source_of(e), worker, config, &engine_observer, e, &e->engine);
    if (r < 0)
        return failure_set_errno(f, r, "cannot empty the queue");
    limit_connections(e, config);
    if (observer->trace)
        engine_trace(e->engine, observer->trace, user);
    return 0;
}

/* Whoever asks what mail waits for is told that it is being delivered. Where it cannot be said it
 * is delivered all the same. */
static void say_so(Emptying *e)
{
    _cleanup_buffer_ Buffer text = {0};
    char now[RFC3339_MAX];

    clock_format_rfc3339(clock_realtime(), now);
    if (buffer_appendf(&text,
            "{\"program\":\"%s\",\"version\":\"%s\",\"pid\":%d,\"uid\":%d,\"started\":\"%s\","
            "\"time\":\"%s\",\"passing\":true}",
            e->observer.program, PACKAGE_VERSION, (int)getpid(), (int)geteuid(), now, now) < 0)
        return;
    if (e->database)
        (void)database_source_say(e->database, buffer_data(&text), buffer_size(&text));
    else
        (void)directory_say(e->directory, buffer_data(&text), buffer_size(&text));
}

int emptying_run(Emptying *e, Failure *f)
{
    int r;

    e->lost = f;
    say_so(e);
    engine_start(e->engine);
    r = sd_event_loop(e->loop);
    if (r < 0)
        return failure_set_errno(f, r, "cannot empty the queue");
    return f->text ? -EIO : 0;
}

void emptying_done(Emptying *e)
{
    engine_free(e->engine);
    directory_free(e->directory);
    database_source_free(e->database);
    e->engine = NULL;
    e->directory = NULL;
    e->database = NULL;
    e->loop = sd_event_unref(e->loop);
}
