/* The life of a simulated daemon. Must never call the engine from within the engine. */
#include "process.h"

#include <stdlib.h>

#include "delivery/engine.h"
#include "kernel.h"
#include "ledger.h"
#include "loop.h"
#include "settings.h"
#include "store.h"
#include "world.h"

#define ROUND 3 /* microseconds that a round takes */
#define STOP_TIMEOUT (20 * USEC_PER_SEC)
#define ROUNDS_WITHOUT_WORK 400 /* in a row, at one time */

typedef struct Process {
    sd_event *loop;
    Worker *worker;
    Config *config;
    Engine *engine;
    unsigned reloads;
    bool stopping, again, idle;
    usec_t stop_deadline;
    usec_t frozen_until;
    bool suspended;
    usec_t restart_pause;
    uint64_t work;   /* of the world, when it last changed */
    unsigned rounds; /* since */
} Process;

Figures figures_of_runs;
static Process process;

/* ---- what it tells ---- */

static void on_outcome(_unused_ void *user, const OutcomeReport *report)
{
    figures_of_runs.outcomes++;
    TELL("%s: %s to %zu recipients at %s: %s", report->id,
        delivery_kind_name(report->outcome->kind), report->n_recipients,
        delivery_stage_name(report->outcome->stage), report->outcome->text);
    if (store_is_settling(report->id))
        world_wrong(FAULT_WRONG, "what became of %s is told before it is written", report->id);
}

static void on_message(_unused_ void *user, const MessageReport *report)
{
    static const char *const words[] = {
        "sent", "deferred", "failed", "returned", "recovered", "waiting", "held", "abandoned"};

    if (report->change != MESSAGE_RETURNED)
        world.connects = 0;
    TELL("%s: reported as %s: %s", report->id, words[report->change], report->text ?: "");
}

static void on_relay(_unused_ void *user, const RelayReport *report)
{
    static const char *const words[] = {
        [RELAY_HELD] = "held",
        [RELAY_REFUSED_MORE] = "limited",
        [RELAY_SILENT] = "silent",
        [RELAY_LACKS] = "lacks",
        [RELAY_EXPIRES] = "expires",
        [RELAY_POLICY] = "policy",
        [RELAY_RESTRAINED] = "restrained",
        [RELAY_UNRESTRAINED] = "unrestrained",
        [RELAY_RESUMED] = "resumed",
    };

    TELL("%s: %s%s%s", report->relay, words[report->change], report->outcome ? ": " : "",
        report->outcome ? report->outcome->text : "");
}

static void on_problem(_unused_ void *user, const ProblemReport *report)
{
    TELL("problem: %s", failure_text(report->failure));
    if (report->failure->number == 0)
        world_wrong(FAULT_WRONG, "a problem without a number: %s", failure_text(report->failure));
}

static void on_idle(_unused_ void *user)
{
    process.idle = true;
}

static const EngineObserver observer = {
    .outcome = on_outcome,
    .message = on_message,
    .relay = on_relay,
    .problem = on_problem,
    .idle = on_idle,
};

/* ---- beginning and end ---- */

void process_start(void)
{
    if (process.engine)
        return;
    TELL("a process is started");
    world.dead = false;
    world.dies_at = 0;
    process.loop = loop_new();
    process.stopping = process.idle = false;
    if (worker_new(&process.worker) < 0)
        abort();
    if (!process.config)
        process.config = settings_make(0);
    if (engine_new(process.loop, store_open(process.config), process.worker, process.config,
            &observer, NULL, &process.engine) < 0)
        abort();
    engine_start(process.engine);
    figures_of_runs.processes++;
}

static void on_restart(_unused_ void *user, _unused_ uint64_t argument)
{
    process_start();
}

static void check_given_back(void)
{
    if (loop_count_sources() > 0)
        world_wrong(FAULT_LEAKED, "%u event sources are left", loop_count_sources());
    if (kernel_count() > 0)
        world_wrong(FAULT_LEAKED, "%u descriptors are left", kernel_count());
}

static void free_process(void)
{
    engine_free(TAKE_PTR(process.engine));
    store_close();
    process.worker = worker_unref(process.worker);
    process.loop = sd_event_unref(process.loop);
    process.stopping = false;
    check_given_back();
}

