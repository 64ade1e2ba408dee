/* Views of the plan, drawn up by hand. */
#pragma once

#include "base/macros.h"
#include "delivery/plan.h"
#include "unit.h"

#define NOW (1000 * USEC_PER_SEC)
#define IDLE_TIMEOUT (30 * USEC_PER_SEC)
#define LINKS_MAX 32
#define ACTIONS_MAX 64

typedef struct Table {
    PlanView view;
    PlanLink links[LINKS_MAX];
    PlanRelay relays[3];
    uint64_t elsewhere[PLAN_ELSEWHERE_MAX];
    PlanAction actions[ACTIONS_MAX];
    size_t n;
    PlanRest rest;
} Table;

static inline void add_relay(Table *t, RelayState state, unsigned limit, usec_t until)
{
    t->relays[t->view.n_relays++] = (PlanRelay){.state = state, .limit = limit, .until = until};
}

/* Of that relay: ready, with so many messages on it. */
static inline PlanLink *add_link(Table *t, size_t relay, unsigned carries)
{
    PlanLink *link = &t->links[t->view.n_links++];

    *link = (PlanLink){
        .relay = relay,
        .ready = true,
        .can_submit = carries < PLAN_DEPTH_MAX,
        .carries = carries,
        .since = NOW,
        .idle_timeout = IDLE_TIMEOUT,
    };
    if (relay != SIZE_MAX)
        t->relays[relay].connections++;
    return link;
}

static inline void add_coming(Table *t, size_t relay, usec_t since)
{
    PlanLink *link = add_link(t, relay, 0);

    link->ready = link->can_submit = false;
    link->since = since;
}

/* To so many relays that work, and the first is being connected to since then. */
static inline Table table_of_coming(unsigned n_relays, unsigned waiting, usec_t since)
{
    Table t = {.view.waiting = waiting};

    for (unsigned i = 0; i < n_relays; i++)
        add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    add_coming(&t, 0, since);
    return t;
}

static inline void draw_up(Table *t, usec_t now)
{
    t->view.links = t->links;
    if (!t->view.elsewhere)
        t->view.elsewhere = t->elsewhere;
    t->view.relays = t->relays;
    if (t->view.openable == 0)
        t->view.openable = SIZE_MAX;
    t->n = plan(&t->view, now, t->actions, ACTIONS_MAX, &t->rest);
    ck_assert_uint_gt(t->rest.next, now);
}

static inline size_t count(const Table *t, PlanActionKind kind, size_t index)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        n += t->actions[i].kind == kind && t->actions[i].index == index;
    return n;
}
