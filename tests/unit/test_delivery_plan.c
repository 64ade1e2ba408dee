/* delivery/plan: who gets work, and when to look again. */
#include "plan_table.h"

START_TEST(nothing_to_do_is_nothing_done)
{
    Table t = {0};

    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 0);
    ck_assert_uint_eq(t.rest.next, USEC_NEVER);
}
END_TEST

START_TEST(a_message_gets_a_connection_and_no_more_than_that)
{
    Table t = {.view.waiting = 3};

    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 3);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 3);
    ck_assert_uint_eq(t.rest.next, NOW + PLAN_FRESH); /* they may hang */
}
END_TEST

START_TEST(an_idle_connection_comes_before_a_new_one)
{
    Table t = {.view.waiting = 2};

    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    add_link(&t, 0, 0);
    draw_up(&t, NOW);
    ck_assert_uint_eq(count(&t, PLAN_FILL, 0), 1);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 1);
    ck_assert_uint_eq(t.n, 2);
}
END_TEST

START_TEST(nobody_waits_behind_another_while_a_connection_may_be_opened)
{
    Table t = {.view.waiting = 1};

    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    add_link(&t, 0, 1);
    draw_up(&t, NOW);
    ck_assert_uint_eq(count(&t, PLAN_FILL, 0), 0);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 1);
}
END_TEST

START_TEST(a_second_message_is_for_when_no_connection_may_be_opened)
{
    Table t = {.view.waiting = 5};

    add_relay(&t, RELAY_STATE_WORKS, 2, USEC_NEVER);
    add_link(&t, 0, 1);
    add_link(&t, 0, 2);
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 1);
    ck_assert_uint_eq(count(&t, PLAN_FILL, 0), 1);
}
END_TEST

START_TEST(nothing_is_put_behind_a_message_that_does_not_get_on)
{
    Table t = {.view.waiting = 5};

    add_relay(&t, RELAY_STATE_WORKS, 2, USEC_NEVER);
    add_link(&t, 0, 1)->since = NOW - PLAN_BRISK;
    add_link(&t, 0, 1);
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 1);
    ck_assert_uint_eq(count(&t, PLAN_FILL, 1), 1);
}
END_TEST

START_TEST(more_than_can_be_opened_goes_behind_others_at_once)
{
    Table t = {.view.waiting = 4};

    add_relay(&t, RELAY_STATE_WORKS, 3, USEC_NEVER);
    add_link(&t, 0, 1);
    draw_up(&t, NOW);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 2);
    ck_assert_uint_eq(count(&t, PLAN_FILL, 0), 1);
}
END_TEST

START_TEST(one_that_is_being_opened_is_room_for_one_message_and_not_for_long)
{
    Table t = {.view.waiting = 2};

    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    add_coming(&t, 0, NOW - USEC_PER_SEC);
    draw_up(&t, NOW);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 1);
    ck_assert_uint_eq(t.rest.next, NOW - USEC_PER_SEC + PLAN_FRESH);
    draw_up(&t, NOW + USEC_PER_MINUTE);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 2);
}
END_TEST

/* A relay that is slow on purpose, or hangs every connection, is asked a few times for one message.
 */
START_TEST(those_that_hang_make_room_ever_more_rarely)
{
    Table t = {.view.waiting = 1};
    usec_t now = NOW, end = NOW + 5 * USEC_PER_MINUTE;
    size_t opened = 0;

    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    while (now < end) {
        draw_up(&t, now);
        if (count(&t, PLAN_OPEN, 0) > 0) {
            add_coming(&t, 0, now);
            opened++;
        }
        ck_assert_uint_ge(t.rest.next - now, PLAN_FRESH / 2); /* no look for nothing */
        now = t.rest.next;
    }
    ck_assert_uint_ge(opened, 4);
    ck_assert_uint_le(opened, 9);
}
END_TEST

START_TEST(those_of_an_old_configuration_neither_take_nor_keep_anything)
{
    Table t = {.view.waiting = 1};

    add_relay(&t, RELAY_STATE_WORKS, 1, USEC_NEVER);
    add_link(&t, SIZE_MAX, 0);
    add_coming(&t, SIZE_MAX, NOW);
    draw_up(&t, NOW);
    ck_assert_uint_eq(count(&t, PLAN_QUIT, 0), 1);
    ck_assert_uint_eq(count(&t, PLAN_QUIT, 1), 1); /* though it is being opened */
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 1);
    ck_assert_uint_eq(t.n, 3);
}
END_TEST

