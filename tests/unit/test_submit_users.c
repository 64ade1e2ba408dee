/* submit/users: connections, rate and waiting messages of users, with played time. */
#include <errno.h>

#include "submit/users.h"
#include "unit.h"

#define START (1000 * USEC_PER_SEC)

START_TEST(test_connections)
{
    _cleanup_submit_users_ SubmitUsers users = {0};
    uid_t largest;

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(submit_users_connect(&users, 7, 3), 0);
    ck_assert_int_eq(submit_users_connect(&users, 7, 3), -EBUSY);
    ck_assert_int_eq(submit_users_connect(&users, 3, 3), 0);
    ck_assert_uint_eq(users.connections, 4);
    ck_assert(submit_users_find_largest(&users, 3, &largest));
    ck_assert_uint_eq(largest, 7);
    ck_assert(submit_users_find_largest(&users, 100, &largest));
    ck_assert_uint_eq(largest, 7);
    /* Nobody makes room for who has as much. */
    ck_assert(!submit_users_find_largest(&users, 7, &largest));
    submit_users_disconnect(&users, 7, START);
    ck_assert_int_eq(submit_users_connect(&users, 7, 3), 0);
}
END_TEST

START_TEST(test_rate)
{
    _cleanup_submit_users_ SubmitUsers users = {0};

    ck_assert_int_eq(submit_users_connect(&users, 1, 9), 0);
    ck_assert_int_eq(submit_users_connect(&users, 2, 9), 0);
    /* All of a minute's come at once, and not one more. */
    for (int i = 0; i < 60; i++) {
        ck_assert_uint_eq(submit_users_may_queue_at(&users, 1, 60, START), 0);
        submit_users_queued(&users, 1, 60, START);
    }
    ck_assert_uint_eq(submit_users_may_queue_at(&users, 1, 60, START), START + USEC_PER_SEC);
    ck_assert_uint_eq(
        submit_users_may_queue_at(&users, 1, 60, START + USEC_PER_SEC - 1), START + USEC_PER_SEC);
    ck_assert_uint_eq(submit_users_may_queue_at(&users, 1, 60, START + USEC_PER_SEC), 0);
    /* What one has used up is not another's. */
    ck_assert_uint_eq(submit_users_may_queue_at(&users, 2, 60, START), 0);
    /* No rate, no wait; a minute later all is as it was. */
    ck_assert_uint_eq(submit_users_may_queue_at(&users, 1, 0, START), 0);
    submit_users_queued(&users, 1, 60, START + USEC_PER_SEC);
    ck_assert_uint_eq(
        submit_users_may_queue_at(&users, 1, 60, START + USEC_PER_SEC), START + 2 * USEC_PER_SEC);
    for (int i = 0; i < 60; i++) {
        ck_assert_uint_eq(submit_users_may_queue_at(&users, 1, 60, START + 2 * USEC_PER_MINUTE), 0);
        submit_users_queued(&users, 1, 60, START + 2 * USEC_PER_MINUTE);
    }
    ck_assert_uint_gt(submit_users_may_queue_at(&users, 1, 60, START + 2 * USEC_PER_MINUTE), 0);
}
END_TEST

START_TEST(test_waiting)
{
    _cleanup_submit_users_ SubmitUsers users = {0};

    ck_assert_int_eq(submit_users_connect(&users, 1, 9), 0);
    ck_assert_uint_eq(submit_users_waiting(&users, 1), 0);
    submit_users_queued(&users, 1, 0, START);
    submit_users_queued(&users, 1, 0, START);
    submit_users_failed(&users, 1);
    ck_assert_uint_eq(submit_users_waiting(&users, 1), 1);
    /* What was queued while they were counted counts besides. */
    submit_users_begin_count(&users);
    submit_users_queued(&users, 1, 0, START);
    submit_users_end_count(&users);
    ck_assert_int_eq(submit_users_counted(&users, 1, 5), 0);
    ck_assert_int_eq(submit_users_counted(&users, 9, 3), 0);
    ck_assert_uint_eq(submit_users_waiting(&users, 1), 6);
    ck_assert_uint_eq(submit_users_waiting(&users, 9), 3);
    submit_users_begin_count(&users);
    submit_users_end_count(&users);
    ck_assert_uint_eq(submit_users_waiting(&users, 1), 0);
    ck_assert_uint_eq(submit_users_waiting(&users, 9), 0);
    submit_users_failed(&users, 1);
    submit_users_failed(&users, 77);
    ck_assert_uint_eq(submit_users_waiting(&users, 1), 0);
}
END_TEST

/* Whoever is gone, and of whom nothing is to be known, takes no memory. */
START_TEST(test_many_users)
{
    _cleanup_submit_users_ SubmitUsers users = {0};

    for (uid_t uid = 5000; uid > 0; uid--) {
        ck_assert_int_eq(submit_users_connect(&users, uid, 1), 0);
        submit_users_queued(&users, uid, 60, START);
        submit_users_failed(&users, uid);
    }
    ck_assert_uint_eq(users.n, 5000);
    for (uid_t uid = 1; uid <= 5000; uid++)
        submit_users_disconnect(&users, uid, START);
    ck_assert_uint_eq(users.n, 5000); /* their rate is in use for a second */
    ck_assert_int_eq(submit_users_connect(&users, 1, 1), 0);
    submit_users_disconnect(&users, 1, START + USEC_PER_MINUTE);
    ck_assert_uint_eq(users.n, 0);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("submit_users");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, test_connections);
    tcase_add_test(tcase, test_rate);
    tcase_add_test(tcase, test_waiting);
    tcase_add_test(tcase, test_many_users);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
