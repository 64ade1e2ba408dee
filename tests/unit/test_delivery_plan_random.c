/* delivery/plan: what must hold whatever there is. */
#include "plan_table.h"

static uint64_t random_below(uint64_t *state, uint64_t n)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % n;
}

/* All that may be, by chance. */
static Table random_table(uint64_t *random, unsigned n_relays)
{
    Table t = {.view.openable = 50};

    for (unsigned i = 0; i < n_relays; i++)
        add_relay(&t, (RelayState)random_below(random, RELAY_STATE_MAX),
            (unsigned)random_below(random, 6),
            NOW + random_below(random, 100) * USEC_PER_SEC - 50 * USEC_PER_SEC);
    for (unsigned i = 0; i < n_relays; i++)
        t.relays[i].unproven = random_below(random, 3) == 0;
    for (unsigned i = 0, n = (unsigned)random_below(random, 8); i < n; i++) {
        PlanLink *link = add_link(&t,
            random_below(random, 5) == 0 ? SIZE_MAX : random_below(random, t.view.n_relays),
            (unsigned)random_below(random, 3));

        link->since = NOW - random_below(random, 60) * USEC_PER_SEC;
        link->quitting = random_below(random, 4) == 0;
        link->used_up = random_below(random, 4) == 0;
        link->ready = random_below(random, 4) != 0;
        link->can_submit = link->can_submit && link->ready;
        link->carries = link->ready ? link->carries : 0;
        link->logging_in = !link->ready && random_below(random, 2) == 0;
    }
    t.view.waiting = random_below(random, 30);
    for (t.view.n_elsewhere = 0; random_below(random, 3) == 0; t.view.n_elsewhere++)
        t.elsewhere[t.view.n_elsewhere] = random_below(random, 8);
    if (random_below(random, 50) == 0)
        t.view.n_elsewhere = PLAN_ELSEWHERE_MAX;
    t.view.stopping = random_below(random, 8) == 0;
    t.view.stop_deadline = NOW + random_below(random, 2) * USEC_PER_SEC;
    t.view.paused_until = random_below(random, 4) == 0 ? NOW + 1 : random_below(random, NOW);
    return t;
}

/* Some relays may take only so many, or none for a while. */
static void restrain(uint64_t *random, Table *t)
{
    for (unsigned i = 0; i < t->view.n_relays; i++) {
        PlanRelay *relay = &t->relays[i];

        relay->restrained = random_below(random, 3) == 0;
        relay->room = random_below(random, 4);
        relay->room_from =
            relay->room > 0 ? NOW : NOW + 1 + random_below(random, 60 * USEC_PER_SEC);
    }
}

/* And when they may, it is looked at again: what waits there is not forgotten. */
static void check_room(const Table *t, unsigned relay, size_t placed)
{
    const PlanRelay *r = &t->relays[relay];

    ck_assert(!r->restrained || placed <= r->room);
    if (relay == 0 && r->restrained && r->room == 0 && t->view.waiting > 0 && !t->view.stopping &&
        t->view.paused_until <= NOW && !plan_is_silent(&t->view, 0, NOW))
        ck_assert_uint_le(t->rest.next, r->room_from);
}

START_TEST(no_view_leads_to_a_time_that_is_past_or_to_work_done_twice)
{
    uint64_t random = 88172645463325252u;

    for (unsigned round = 0; round < 20000; round++) {
        Table t = random_table(&random, 1 + round % 3);
        size_t opened[3] = {0}, filled[3] = {0};

        restrain(&random, &t);
        draw_up(&t, NOW);
        for (size_t i = 0; i < t.n; i++) {
            size_t index = t.actions[i].index;

            if (t.actions[i].kind == PLAN_OPEN) {
                opened[index]++;
                ck_assert_uint_le(
                    t.relays[index].connections + opened[index], t.relays[index].limit);
                ck_assert(!t.relays[index].unproven || opened[index] == 1);
                continue;
            }
            ck_assert(!t.links[index].quitting);
            ck_assert(t.links[index].ready || t.links[index].relay == SIZE_MAX ||
                      t.relays[t.links[index].relay].unproven);
            ck_assert_uint_eq(count(&t, PLAN_FILL, index) + count(&t, PLAN_QUIT, index), 1);
            if (t.actions[i].kind == PLAN_FILL)
                filled[t.links[index].relay]++;
            if (t.actions[i].kind == PLAN_FILL)
                ck_assert(t.links[index].can_submit && !t.links[index].used_up);
        }
        for (unsigned i = 0; i < t.view.n_relays; i++)
            check_room(&t, i, opened[i] + filled[i]);
        ck_assert_uint_le(t.n, t.view.waiting + t.view.n_elsewhere + t.view.n_links);
        ck_assert_uint_le(t.rest.left, t.view.waiting);
    }
}
END_TEST

static void load(PlanLink *link, int messages)
{
    link->carries = (unsigned)((int)link->carries + messages);
    link->can_submit = link->ready && link->carries < PLAN_DEPTH_MAX;
    link->since = NOW;
}

/* As the pump does. */
static void carry_out(Table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t index = t->actions[i].index;

        if (t->actions[i].kind == PLAN_OPEN) {
            add_coming(t, index, NOW);
            t->view.openable--;
        } else if (t->actions[i].kind == PLAN_FILL) {
            load(&t->links[index], 1);
            t->view.waiting--;
        } else {
            t->links[index].quitting = true;
        }
    }
}

START_TEST(nothing_takes_of_the_rest_while_there_is_a_better_place)
{
    uint64_t random = 2463534242u;
    unsigned taken = 0;

    for (unsigned round = 0; round < 20000; round++) {
        Table t = random_table(&random, 1 + round % 3);
        PlanLink *link = &t.links[random_below(&random, 8)];

        t.view.n_elsewhere = 0;
        draw_up(&t, NOW);
        if (t.view.n_links + t.n > LINKS_MAX)
            continue;
        carry_out(&t);
        if (link >= t.links + t.view.n_links || link->carries == 0)
            continue;
        load(link, -1);
        if (!plan_takes_of_rest(&t.rest, link, NOW))
            continue;
        draw_up(&t, NOW);
        ck_assert_uint_gt(t.n, 0);
        for (size_t i = 0; i < t.n; i++) {
            if (&t.links[t.actions[i].index] == link)
                continue;
            ck_assert_int_ne(t.actions[i].kind, PLAN_OPEN);
            ck_assert(t.actions[i].kind != PLAN_FILL || t.links[t.actions[i].index].carries > 0);
        }
        taken++;
    }
    ck_assert_uint_gt(taken, 100);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("delivery/plan, by chance");
    TCase *tcase = tcase_create("plan");

    tcase_add_test(tcase, no_view_leads_to_a_time_that_is_past_or_to_work_done_twice);
    tcase_add_test(tcase, nothing_takes_of_the_rest_while_there_is_a_better_place);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