START_TEST(a_held_relay_gets_nothing_and_the_next_one_all)
{
    Table t = {.view.waiting = 2};

    add_relay(&t, RELAY_STATE_HELD, 0, NOW + 5 * USEC_PER_SEC);
    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    draw_up(&t, NOW);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 0);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 1), 2);
    t.view.n_relays = 1;
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 0);
    ck_assert_uint_eq(t.rest.next, NOW + 5 * USEC_PER_SEC);
}
END_TEST

START_TEST(a_relay_that_is_tried_again_gets_one_and_does_not_keep_the_others)
{
    Table t = {.view.waiting = 4};

    add_relay(&t, RELAY_STATE_PROBING, 1, USEC_NEVER);
    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    draw_up(&t, NOW);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 1);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 1), 3);
}
END_TEST

START_TEST(a_relay_that_bears_no_more_leaves_the_rest_to_the_next)
{
    Table t = {.view.waiting = 2};

    add_relay(&t, RELAY_STATE_LIMITED, 1, NOW + USEC_PER_MINUTE);
    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    add_link(&t, 0, 1);
    draw_up(&t, NOW);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 1), 2);
    ck_assert_uint_eq(t.n, 2);
    ck_assert_uint_eq(t.rest.next, NOW + PLAN_FRESH);
    t.view.n_relays = 1;
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.rest.next, NOW + USEC_PER_MINUTE);
}
END_TEST

START_TEST(a_relay_that_is_busy_keeps_the_mail)
{
    Table t = {.view.waiting = 2};

    add_relay(&t, RELAY_STATE_WORKS, 1, USEC_NEVER);
    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    add_link(&t, 0, 2);
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 0);
}
END_TEST

/* ---- silence ---- */

START_TEST(a_relay_that_is_silent_does_not_keep_the_mail)
{
    Table t = table_of_coming(2, 2, NOW);

    draw_up(&t, NOW + PLAN_SILENT - 1);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 1), 0);
    ck_assert_uint_eq(t.rest.next, NOW + PLAN_SILENT);
    draw_up(&t, NOW + PLAN_SILENT);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 1), 2);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 0);
}
END_TEST

START_TEST(what_is_being_opened_to_a_silent_relay_is_no_room)
{
    Table t = table_of_coming(2, 1, NOW);

    add_coming(&t, 0, NOW + PLAN_SILENT - 1);
    draw_up(&t, NOW + PLAN_SILENT);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 1), 1);
    ck_assert_uint_eq(t.n, 1);
}
END_TEST

START_TEST(a_relay_with_a_connection_that_is_of_use_is_not_silent)
{
    Table t = table_of_coming(2, 1, NOW);

    add_link(&t, 0, 2);
    draw_up(&t, NOW + PLAN_SILENT);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 1);
    ck_assert_uint_eq(t.n, 1);
}
END_TEST

START_TEST(a_silent_relay_gets_what_nobody_else_takes)
{
    Table t = table_of_coming(2, 1, NOW);

    t.relays[1].state = RELAY_STATE_HELD;
    t.relays[1].until = NOW + USEC_PER_HOUR;
    draw_up(&t, NOW + PLAN_SILENT);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 1);
    ck_assert_uint_eq(t.n, 1);
}
END_TEST

/* ---- logins ---- */

START_TEST(one_connection_finds_out_whether_a_login_is_taken)
{
    Table t = {.view.waiting = 20};

    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    t.relays[0].unproven = true;
    draw_up(&t, NOW);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 1);
    ck_assert_uint_eq(plan_demand(&t.view, NOW), 1);
    add_coming(&t, 0, NOW);
    draw_up(&t, NOW + PLAN_FRESH);
    ck_assert_uint_eq(t.n, 0);
    t.links[0].ready = t.links[0].can_submit = true;
    t.relays[0].unproven = false;
    draw_up(&t, NOW + PLAN_FRESH);
    ck_assert_uint_eq(count(&t, PLAN_FILL, 0), 1);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 19);
}
END_TEST

/* One that hangs before it says a password is no reason to wait for ever; one that has said it is.
 */
START_TEST(the_verdict_on_a_password_is_waited_for)
{
    Table t = table_of_coming(1, 20, NOW);

    t.relays[0].unproven = true;
    draw_up(&t, NOW + PLAN_SILENT);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 1);
    t.links[0].logging_in = true;
    draw_up(&t, NOW + PLAN_SILENT);
    ck_assert_uint_eq(t.n, 0);
    ck_assert_uint_eq(plan_demand(&t.view, NOW + PLAN_SILENT), 0);
}
END_TEST

