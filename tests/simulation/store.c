/* Messages, their states and records. Must never have an effect once the process has crashed, nor
 * hand out a message that is held. */
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "ledger.h"
#include "store_internal.h"
#include "world.h"

Store store;

void store_begin(void)
{
    store = (Store){.next_timer = USEC_NEVER};
}

static usec_t now_real(void)
{
    return world_clock(CLOCK_REALTIME);
}

bool store_is_due(const Stored *s)
{
    usec_t now = now_real();

    /* A time that is further away than a retry can be is a wrong clock's. */
    return (s->state == STORED_QUEUED &&
               (s->aside <= now || s->aside > usec_add(now, STORE_ASIDE_MAX))) ||
           (s->state == STORED_DEFERRED &&
               (s->next <= now || s->next > usec_add(now, store.config->retry.max)));
}

unsigned store_lane(unsigned message)
{
    return store.config->n_lanes > 0 ? messages[message].hint : LANE_NONE;
}

/* ---- waking ---- */

static void wake(void)
{
    if (store.open && !world.dead && store.base.handlers) {
        world.work++;
        store.base.handlers->wake(store.base.user);
    }
}

static void set_timer(void);

static void on_due(_unused_ void *user, uint64_t timer)
{
    if (timer != store.timers || !store.open)
        return;
    store.next_timer = USEC_NEVER;
    wake();
    set_timer();
}

/* For the first that waits for a time that is to come. */
static void set_timer(void)
{
    usec_t now = now_real(), next = USEC_NEVER;

    for (unsigned i = 0; i < n_messages; i++) {
        const Stored *s = &store.stored[i];
        usec_t due = s->state == STORED_DEFERRED ? s->next
                     : s->state == STORED_QUEUED ? s->aside
                                                 : 0;

        if (due > now)
            next = MIN(next, due);
    }
    if (next == store.next_timer)
        return;
    store.next_timer = next;
    store.timers++;
    if (next != USEC_NEVER)
        world_at(next - world.real_offset, on_due, &store, store.timers);
}

void store_change(unsigned message, StoredState state)
{
    static const char *const names[] = {
        "nothing", "queued", "sending", "deferred", "failed", "held", "sent"};
    Stored *s = &store.stored[message];

    TELL("m%u is %s", message, names[state]);
    s->state = state;
    s->order = ++store.orders;
    if (store.open)
        set_timer();
}

/* ---- what others do ---- */

void store_put(unsigned message)
{
    store.stored[message] = (Stored){.arrival = now_real()};
    store_change(message, STORED_QUEUED);
    wake();
}

void store_hold(unsigned message)
{
    StoredState state = store.stored[message].state;

    if (state == STORED_QUEUED || state == STORED_DEFERRED)
        store_change(message, STORED_HELD);
}

static void begin_anew(unsigned message)
{
    Stored *s = &store.stored[message];

    s->attempts = 0;
    s->first_attempt = 0;
    s->aside = 0;
    s->refused = 0;
    store_change(message, STORED_QUEUED);
    wake();
}

void store_release(unsigned message)
{
    if (store.stored[message].state == STORED_HELD)
        begin_anew(message);
}

void store_retry(unsigned message)
{
    StoredState state = store.stored[message].state;

    if (state == STORED_FAILED || state == STORED_DEFERRED)
        begin_anew(message);
}

void store_delete(unsigned message)
{
    Stored *s = &store.stored[message];

    if (s->state == STORED_SENT || s->state == STORED_NOTHING)
        return;
    s->deleted = true;
    ledger_share(message);
    store_change(message, STORED_NOTHING);
}

void store_clock_was_set(void)
{
    if (!store.open)
        return;
    store.next_timer = 0;
    set_timer();
    wake();
}

/* ---- what there is ---- */

StoredState store_state(unsigned message)
{
    return store.stored[message].state;
}

bool store_had_trouble(void)
{
    return store.had_trouble;
}

bool store_is_done(unsigned *ret_message)
{
    for (unsigned i = 0; i < n_messages; i++) {
        StoredState state = store.stored[i].state;

        *ret_message = i;
        if (state == STORED_QUEUED || state == STORED_SENDING || state == STORED_DEFERRED)
            return false;
    }
    return true;
}

/* Each recipient of one that has ended. */
static void check_recipient(unsigned message, unsigned recipient)
{
    const Stored *s = &store.stored[message];
    unsigned bit = 1u << recipient;

    if (ledger_accepted(message) & bit)
        return;
    if (s->state == STORED_SENT)
        world_wrong(
            FAULT_LOST, "m%u is sent, and recipient %u does not have it", message, recipient);
    if (s->state == STORED_FAILED && !(s->refused & bit) && s->error != ERROR_EXPIRED &&
        !s->gave_up)
        world_wrong(
            FAULT_LOST, "m%u has failed, and recipient %u was not refused", message, recipient);
}

void store_check(void)
{
    for (unsigned i = 0; i < n_messages; i++)
        for (unsigned k = 0; k < messages[i].n_recipients; k++)
            check_recipient(i, k);
}

/* ---- trouble ---- */

static void on_trouble(_unused_ void *user, uint64_t kind)
{
    TELL("trouble of the store: %s", kind == TROUBLE_NONE ? "is over" : "begins");
    store.trouble = (TroubleKind)kind;
    store.had_trouble |= kind != TROUBLE_NONE;
}

/* What is wrong with it, and when. */
void store_plan_trouble(void)
{
    static const unsigned parts[] = {1, 10, 100, 1000};
    usec_t period = world.faults_end - world.now;

    for (unsigned i = 0; i < 2; i++) {
        TroubleKind kind = seldom(DECIDE_STORE_TROUBLE, (Which){i}, TROUBLE_KIND_MAX, 150);
        usec_t from = world.now + period * choose(DECIDE_STORE_BEGIN, (Which){i}, 64) / 64;
        usec_t length = period / parts[choose(DECIDE_STORE_LENGTH, (Which){i}, ELEMENTSOF(parts))];

        if (kind == TROUBLE_NONE)
            continue;
        world_at(from, on_trouble, &store.trouble, kind);
        world_at(MIN(from + length, world.faults_end), on_trouble, &store.trouble, TROUBLE_NONE);
    }
}

/* ---- the process ---- */

extern const SourceOps store_ops;

void store_configure(const Config *config)
{
    store.config = config;
    store.longest_retry = MAX(store.longest_retry, config->retry.max);
    store.gives_up |= config->retry.give_up_after > 0 || config->retry.max_attempts > 0;
    store.one_attempt |= config->retry.max_attempts == 1;
}

Source *store_open(const Config *config)
{
    store.base = (Source){.ops = &store_ops};
    store_configure(config);
    store.open = true;
    store.lanes = UINT32_MAX;
    store.had_trouble = store.trouble != TROUBLE_NONE;
    for (unsigned i = 0; i < n_messages; i++) {
        store.stored[i].aside = 0;
        if (store.stored[i].state == STORED_SENDING)
            store_change(i, STORED_QUEUED);
    }
    store.next_timer = USEC_NEVER;
    set_timer();
    return &store.base;
}

void store_close(void)
{
    if (store.n_held > 0)
        world_wrong(FAULT_LEAKED, "%u messages are held by nobody", store.n_held);
    store.open = false;
    store.timers++;
}
