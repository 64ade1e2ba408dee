/* spool: notices, and what becomes of one that a dead process has left. */
#include <errno.h>
#include <string.h>

#include "spool.h"
#include "spool/notice.h"
#include "spool/record.h"
#include "unit.h"

#define FAILED "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"failed\",\"error\":9004}\n"
#define WARNED "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"warned\"}\n"
#define REFUSED "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"refused\"}\n"
#define RETRY                                                                      \
    "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"retry\",\"attempt\":1," \
    "\"next\":\"2026-01-02T04:04:05.678901Z\"}\n"

static SpoolClaim *prepare(const Place *p, const char *id, const char *content)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer text = {0};
    SpoolClaim *c;

    ck_assert_int_eq(claim(p, id, &c), SPOOL_CLAIMED);
    ck_assert_int_eq(buffer_append_string(&text, content), 0);
    ck_assert_msg(spool_notice_prepare(c, &text, &f) == 0, "%s", failure_text(&f));
    return c;
}

START_TEST(a_notice_is_queued_behind_its_message)
{
    _cleanup_place_ Place p;
    char id[SPOOL_NAME_MAX];
    struct stat st;

    place_init(&p);
    put(&p, "a.queued", "1");
    ck_assert_int_eq(spool_fail(prepare(&p, "a", "it failed"), NULL, NULL), 0);
    assert_names(&p, ".notice-a a.failed ");
    ck_assert_int_eq(fstatat(p.fd, ".notice-a", &st, 0), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(spool_notice_queue(p.spool, "a", id), 0);
    ck_assert_str_eq(id, "a-notice");
    assert_names(&p, "a-notice.queued a.failed ");
    ck_assert_int_eq(spool_notice_queue(p.spool, "a", id), -ENOENT);
}
END_TEST

/* One of a former life waits still; and an id that has no room for more. */
START_TEST(a_notice_overwrites_nothing)
{
    _cleanup_place_ Place p;
    char id[SPOOL_NAME_MAX], name[SPOOL_NAME_MAX] = "";
    SpoolClaim *c;

    place_init(&p);
    put(&p, "a.queued", "1");
    put(&p, "a-notice.queued", "2");
    put(&p, ".notice-a", "3"); /* of an attempt that came to nothing */
    ck_assert_int_eq(spool_fail(prepare(&p, "a", "it failed"), NULL, NULL), 0);
    ck_assert_int_eq(spool_notice_queue(p.spool, "a", id), 0);
    ck_assert(strncmp(id, "a-notice-", 9) == 0);
    ck_assert(!spool_notice_is_there(p.spool, "a"));
    place_empty(&p);

    memset(name, 'x', SPOOL_ID_MAX);
    strcpy(name + SPOOL_ID_MAX, ".queued");
    put(&p, name, "1");
    name[SPOOL_ID_MAX] = '\0';
    c = prepare(&p, name, "it failed");
    ck_assert_int_eq(spool_fail(c, NULL, NULL), 0);
    ck_assert_int_eq(spool_notice_queue(p.spool, name, id), 0);
    ck_assert_uint_le(strlen(id), SPOOL_ID_MAX);
}
END_TEST

static const struct Left {
    const char *record;
    SpoolRecovery result;
    const char *names;
} left[] = {
    {FAILED, SPOOL_REFAILED, "a-notice.queued a.failed a.status "},
    {REFUSED, SPOOL_REQUEUED, "a.queued a.status "}, /* it had not been given up yet */
    {FAILED REFUSED, SPOOL_REQUEUED, "a.queued a.status "},
    {WARNED RETRY, SPOOL_REDEFERRED, ".notice-a a.deferred a.status "},
    {NULL, SPOOL_REQUEUED, "a.queued "},
};

START_TEST(the_record_says_what_becomes_of_one_that_was_left)
{
    const struct Left *row = &left[_i];
    _cleanup_place_ Place p;

    place_init(&p);
    put(&p, "a.sending", "1");
    put(&p, ".notice-a", "it failed");
    if (row->record)
        put(&p, "a.status", row->record);
    ck_assert_int_eq(spool_recover(p.spool, "a", false, NULL, NULL), row->result);
    assert_names(&p, row->names);
}
END_TEST

/* As with mv, which a failed message without a notice may have been. */
START_TEST(without_one_a_failed_message_is_tried_again)
{
    _cleanup_place_ Place p;

    place_init(&p);
    put(&p, "a.sending", "1");
    put(&p, "a.status", FAILED);
    ck_assert_int_eq(spool_recover(p.spool, "a", false, NULL, NULL), SPOOL_REQUEUED);
    assert_names(&p, "a.queued a.status ");
}
END_TEST

START_TEST(the_next_pass_queues_it_unless_its_message_is_being_sent)
{
    _cleanup_place_ Place p;
    char id[SPOOL_NAME_MAX];
    SpoolClaim *c;

    place_init(&p);
    put(&p, "a.queued", "1");
    c = prepare(&p, "a", "it failed");
    ck_assert_int_eq(spool_notice_recover(p.spool, ".notice-a", id), -EBUSY);
    ck_assert_int_eq(spool_fail(c, NULL, NULL), 0);
    ck_assert_int_eq(spool_notice_recover(p.spool, ".notice-a", id), 0);
    assert_names(&p, "a-notice.queued a.failed ");
    /* What is no file of the queue's stays. */
    ck_assert_int_eq(symlinkat("a.failed", p.fd, ".notice-b"), 0);
    ck_assert_int_eq(mkdirat(p.fd, ".notice-c", 0700), 0);
    ck_assert_int_eq(spool_notice_recover(p.spool, ".notice-b", id), -ENOENT);
    ck_assert_int_eq(spool_notice_recover(p.spool, ".notice-c", id), -ENOENT);
    assert_names(&p, ".notice-b .notice-c a-notice.queued a.failed ");
}
END_TEST

/* A name that somebody made a directory of is no reason to fail the message twice. */
START_TEST(a_notice_that_cannot_be_made_leaves_nothing)
{
    _cleanup_place_ Place p;
    _cleanup_failure_ Failure f = {0};
    Buffer empty = {0};
    SpoolClaim *c;

    place_init(&p);
    put(&p, "a.queued", "1");
    ck_assert_int_eq(mkdirat(p.fd, ".notice-a", 0700), 0);
    ck_assert_int_eq(claim(&p, "a", &c), SPOOL_CLAIMED);
    ck_assert_int_eq(spool_notice_prepare(c, &empty, &f), -EISDIR);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "cannot write the notice"));
    ck_assert_int_eq(spool_fail(c, NULL, NULL), 0);
    assert_names(&p, ".notice-a a.failed ");
}
END_TEST

START_TEST(a_record_remembers_that_it_was_told_of)
{
    static const char lines[] = WARNED RETRY;
    SpoolHistory history;

    ck_assert_int_eq(spool_history_parse(lines, strlen(lines), &history), 0);
    ck_assert(history.warned);
    ck_assert(history.waiting);
    spool_history_done(&history);
    ck_assert_int_eq(spool_history_parse(RETRY, strlen(RETRY), &history), 0);
    ck_assert(!history.warned);
    spool_history_done(&history);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("spool/notice");
    TCase *tests = tcase_create("notice");

    tcase_add_test(tests, a_notice_is_queued_behind_its_message);
    tcase_add_test(tests, a_notice_overwrites_nothing);
    tcase_add_loop_test(tests, the_record_says_what_becomes_of_one_that_was_left, 0,
        (int)(sizeof(left) / sizeof(left[0])));
    tcase_add_test(tests, without_one_a_failed_message_is_tried_again);
    tcase_add_test(tests, the_next_pass_queues_it_unless_its_message_is_being_sent);
    tcase_add_test(tests, a_notice_that_cannot_be_made_leaves_nothing);
    tcase_add_test(tests, a_record_remembers_that_it_was_told_of);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
