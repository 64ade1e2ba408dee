/* How much may be sent when, on a clock of the test's (MaxTransferRate). */
#include "base/macros.h"
#include "net/rate.h"
#include "unit.h"

#define T0 (1000 * USEC_PER_SEC)

/* Sends `bytes` as fast as it may; how long that took. */
static usec_t send_all(Rate *rate, size_t bytes, size_t *ret_writes)
{
    usec_t now = T0;

    *ret_writes = 0;
    while (bytes > 0) {
        size_t n = rate_allows(rate, bytes, now);

        if (n == 0) {
            ck_assert_uint_gt(rate_free_at(rate), now);
            now = rate_free_at(rate);
            continue;
        }
        ck_assert_uint_le(n, bytes);
        rate_note_sent(rate, n, now);
        bytes -= n;
        ++*ret_writes;
    }
    return now - T0;
}

START_TEST(without_a_rate_all_goes_at_once)
{
    Rate rate = {0};
    size_t writes;

    ck_assert_uint_eq(send_all(&rate, 1 << 30, &writes), 0);
    ck_assert_uint_eq(writes, 1);
    ck_assert_uint_le(rate_free_at(&rate), T0);
}
END_TEST

/* But for the first portion, which has its time behind it. */
START_TEST(bytes_take_their_time)
{
    static const struct {
        uint64_t rate;
        size_t bytes, writes;
        usec_t least, most;
    } cases[] = {
        {1000, 10000, 100, 9900000, 9900000},
        {1, 60, 60, 59000000, 59000000},
        {7, 70, 70, 9857142, 9857212}, /* rounded up, a microsecond a write at most */
        {1000000, 10000000, 100, 9900000, 9900000},
        {(uint64_t)1 << 40, 1 << 30, 1, 0, 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        Rate rate = {.bytes = cases[i].rate};
        size_t writes;
        usec_t took = send_all(&rate, cases[i].bytes, &writes);

        ck_assert_uint_ge(took, cases[i].least);
        ck_assert_uint_le(took, cases[i].most);
        ck_assert_uint_eq(writes, cases[i].writes);
    }
}
END_TEST

/* A connection that was idle for an hour has no more than one portion free. */
START_TEST(what_was_not_sent_is_not_made_up_for)
{
    Rate rate = {.bytes = 1000};
    usec_t later = T0 + USEC_PER_HOUR;

    rate_note_sent(&rate, 100, T0);
    ck_assert_uint_eq(rate_allows(&rate, 5000, later), 100);
    rate_note_sent(&rate, 100, later);
    ck_assert_uint_eq(rate_allows(&rate, 5000, later), 0);
    ck_assert_uint_eq(rate_free_at(&rate), later + 100 * USEC_PER_MSEC);
    ck_assert_uint_eq(rate_allows(&rate, 5000, later + 100 * USEC_PER_MSEC), 100);
}
END_TEST

/* What a short write left over is no reason to wait. */
START_TEST(only_what_was_sent_counts)
{
    Rate rate = {.bytes = 1000};

    rate_note_sent(&rate, 1, T0);
    ck_assert_uint_eq(rate_free_at(&rate), T0 + USEC_PER_MSEC);
    rate_note_sent(&rate, 0, T0);
    ck_assert_uint_eq(rate_free_at(&rate), T0 + USEC_PER_MSEC);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net/rate");
    TCase *t = tcase_create("rate");

    tcase_add_test(t, without_a_rate_all_goes_at_once);
    tcase_add_test(t, bytes_take_their_time);
    tcase_add_test(t, what_was_not_sent_is_not_made_up_for);
    tcase_add_test(t, only_what_was_sent_counts);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
