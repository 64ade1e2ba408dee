/* delivery: the index of waiting messages, the backlog of names, the back-off. */
#include <stdio.h>
#include <string.h>

#include "delivery/backlog.h"
#include "delivery/due.h"
#include "delivery/retry.h"
#include "unit.h"

START_TEST(due_messages_come_in_order_and_not_before_their_time)
{
    _cleanup_(due_index_free_p) DueIndex *index = NULL;
    usec_t last = 0;
    char id[256];
    uint8_t tag;

    ck_assert_int_eq(due_index_new(1 << 20, &index), 0);
    ck_assert_uint_eq(due_index_next(index), USEC_NEVER);
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(id, sizeof(id), "%u", (i * 7919) % 5000 + 1);
        ck_assert_int_eq(
            due_index_add(index, id, (uint8_t)(i % 3), ((i * 7919) % 5000 + 1) * USEC_PER_SEC), 0);
    }
    ck_assert_uint_eq(due_index_next(index), USEC_PER_SEC);
    ck_assert_int_eq(due_index_take(index, USEC_PER_SEC - 1, id, &tag), 0);
    for (unsigned i = 0; i < 5000; i++) {
        usec_t due;

        ck_assert_int_eq(due_index_take(index, 5000 * USEC_PER_SEC, id, &tag), 1);
        due = strtoul(id, NULL, 10);
        ck_assert_uint_ge(due, last);
        last = due;
    }
    ck_assert_uint_eq(due_index_count(index), 0);
}
END_TEST

START_TEST(times_are_rounded_up)
{
    _cleanup_(due_index_free_p) DueIndex *index = NULL;
    char id[256];
    uint8_t tag;

    ck_assert_int_eq(due_index_new(1 << 20, &index), 0);
    ck_assert_int_eq(due_index_add(index, "a", 1, 10 * USEC_PER_SEC + 1), 0);
    ck_assert_int_eq(due_index_take(index, 10 * USEC_PER_SEC + 1, id, &tag), 0);
    ck_assert_int_eq(due_index_take(index, 11 * USEC_PER_SEC, id, &tag), 1);
    ck_assert_str_eq(id, "a");
    ck_assert_uint_eq(tag, 1);
}
END_TEST

START_TEST(a_full_index_keeps_the_earlier_and_says_from_when_it_is_incomplete)
{
    _cleanup_(due_index_free_p) DueIndex *index = NULL;
    char id[256];
    uint8_t tag;
    usec_t horizon;
    unsigned taken = 0;

    ck_assert_int_eq(due_index_new(64 * 1024, &index), 0);
    for (unsigned i = 100000; i > 0; i--) {
        snprintf(id, sizeof(id), "message-%06u", i);
        ck_assert_int_eq(due_index_add(index, id, 0, i * USEC_PER_SEC), 0);
    }
    horizon = due_index_horizon(index);
    ck_assert_uint_ne(horizon, USEC_NEVER);
    ck_assert_uint_gt(horizon, 1000 * USEC_PER_SEC);
    while (due_index_take(index, USEC_NEVER - 1, id, &tag))
        ck_assert_uint_eq(strtoul(id + 8, NULL, 10), ++taken);
    ck_assert_uint_eq((taken + 1) * USEC_PER_SEC, horizon);
    ck_assert_uint_eq(due_index_next(index), horizon);
}
END_TEST

START_TEST(entries_of_one_tag_can_be_made_due)
{
    _cleanup_(due_index_free_p) DueIndex *index = NULL;
    char id[256];
    uint8_t tag;

    ck_assert_int_eq(due_index_new(1 << 20, &index), 0);
    due_index_make_due(index, 2, 3); /* none */
    ck_assert_int_eq(due_index_add(index, "settling", 0, 50 * USEC_PER_SEC), 0);
    ck_assert_int_eq(due_index_add(index, "deferred", 2, 99 * USEC_PER_SEC), 0);
    due_index_make_due(index, 2, 3);
    ck_assert_int_eq(due_index_take(index, USEC_PER_SEC, id, &tag), 1);
    ck_assert_str_eq(id, "deferred");
    ck_assert_uint_eq(tag, 3);
    ck_assert_int_eq(due_index_take(index, USEC_PER_SEC, id, &tag), 0);
}
END_TEST

