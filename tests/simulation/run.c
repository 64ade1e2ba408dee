/* What happens in a run, and what must hold at its end. */
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "kernel.h"
#include "ledger.h"
#include "memory.h"
#include "message.h"
#include "process.h"
#include "relay.h"
#include "store.h"
#include "store_internal.h"

#define OPERATORS_MAX 8
#define TIDYING (21 * USEC_PER_MINUTE)
#define QUIET (2 * USEC_PER_HOUR)
#define QUIET_ROUNDS 4

typedef enum OperatorKind {
    OPERATOR_NONE,
    OPERATOR_KILLS,
    OPERATOR_KILLS_WITHIN, /* with one of the next effects */
    OPERATOR_STOPS,
    OPERATOR_HOLDS,
    OPERATOR_RELEASES,
    OPERATOR_RETRIES,
    OPERATOR_DELETES,
    OPERATOR_RELOADS,
    OPERATOR_FLUSHES,
    OPERATOR_SETS_CLOCK,
    OPERATOR_SUSPENDS,
    OPERATOR_FREEZES,
    OPERATOR_KIND_MAX,
} OperatorKind;

static const int64_t steps[] = {3600, -3600, 30, -30, 864000, -864000, 7200, -600};
static const unsigned spans[] = {1, 20, 65, 300, 4000, 40000, 3, 700};

/* ---- operators ---- */

static void kill_within(unsigned what)
{
    world.dies_at = world.effects + 1 + what % 100;
}

static void set_clock(unsigned what)
{
    world.real_offset += (usec_t)(steps[what % ELEMENTSOF(steps)] * (int64_t)USEC_PER_SEC);
    world.clock_was_set = true;
    TELL("the clock is set");
    store_clock_was_set();
}

static void on_operator(_unused_ void *user, uint64_t number)
{
    Which which = {(unsigned)number};
    unsigned what = choose(DECIDE_OPERATOR_WHAT, which, 400), message = what % n_messages;

    switch ((OperatorKind)seldom(DECIDE_OPERATOR, which, OPERATOR_KIND_MAX, 500)) {
    case OPERATOR_KILLS: process_kill(what % 5 * what % 7 * USEC_PER_SEC); break;
    case OPERATOR_KILLS_WITHIN: kill_within(what); break;
    case OPERATOR_STOPS: process_drain(true); break;
    case OPERATOR_HOLDS: store_hold(message); break;
    case OPERATOR_RELEASES: store_release(message); break;
    case OPERATOR_RETRIES: store_retry(message); break;
    case OPERATOR_DELETES: store_delete(message); break;
    case OPERATOR_RELOADS: process_reload(); break;
    case OPERATOR_FLUSHES: process_flush(); break;
    case OPERATOR_SETS_CLOCK: set_clock(what); break;
    case OPERATOR_SUSPENDS:
        process_freeze(spans[what % ELEMENTSOF(spans)] * USEC_PER_SEC, true);
        break;
    case OPERATOR_FREEZES: process_freeze(spans[what % 4] * USEC_PER_SEC, false); break;
    default: break;
    }
}

/* The others may wait for as long as they like. */
static bool is_deliverable(unsigned message)
{
    const SimMessage *m = &messages[message];

    for (unsigned i = 0; i < m->n_recipients; i++)
        if (m->kinds[i] != RECIPIENT_GOOD && m->kinds[i] != RECIPIENT_REFUSED)
            return false;
    return m->poison == POISON_NONE;
}

/* Messages that take up a connection for as long as its time-outs allow, again and again. */
static unsigned count_silenced(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < n_messages; i++)
        n += messages[i].poison == POISON_SILENCE;
    return n;
}

static void on_patience_over(_unused_ void *user, uint64_t message)
{
    StoredState state = store_state((unsigned)message);

    if (state == STORED_QUEUED || state == STORED_SENDING || state == STORED_DEFERRED)
        world_wrong(FAULT_STARVED, "m%u waits beside a relay that works", (unsigned)message);
}

static void on_arrival(_unused_ void *user, uint64_t message)
{
    store_put((unsigned)message);
    if (world.is_calm && is_deliverable((unsigned)message) &&
        !relays_can_be_filled(count_silenced()))
        world_at(world.now + process_patience(), on_patience_over, &messages, message);
}

/* ---- the plot ---- */

static usec_t choose_period(void)
{
    static const unsigned minutes[] = {1, 5, 30, 240};

    return minutes[choose(DECIDE_PERIOD, (Which){0}, ELEMENTSOF(minutes))] * USEC_PER_MINUTE;
}

static void plan_all(void)
{
    usec_t begin = world.now, period = choose_period();

    world.faults_end = begin + period;
    world.is_calm = seldom(DECIDE_CALM, (Which){0}, 2, 250) > 0;
    messages_begin();
    relays_begin(world.is_calm);
    if (!world.is_calm)
        store_plan_trouble();
    for (unsigned i = 0; i < n_messages; i++)
        world_at(begin + period * seldom(DECIDE_ARRIVES, (Which){i}, 64, 500) / 64, on_arrival,
            &messages, i);
    for (unsigned i = 0; i < OPERATORS_MAX && !world.is_calm; i++)
        if (seldom(DECIDE_OPERATOR, (Which){i}, OPERATOR_KIND_MAX, 500) > 0)
            world_at(begin + period / 1024 * choose(DECIDE_OPERATOR_WHEN, (Which){i}, 1024),
                on_operator, &messages, i);
}

/* Everything works again: all that can be delivered is, soon. */
static void run_to_the_end(void)
{
    usec_t bound, begin = world.faults_end;
    unsigned message;

    if (!process_run_until(begin))
        return;
    TELL("everything works again");
    process_run_until(world.now + USEC_PER_MINUTE); /* a process that was killed is there again */
    bound = process_bound();
    if (!process_run_until_done(world.now + bound))
        return;
    if (!store_is_done(&message))
        world_wrong(FAULT_STARVED, "m%u has waited for %.0f s", message,
            (double)(world.now - begin) / (double)USEC_PER_SEC);
    figures_of_runs.slowest = MAX(figures_of_runs.slowest, world.now - begin);
}

/* Once connections have been given up, whose patience may be 10 minutes, nothing wakes without
 * work. */
static void run_quietly(void)
{
    unsigned long long rounds;

    if (!process_run_until(world.now + TIDYING))
        return;
    rounds = figures_of_runs.rounds;
    if (!process_run_until(world.now + QUIET))
        return;
    rounds = figures_of_runs.rounds - rounds;
    if (rounds > QUIET_ROUNDS)
        world_wrong(FAULT_SPUN, "%llu rounds in two hours without mail", rounds);
    if (kernel_count_sockets() > 0)
        world_wrong(FAULT_HUNG, "connections are kept for two hours without mail");
}

static void run_all(void)
{
    store_begin();
    ledger_begin();
    plan_all();
    process_start();
    run_to_the_end();
    if (world.fault == FAULT_NONE)
        run_quietly();
    process_end();
    if (world.fault == FAULT_NONE)
        store_check();
    kernel_end();
    relays_end();
    messages_end();
    ledger_end();
    world_end();
}

Fault run_schedule(Schedule *schedule, bool shows, const char **ret_what)
{
    long before = memory_live();

    world_begin(schedule, shows);
    run_all();
    if (world.fault == FAULT_NONE && !schedule->records && !shows && memory_live() != before)
        world_wrong(FAULT_LEAKED, "%ld blocks of memory", memory_live() - before);
    *ret_what = world.what;
    return world.fault;
}