START_TEST(a_password_that_was_refused_is_not_said_by_those_that_come)
{
    Table t = table_of_coming(1, 5, NOW);

    add_link(&t, 0, 2);
    t.relays[0].state = RELAY_STATE_HELD;
    t.relays[0].until = NOW + USEC_PER_MINUTE;
    draw_up(&t, NOW);
    ck_assert_uint_eq(count(&t, PLAN_QUIT, 0), 0); /* the fault was another */
    t.relays[0].unproven = true;
    draw_up(&t, NOW);
    ck_assert_uint_eq(count(&t, PLAN_QUIT, 0), 1);
    ck_assert_uint_eq(t.n, 1);
}
END_TEST

START_TEST(idle_connections_are_kept_for_a_while)
{
    Table t = {0};

    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    add_link(&t, 0, 0);
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 0);
    ck_assert_uint_eq(t.rest.next, NOW + IDLE_TIMEOUT);
    draw_up(&t, NOW + IDLE_TIMEOUT);
    ck_assert_uint_eq(count(&t, PLAN_QUIT, 0), 1);
}
END_TEST

START_TEST(one_that_says_goodbye_is_waited_for_without_looking)
{
    Table t = {0};

    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    add_link(&t, 0, 0)->quitting = true;
    draw_up(&t, NOW + USEC_PER_HOUR);
    ck_assert_uint_eq(t.n, 0);
    ck_assert_uint_eq(t.rest.next, USEC_NEVER);
}
END_TEST

START_TEST(one_that_is_used_up_is_given_up_and_replaced)
{
    Table t = {.view.waiting = 1};

    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    add_link(&t, 0, 0)->used_up = true;
    draw_up(&t, NOW);
    ck_assert_uint_eq(count(&t, PLAN_QUIT, 0), 1);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 1);
}
END_TEST

START_TEST(a_pause_and_a_stop_take_nothing)
{
    Table t = {.view.waiting = 9, .view.paused_until = NOW + USEC_PER_SEC};

    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    add_link(&t, 0, 0);
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 0);
    ck_assert_uint_eq(plan_demand(&t.view, NOW), 0);
    ck_assert_uint_eq(t.rest.next, NOW + USEC_PER_SEC);
    t.view.paused_until = 0;
    t.view.stopping = true;
    t.view.stop_deadline = NOW + USEC_PER_MINUTE;
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 1);
    ck_assert_uint_eq(count(&t, PLAN_QUIT, 0), 1);
    ck_assert_uint_eq(t.rest.next, NOW + USEC_PER_MINUTE);
}
END_TEST

START_TEST(descriptors_limit_all_relays_together)
{
    Table t = {.view.waiting = 20, .view.openable = 3};

    add_relay(&t, RELAY_STATE_LIMITED, 2, NOW + USEC_PER_MINUTE);
    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 3);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 2);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 1), 1);
    ck_assert_uint_eq(plan_demand(&t.view, NOW), 3);
}
END_TEST

/* ---- what a relay cannot take ---- */

/* One message that must not go to the relays of these bits, beside so many others. */
static Table table_of_elsewhere(unsigned waiting, const uint64_t *elsewhere)
{
    Table t = {.view.waiting = waiting, .view.elsewhere = elsewhere, .view.n_elsewhere = 1};

    return t;
}

static const uint64_t not_first = 1, not_second = 2, not_first_two = 3;