/* What it was about to do is not done. */
static void bury(void)
{
    world.dead = true;
    free_process();
    world.dead = false;
    world.dies_at = 0;
    ledger_excuse_all();
    world_at(world.now + process.restart_pause, on_restart, &process, 0);
}

void process_kill(usec_t pause)
{
    process.restart_pause = pause;
    if (process.engine)
        bury();
}

void process_drain(bool again)
{
    if (!process.engine || process.stopping)
        return;
    TELL("the process is told to stop");
    process.stopping = true;
    process.again = again;
    process.idle = false;
    process.stop_deadline = world_clock(CLOCK_MONOTONIC) + STOP_TIMEOUT;
    engine_stop(process.engine, process.stop_deadline);
}

static void end_drained(void)
{
    bool cut_off = world_clock(CLOCK_MONOTONIC) >= process.stop_deadline;

    TELL("the process has stopped");
    free_process();
    if (cut_off || store_had_trouble())
        ledger_excuse_all();
    else
        ledger_ended();
    if (process.again)
        world_at(world.now + USEC_PER_SEC, on_restart, &process, 0);
}

void process_end(void)
{
    if (process.engine && world.fault == FAULT_NONE) {
        process_drain(false);
        process_run_until(world.now + STOP_TIMEOUT + 5 * USEC_PER_SEC);
    }
    if (process.engine && world.fault == FAULT_NONE)
        world_wrong(FAULT_HUNG, "the process does not stop");
    if (process.engine)
        free_process();
    process.config = config_unref(process.config);
    process = (Process){0};
}

/* ---- what it is told ---- */

void process_reload(void)
{
    Config *config;

    if (!process.engine || process.stopping)
        return;
    TELL("the process is told to reload");
    config = settings_make(++process.reloads);
    if (engine_reload(process.engine, config) < 0)
        abort();
    store_configure(config);
    config_unref(process.config);
    process.config = config;
}

void process_flush(void)
{
    if (process.engine)
        engine_flush(process.engine);
}

void process_freeze(usec_t span, bool machine)
{
    process.frozen_until = MAX(process.frozen_until, world.now + span);
    process.suspended = machine;
}

usec_t process_bound(void)
{
    return settings_bound(process.config);
}

usec_t process_patience(void)
{
    return settings_patience(process.config);
}

/* ---- time ---- */

static void look_for_spin(void)
{
    if (process.work != world.work) {
        process.work = world.work;
        process.rounds = 0;
    } else if (++process.rounds > ROUNDS_WITHOUT_WORK)
        world_wrong(FAULT_SPUN, "%u rounds without work", process.rounds);
}

static bool run_round(void)
{
    if (!process.engine || !loop_run_once(process.loop))
        return false;
    figures_of_runs.rounds++;
    world.now += ROUND;
    look_for_spin();
    if (!world.dead && process.stopping && process.idle)
        end_drained();
    return true;
}

/* Nothing is done meanwhile, but by others. */
static void sleep_frozen(void)
{
    usec_t end = process.frozen_until, begin = world.now;

    process.frozen_until = 0;
    for (usec_t next; (next = world_next()) <= end;) {
        world.now = next;
        world_catch_up();
    }
    world.now = end;
    if (process.suspended)
        world.suspended += end - begin;
    else
        kernel_excuse();
}

/* To the next thing that happens. */
static void jump(usec_t end)
{
    usec_t next = MIN(end, world_next()), patience;

    if (process.engine) {
        next = MIN(next, loop_next(process.loop));
        patience = kernel_patience_ends();
        if (patience < next)
            world_wrong(FAULT_HUNG, "a connection is waited on beyond its time-out, until %.6f",
                (double)next / (double)USEC_PER_SEC);
    }
    figures_of_runs.jumps++;
    process.rounds /= 2; /* timers give a reason, but not each time */
    world.now = MAX(world.now, next);
}

static void advance(usec_t end)
{
    world_catch_up();
    if (world.dead)
        bury();
    if (process.frozen_until > world.now)
        sleep_frozen();
    else if (!run_round())
        jump(end);
}

bool process_run_until(usec_t end)
{
    while (world.fault == FAULT_NONE && world.now < end)
        advance(end);
    return world.fault == FAULT_NONE;
}

bool process_run_until_done(usec_t end)
{
    unsigned message;

    while (world.fault == FAULT_NONE && world.now < end && !store_is_done(&message))
        advance(end);
    return world.fault == FAULT_NONE;
}
