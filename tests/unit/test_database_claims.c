/* The mark in what is ready, against snapshots. */
#include <stdio.h>

#include "database/claims.h"
#include "unit.h"

typedef struct Row {
    uint64_t arrived;
    int64_t message;
} Row;

static int note(ClaimsLane *lane, const char *snapshot, size_t n, const Row *rows)
{
    ClaimsAnswer answer;

    ck_assert_int_eq(claims_answer_init(&answer, 10, snapshot), 0);
    for (size_t i = 0; i < n; i++)
        claims_answer_add(&answer, lane, rows[i].arrived, rows[i].message);
    return claims_note(lane, &answer);
}

static void check_mark(const ClaimsLane *lane, uint64_t after, int64_t message)
{
    ck_assert_uint_eq(lane->after, after);
    ck_assert_int_eq(lane->after_message, message);
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

    ck_assert_int_eq(claims_init(&claims), 0);
    lane = &claims.lanes[0];
    check_late(lane, "{}");
    ck_assert_int_eq(note(lane, "12:22:12,15,21", 2, (Row[]){{20, 7}, {18, 9}}), 0);
    check_late(lane, "{12,15}"); /* 21 is not passed yet */
    check_mark(lane, 20, 7);
    ck_assert(!lane->more);

    ck_assert_int_eq(note(lane, "15:24:15,21", 2, (Row[]){{12, 900}, {22, 9}}), 0);
    check_late(lane, "{15,21}");
    check_mark(lane, 22, 9);

    ck_assert_int_eq(note(lane, "25:25:", 2, (Row[]){{15, 901}, {22, 8}}), 0);
    check_late(lane, "{}");
    check_mark(lane, 22, 9);
    ck_assert_int_eq(note(lane, "25:25:", 1, (Row[]){{22, 10}}), 0);
    check_mark(lane, 22, 10);
    claims_done(&claims);
}
END_TEST

START_TEST(a_look_that_finds_nothing_forgets_those_that_have_ended)
{
    Claims claims;
    ClaimsLane *lane;

    ck_assert_int_eq(claims_init(&claims), 0);
    lane = &claims.lanes[0];
    ck_assert_int_eq(note(lane, "12:22:12,15", 1, (Row[]){{20, 7}}), 0);
    claims_note_nothing(lane, "");
    check_late(lane, "{12,15}");
    claims_note_nothing(lane, "15:30:15,28");
    check_late(lane, "{15}");
    check_mark(lane, 20, 7);
    claims_note_nothing(lane, "30:30:");
    check_late(lane, "{}");
    claims_done(&claims);
}
END_TEST

START_TEST(those_of_which_not_all_was_taken_are_asked_again)
{
    static const Row overtaken[10] = {
        {12, 1}, {12, 2}, {12, 3}, {12, 4}, {12, 5}, {12, 6}, {12, 7}, {12, 8}, {12, 9}, {12, 10}};
    Claims claims;
    ClaimsLane *lane;

    ck_assert_int_eq(claims_init(&claims), 0);
    lane = &claims.lanes[0];
    ck_assert_int_eq(note(lane, "12:21:12", 1, (Row[]){{20, 1}}), 0);
    ck_assert_int_eq(note(lane, "22:22:", 10, overtaken), 0);
    check_late(lane, "{12}");
    ck_assert(lane->more);
    ck_assert_int_eq(note(lane, "22:22:", 3, overtaken), 0);
    check_late(lane, "{}");
    check_mark(lane, 20, 1);
    claims_done(&claims);
}
END_TEST

START_TEST(numbers_that_are_to_come_are_no_mark)
{
    Claims claims;
    ClaimsLane *lane;

    ck_assert_int_eq(claims_init(&claims), 0);
    lane = &claims.lanes[0];
    ck_assert_int_eq(note(lane, "30:30:", 3, (Row[]){{900, 1}, {28, 2}, {30, 3}}), 0);
    check_mark(lane, 28, 2);
    ck_assert_int_eq(note(lane, "31:31:", 1, (Row[]){{900, 4}}), 0);
    check_mark(lane, 28, 2);
    ck_assert_int_eq(note(lane, "32:32:", 2, (Row[]){{30, 5}, {900, 6}}), 0);
    check_mark(lane, 30, 5);
    claims_done(&claims);
}
END_TEST

START_TEST(what_is_no_snapshot_is_refused)
{
    static const char *const texts[] = {"", "12", "12:", "12:x:", ":12:", "x"};

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        ClaimsAnswer answer;

        ck_assert_int_lt(claims_answer_init(&answer, 10, texts[i]), 0);
    }
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
    ck_assert_uint_eq(claims.scan, 1);
    claims_done(&claims);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("database claims");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, transactions_that_are_overtaken_are_remembered_until_they_end);
    tcase_add_test(tests, a_look_that_finds_nothing_forgets_those_that_have_ended);
    tcase_add_test(tests, those_of_which_not_all_was_taken_are_asked_again);
    tcase_add_test(tests, numbers_that_are_to_come_are_no_mark);
    tcase_add_test(tests, what_is_no_snapshot_is_refused);
    tcase_add_test(tests, lanes_are_known_once_and_not_without_end);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
