/* delivery: the back-off of a message. */
#include "delivery/retry.h"
#include "unit.h"

START_TEST(the_pause_grows_to_its_limit)
{
    const RetryConfig retry = {
        .first = USEC_PER_MINUTE,
        .max = USEC_PER_HOUR,
        .factor = 2.0,
    };

    ck_assert_uint_eq(retry_pause(&retry, 1, 0), USEC_PER_MINUTE);
    ck_assert_uint_eq(retry_pause(&retry, 3, 0), 4 * USEC_PER_MINUTE);
    ck_assert_uint_eq(retry_pause(&retry, 4000000000u, 0), USEC_PER_HOUR);
    ck_assert_uint_eq(retry_pause(&retry, 1, UINT32_MAX), 54 * USEC_PER_SEC);
}
END_TEST

START_TEST(a_message_is_given_up_by_its_age_since_the_first_attempt)
{
    const RetryConfig retry = {.give_up_after = 5 * USEC_PER_DAY};
    usec_t first = 1767323045678901u; /* 2026-01-02T03:04:05.678901Z */

    ck_assert(!retry_is_over(&retry, 1000, first, first + 5 * USEC_PER_DAY - 1));
    ck_assert(retry_is_over(&retry, 2, first, first + 5 * USEC_PER_DAY));
    /* Never before its second attempt, nor by a time that is not known or cannot be right. */
    ck_assert(!retry_is_over(&retry, 1, 0, USEC_NEVER - 1));
    ck_assert(!retry_is_over(&retry, 1, first, USEC_NEVER - 1));
    ck_assert(!retry_is_over(&retry, 2, 0, USEC_NEVER - 1));
    ck_assert(!retry_is_over(&retry, 2, 100 * USEC_PER_DAY, USEC_NEVER - 1));
    ck_assert(!retry_is_over(&(RetryConfig){0}, 2, first, USEC_NEVER - 1));
}
END_TEST

START_TEST(a_message_is_given_up_by_the_number_of_its_attempts)
{
    const RetryConfig retry = {.max_attempts = 3};

    ck_assert(retry_is_over(&retry, 3, 0, 1));
    ck_assert(!retry_is_over(&retry, 2, 1, USEC_NEVER - 1));
    ck_assert(retry_is_over(&(RetryConfig){.max_attempts = 1}, 1, 0, 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delivery: schedule");
    TCase *t = tcase_create("schedule");

    tcase_add_test(t, the_pause_grows_to_its_limit);
    tcase_add_test(t, a_message_is_given_up_by_its_age_since_the_first_attempt);
    tcase_add_test(t, a_message_is_given_up_by_the_number_of_its_attempts);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