START_TEST(the_backlog_is_a_bounded_queue)
{
    Backlog backlog = {0};
    unsigned pushed = 0, popped = 0;
    char id[256];
    uint8_t tag;

    while (snprintf(id, sizeof(id), "id-%u", pushed) > 0 &&
           backlog_push(&backlog, id, (uint8_t)(pushed % 4)) == 1)
        pushed++;
    ck_assert_uint_gt(pushed, 10000);
    ck_assert(!backlog_has_room(&backlog));
    ck_assert_uint_eq(backlog.count, pushed);
    while (backlog_pop(&backlog, id, &tag)) {
        ck_assert_uint_eq(strtoul(id + 3, NULL, 10), popped);
        ck_assert_uint_eq(tag, popped % 4);
        popped++;
    }
    ck_assert_uint_eq(popped, pushed);
    memset(id, 'x', 255);
    id[255] = '\0';
    ck_assert_int_eq(backlog_push(&backlog, id, 0), 1);
    backlog_done(&backlog);
}
END_TEST

START_TEST(the_backlog_shows_what_comes_next)
{
    Backlog backlog = {0};
    size_t at = 0;
    char id[256];
    uint8_t tag;

    ck_assert_int_eq(backlog_peek(&backlog, &at, id, &tag), 0);
    ck_assert_int_eq(backlog_push(&backlog, "gone", 0), 1);
    ck_assert_int_eq(backlog_push(&backlog, "first", 1), 1);
    ck_assert_int_eq(backlog_push(&backlog, "second", 2), 1);
    ck_assert_int_eq(backlog_pop(&backlog, id, &tag), 1);
    ck_assert_int_eq(backlog_peek(&backlog, &at, id, &tag), 1);
    ck_assert_str_eq(id, "first");
    ck_assert_int_eq(backlog_peek(&backlog, &at, id, &tag), 1);
    ck_assert_str_eq(id, "second");
    ck_assert_uint_eq(tag, 2);
    ck_assert_int_eq(backlog_peek(&backlog, &at, id, &tag), 0);
    ck_assert_uint_eq(backlog.count, 2);
    backlog_done(&backlog);
}
END_TEST

START_TEST(the_pause_grows_to_its_limit)
{
    const RetryConfig retry = {
        .first = USEC_PER_MINUTE,
        .max = USEC_PER_HOUR,
        .factor = 2.0,
        .give_up_after = 5 * USEC_PER_DAY,
    };

    ck_assert_uint_eq(retry_pause(&retry, 1, 0), USEC_PER_MINUTE);
    ck_assert_uint_eq(retry_pause(&retry, 3, 0), 4 * USEC_PER_MINUTE);
    ck_assert_uint_eq(retry_pause(&retry, 4000000000u, 0), USEC_PER_HOUR);
    ck_assert_uint_eq(retry_pause(&retry, 1, UINT32_MAX), 54 * USEC_PER_SEC);
    ck_assert(!retry_is_over(&retry, 1000, 0, 5 * USEC_PER_DAY - 1));
    ck_assert(retry_is_over(&retry, 1, 0, 5 * USEC_PER_DAY));
    ck_assert(retry_is_over(&(RetryConfig){.max_attempts = 3}, 3, 0, 1));
    ck_assert(!retry_is_over(&(RetryConfig){.max_attempts = 3}, 2, 0, USEC_NEVER - 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delivery: schedule");
    TCase *t = tcase_create("schedule");

    tcase_add_test(t, due_messages_come_in_order_and_not_before_their_time);
    tcase_add_test(t, times_are_rounded_up);
    tcase_add_test(t, a_full_index_keeps_the_earlier_and_says_from_when_it_is_incomplete);
    tcase_add_test(t, entries_of_one_tag_can_be_made_due);
    tcase_add_test(t, the_backlog_is_a_bounded_queue);
    tcase_add_test(t, the_backlog_shows_what_comes_next);
    tcase_add_test(t, the_pause_grows_to_its_limit);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