START_TEST(what_the_first_relay_cannot_take_goes_to_the_second)
{
    static const struct {
        RelayState first, second;
        unsigned waiting;
        size_t opened[2], left; /* of ordinary ones */
        const uint64_t *elsewhere;
    } cases[] = {
        {RELAY_STATE_WORKS, RELAY_STATE_WORKS, 0, {0, 1}, 0, &not_first},
        {RELAY_STATE_WORKS, RELAY_STATE_WORKS, 3, {3, 1}, 0, &not_first},
        {RELAY_STATE_WORKS, RELAY_STATE_WORKS, 9, {5, 1}, 4, &not_first},
        {RELAY_STATE_WORKS, RELAY_STATE_WORKS, 9, {5, 0}, 5, &not_second}, /* it comes first */
        {RELAY_STATE_WORKS, RELAY_STATE_HELD, 3, {3, 0}, 0, &not_first},
        {RELAY_STATE_WORKS, RELAY_STATE_PROBING, 0, {0, 1}, 0, &not_first},
        {RELAY_STATE_HELD, RELAY_STATE_WORKS, 2, {0, 3}, 0, &not_first},
        {RELAY_STATE_HELD, RELAY_STATE_WORKS, 0, {0, 0}, 0, &not_second},
        {RELAY_STATE_HELD, RELAY_STATE_WORKS, 9, {0, 5}, 4, &not_second},
        {RELAY_STATE_WORKS, RELAY_STATE_WORKS, 2, {2, 0}, 0, &not_first_two},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        Table t = table_of_elsewhere(cases[i].waiting, cases[i].elsewhere);
        const RelayState states[] = {cases[i].first, cases[i].second};

        for (size_t relay = 0; relay < ELEMENTSOF(states); relay++)
            add_relay(&t, states[relay],
                states[relay] == RELAY_STATE_HELD      ? 0
                : states[relay] == RELAY_STATE_PROBING ? 1
                                                       : 5,
                NOW + USEC_PER_MINUTE);
        draw_up(&t, NOW);
        for (size_t relay = 0; relay < ELEMENTSOF(states); relay++)
            ck_assert_msg(count(&t, PLAN_OPEN, relay) == cases[i].opened[relay],
                "case %zu: %zu to %zu", i, count(&t, PLAN_OPEN, relay), relay);
        ck_assert_uint_eq(t.rest.left, cases[i].left);
    }
}
END_TEST

/* A connection that is there takes it; what is busy takes it behind another only where none may be
 * opened, and one to the relay that cannot take it never does. */
START_TEST(what_goes_elsewhere_takes_the_connections_of_that_relay)
{
    Table t = table_of_elsewhere(0, &not_first);

    add_relay(&t, RELAY_STATE_WORKS, 5, USEC_NEVER);
    add_relay(&t, RELAY_STATE_WORKS, 1, USEC_NEVER);
    add_link(&t, 0, 0);
    add_link(&t, 1, 0);
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 1);
    ck_assert_uint_eq(count(&t, PLAN_FILL, 1), 1);
    t.links[1].carries = 1;
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 1);
    ck_assert_uint_eq(count(&t, PLAN_FILL, 1), 1);
    t.links[1].carries = 2;
    t.links[1].can_submit = false;
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 0);
    t.links[1] = (PlanLink){.relay = 1, .since = NOW, .idle_timeout = IDLE_TIMEOUT};
    draw_up(&t, NOW); /* being opened */
    ck_assert_uint_eq(t.n, 0);
    ck_assert_uint_eq(t.rest.next, NOW + PLAN_FRESH);
}
END_TEST

START_TEST(what_goes_elsewhere_waits_for_a_silent_relay_where_that_is_the_only_one)
{
    Table t = table_of_elsewhere(1, &not_first);

    add_relay(&t, RELAY_STATE_WORKS, 5, USEC_NEVER);
    add_relay(&t, RELAY_STATE_WORKS, 5, USEC_NEVER);
    add_coming(&t, 1, NOW - USEC_PER_MINUTE);
    draw_up(&t, NOW);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 1);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 1), 1);
    ck_assert_uint_eq(t.n, 2);
    t.view.stopping = true;
    t.view.stop_deadline = NOW + 1;
    draw_up(&t, NOW);
    ck_assert_uint_eq(t.n, 0);
}
END_TEST

static Table restrained(size_t room, usec_t from, unsigned waiting)
{
    Table t = {.view.waiting = waiting};

    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    add_relay(&t, RELAY_STATE_WORKS, 20, USEC_NEVER);
    t.relays[0].restrained = true;
    t.relays[0].room = room;
    t.relays[0].room_from = from;
    draw_up(&t, NOW);
    return t;
}

/* It is waited for where that is short, and else does not keep the mail. */
START_TEST(a_relay_that_may_take_no_more_for_long_does_not_keep_the_mail)
{
    Table t = restrained(0, NOW + USEC_PER_SEC, 3);

    ck_assert_uint_eq(t.n, 0);
    ck_assert_uint_eq(t.rest.next, NOW + USEC_PER_SEC);
    ck_assert_uint_eq(plan_demand(&t.view, NOW), 0);
    t = restrained(0, NOW + USEC_PER_HOUR, 3);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 0);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 1), 3);
    ck_assert_uint_eq(plan_demand(&t.view, NOW), 20);
}
END_TEST

