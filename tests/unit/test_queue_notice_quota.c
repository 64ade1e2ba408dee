/* queue: how many notices there may be. */
#include "queue/notice_quota.h"
#include "unit.h"

#define NOW (1772446830 * USEC_PER_SEC)
#define MOST 3

/* Asks and, where there may be one, notes it. */
static bool tell(NoticeQuota *q, uid_t user, NoticeKind kind, usec_t now)
{
    unsigned left_out;
    bool may = notice_quota_allows(q, user, kind, MOST, now, &left_out);

    if (may)
        notice_quota_note(q, user, kind);
    return may;
}

static unsigned tell_all(NoticeQuota *q, uid_t user, NoticeKind kind, usec_t now)
{
    unsigned n = 0;

    while (tell(q, user, kind, now))
        n++;
    return n;
}

START_TEST(each_user_has_their_own)
{
    NoticeQuota q = {0};

    ck_assert_uint_eq(tell_all(&q, 1000, NOTICE_FAILED, NOW), MOST);
    ck_assert_uint_eq(tell_all(&q, 1001, NOTICE_FAILED, NOW), MOST);
    ck_assert_uint_eq(tell_all(&q, 1000, NOTICE_FAILED, NOW), 0);
}
END_TEST

START_TEST(delays_use_up_nothing_of_failures)
{
    NoticeQuota q = {0};

    ck_assert_uint_eq(tell_all(&q, 1000, NOTICE_DELAYED, NOW), MOST);
    ck_assert_uint_eq(tell_all(&q, 1000, NOTICE_FAILED, NOW), MOST);
}
END_TEST

START_TEST(what_is_left_out_is_counted)
{
    NoticeQuota q = {0};
    unsigned left_out = 0;

    (void)tell_all(&q, 1000, NOTICE_FAILED, NOW); /* and one is left out */
    ck_assert(!notice_quota_allows(&q, 1000, NOTICE_FAILED, MOST, NOW, &left_out));
    ck_assert_uint_eq(left_out, 2);
}
END_TEST

START_TEST(all_together_are_bounded)
{
    NoticeQuota q = {0};
    unsigned n = 0;

    for (uid_t user = 0; user < 3 * NOTICE_QUOTA_USERS; user++)
        n += tell_all(&q, user, NOTICE_FAILED, NOW);
    ck_assert_uint_eq(n, MOST * NOTICE_QUOTA_OF_ALL);
}
END_TEST

START_TEST(more_users_than_are_counted_share)
{
    NoticeQuota q = {0};
    unsigned left_out;

    for (uid_t user = 0; user < 3 * NOTICE_QUOTA_USERS; user++)
        ck_assert(notice_quota_allows(&q, user, NOTICE_FAILED, 1000, NOW, &left_out));
    notice_quota_note(&q, 5000, NOTICE_FAILED);
    ck_assert_uint_eq(q.users[NOTICE_QUOTA_USERS - 1].counts[NOTICE_FAILED].told, 1);
    ck_assert_uint_eq(q.n_users, NOTICE_QUOTA_USERS);
}
END_TEST

START_TEST(another_hour_begins_anew)
{
    NoticeQuota q = {0};

    (void)tell_all(&q, 1000, NOTICE_FAILED, NOW);
    ck_assert(!tell(&q, 1000, NOTICE_FAILED, NOW + USEC_PER_HOUR - 1));
    ck_assert(tell(&q, 1000, NOTICE_FAILED, NOW + USEC_PER_HOUR));
    (void)tell_all(&q, 1000, NOTICE_FAILED, NOW + USEC_PER_HOUR);
    ck_assert(tell(&q, 1000, NOTICE_FAILED, NOW)); /* the clock was set back */
}
END_TEST

START_TEST(zero_is_any_number)
{
    NoticeQuota q = {0};
    unsigned left_out;

    for (int i = 0; i < 1000; i++) {
        ck_assert(notice_quota_allows(&q, 1000, NOTICE_FAILED, 0, NOW, &left_out));
        notice_quota_note(&q, 1000, NOTICE_FAILED);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("queue/notice_quota");
    TCase *tests = tcase_create("quota");

    tcase_add_test(tests, each_user_has_their_own);
    tcase_add_test(tests, delays_use_up_nothing_of_failures);
    tcase_add_test(tests, what_is_left_out_is_counted);
    tcase_add_test(tests, all_together_are_bounded);
    tcase_add_test(tests, more_users_than_are_counted_share);
    tcase_add_test(tests, another_hour_begins_anew);
    tcase_add_test(tests, zero_is_any_number);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
