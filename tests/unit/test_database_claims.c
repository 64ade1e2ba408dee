/* The mark in what is ready, against snapshots. */
#include <stdio.h>

#include "database/claims.h"
#include "unit.h"

static ClaimsAnswer answer(size_t n, uint64_t last, int64_t message, const char *snapshot)
{
    return (ClaimsAnswer){
        .n = n, .most = 10, .last = last, .last_message = message, .snapshot = snapshot};
}

static void check_late(const ClaimsLane *lane, const char *expected)
{
    _cleanup_buffer_ Buffer text = {0};

    ck_assert_int_eq(claims_format_late(lane, &text), 0);
    ck_assert_int_eq(buffer_append(&text, "", 1), 0);
    ck_assert_str_eq(buffer_data(&text), expected);
}

START_TEST(transactions_that_are_overtaken_are_remembered_until_they_end)
{
    Claims claims;
    ClaimsLane *lane;
    ClaimsAnswer a = answer(2, 20, 7, "12:22:12,15,21");

    ck_assert_int_eq(claims_init(&claims), 0);
    lane = &claims.lanes[0];
    check_late(lane, "{}");
    ck_assert_int_eq(claims_note(lane, &a), 0);
    check_late(lane, "{12,15}"); /* 21 is not passed yet */
    ck_assert(claims_is_overtaken(lane, 15, 900));
    ck_assert(claims_is_overtaken(lane, 20, 7));
    ck_assert(!claims_is_overtaken(lane, 20, 8));
    ck_assert(!lane->more);

    a = answer(1, 22, 9, "15:24:15,21");
    ck_assert_int_eq(claims_note(lane, &a), 0);
    check_late(lane, "{15,21}");

    a = answer(0, 0, 0, "25:25:");
    ck_assert_int_eq(claims_note(lane, &a), 0);
    check_late(lane, "{}");
    ck_assert_uint_eq(lane->after, 22);
    claims_done(&claims);
}
END_TEST

START_TEST(those_of_which_not_all_was_taken_are_asked_again)
{
    Claims claims;
    ClaimsLane *lane;
    ClaimsAnswer a = answer(1, 20, 1, "12:21:12");

    ck_assert_int_eq(claims_init(&claims), 0);
    lane = &claims.lanes[0];
    ck_assert_int_eq(claims_note(lane, &a), 0);
    a = answer(10, 0, 0, "22:22:");
    a.n_overtaken = 10;
    ck_assert_int_eq(claims_note(lane, &a), 0);
    check_late(lane, "{12}");
    ck_assert(lane->more);
    a = answer(3, 0, 0, "22:22:");
    a.n_overtaken = 3;
    ck_assert_int_eq(claims_note(lane, &a), 0);
    check_late(lane, "{}");
    claims_done(&claims);
}
END_TEST

START_TEST(what_is_no_snapshot_is_refused)
{
    static const char *const texts[] = {"", "12", "12:", "12:x:", ":12:", "x"};
    Claims claims;

    ck_assert_int_eq(claims_init(&claims), 0);
    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        ClaimsAnswer a = answer(1, 5, 1, texts[i]);

        ck_assert_int_lt(claims_note(&claims.lanes[0], &a), 0);
        ck_assert_uint_eq(claims.lanes[0].after, 0);
    }
    claims_done(&claims);
}
END_TEST

START_TEST(lanes_are_known_once_and_not_without_end)
{
    Claims claims;
    char name[16];

    ck_assert_int_eq(claims_init(&claims), 0);
    ck_assert_int_eq(claims_add_lane(&claims, "bulk"), 0);
    ck_assert_int_eq(claims_add_lane(&claims, "bulk"), 0);
    ck_assert_uint_eq(claims.n, 2);
    for (int i = 0; claims.n < CLAIMS_LANES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "l%d", i);
        ck_assert_int_eq(claims_add_lane(&claims, name), 0);
    }
    ck_assert_int_lt(claims_add_lane(&claims, "one.more"), 0);
    ck_assert_uint_eq(claims.n, CLAIMS_LANES_MAX);
    claims.lanes[1].after = 5;
    claims_rescan(&claims);
    ck_assert_uint_eq(claims.lanes[1].after, 0);
    claims_done(&claims);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("database claims");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, transactions_that_are_overtaken_are_remembered_until_they_end);
    tcase_add_test(tests, those_of_which_not_all_was_taken_are_asked_again);
    tcase_add_test(tests, what_is_no_snapshot_is_refused);
    tcase_add_test(tests, lanes_are_known_once_and_not_without_end);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