START_TEST(when_a_relay_that_takes_none_takes_some_is_known)
{
    Table t = {0};

    add_relay(&t, RELAY_STATE_HELD, 1, NOW + 5);
    add_relay(&t, RELAY_STATE_WORKS, 1, USEC_NEVER);
    t.view.relays = t.relays;
    ck_assert_uint_eq(plan_room_from(&t.view, 0, NOW), NOW + 5);
    ck_assert_uint_eq(plan_room_from(&t.view, 0, NOW + 5), USEC_NEVER);
    ck_assert_uint_eq(plan_room_from(&t.view, 1, NOW), USEC_NEVER);
    for (unsigned i = 0; i < 2; i++) {
        t.relays[i].restrained = true;
        t.relays[i].room_from = NOW + 9;
    }
    ck_assert_uint_eq(plan_room_from(&t.view, 0, NOW), NOW + 9);
    ck_assert_uint_eq(plan_room_from(&t.view, 1, NOW), NOW + 9);
    t.relays[1].room = 1;
    ck_assert_uint_eq(plan_room_from(&t.view, 1, NOW), USEC_NEVER);
    t.view.stopping = true;
    ck_assert_uint_eq(plan_room_from(&t.view, 0, NOW), USEC_NEVER);
}
END_TEST

START_TEST(a_relay_gets_as_many_as_it_may_take)
{
    Table t = restrained(2, NOW, 5);

    ck_assert_uint_eq(count(&t, PLAN_OPEN, 0), 2);
    ck_assert_uint_eq(count(&t, PLAN_OPEN, 1), 0);
    ck_assert_uint_eq(plan_demand(&t.view, NOW), 2);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("delivery/plan");
    TCase *tcase = tcase_create("plan");

    tcase_add_test(tcase, nothing_to_do_is_nothing_done);
    tcase_add_test(tcase, a_message_gets_a_connection_and_no_more_than_that);
    tcase_add_test(tcase, an_idle_connection_comes_before_a_new_one);
    tcase_add_test(tcase, nobody_waits_behind_another_while_a_connection_may_be_opened);
    tcase_add_test(tcase, a_second_message_is_for_when_no_connection_may_be_opened);
    tcase_add_test(tcase, nothing_is_put_behind_a_message_that_does_not_get_on);
    tcase_add_test(tcase, more_than_can_be_opened_goes_behind_others_at_once);
    tcase_add_test(tcase, one_that_is_being_opened_is_room_for_one_message_and_not_for_long);
    tcase_add_test(tcase, those_that_hang_make_room_ever_more_rarely);
    tcase_add_test(tcase, those_of_an_old_configuration_neither_take_nor_keep_anything);
    tcase_add_test(tcase, a_held_relay_gets_nothing_and_the_next_one_all);
    tcase_add_test(tcase, a_relay_that_is_tried_again_gets_one_and_does_not_keep_the_others);
    tcase_add_test(tcase, a_relay_that_bears_no_more_leaves_the_rest_to_the_next);
    tcase_add_test(tcase, a_relay_that_is_busy_keeps_the_mail);
    tcase_add_test(tcase, a_relay_that_may_take_no_more_for_long_does_not_keep_the_mail);
    tcase_add_test(tcase, a_relay_gets_as_many_as_it_may_take);
    tcase_add_test(tcase, when_a_relay_that_takes_none_takes_some_is_known);
    tcase_add_test(tcase, a_relay_that_is_silent_does_not_keep_the_mail);
    tcase_add_test(tcase, what_is_being_opened_to_a_silent_relay_is_no_room);
    tcase_add_test(tcase, a_relay_with_a_connection_that_is_of_use_is_not_silent);
    tcase_add_test(tcase, a_silent_relay_gets_what_nobody_else_takes);
    tcase_add_test(tcase, one_connection_finds_out_whether_a_login_is_taken);
    tcase_add_test(tcase, the_verdict_on_a_password_is_waited_for);
    tcase_add_test(tcase, a_password_that_was_refused_is_not_said_by_those_that_come);
    tcase_add_test(tcase, idle_connections_are_kept_for_a_while);
    tcase_add_test(tcase, one_that_says_goodbye_is_waited_for_without_looking);
    tcase_add_test(tcase, one_that_is_used_up_is_given_up_and_replaced);
    tcase_add_test(tcase, a_pause_and_a_stop_take_nothing);
    tcase_add_test(tcase, descriptors_limit_all_relays_together);
    tcase_add_test(tcase, what_the_first_relay_cannot_take_goes_to_the_second);
    tcase_add_test(tcase, what_goes_elsewhere_takes_the_connections_of_that_relay);
    tcase_add_test(tcase, what_goes_elsewhere_waits_for_a_silent_relay_where_that_is_the_only_one);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
