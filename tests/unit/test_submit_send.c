/* submit/send: who does not answer is told of, and given up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/errors.h"
#include "base/file.h"
#include "submit/send.h"
#include "unit.h"

static void count(void *userdata)
{
    ++*(int *)userdata;
}

START_TEST(test_silence)
{
    _cleanup_submit_sender_ SubmitSender sender = SUBMIT_SENDER_NONE;
    _cleanup_failure_ Failure f = {0};
    int fds[2], told = 0;
    char *id = NULL;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    sender.fd = fds[0];
    sender.notice_msec = 10;
    sender.patience_msec = 1000;
    sender.on_silence = count;
    sender.userdata = &told;
    ck_assert_int_eq(submit_sender_commit(&sender, &id, &f), -ETIME);
    ck_assert_int_eq(told, 1);
    ck_assert_int_eq(f.number, ERROR_TIMEOUT);
    ck_assert_int_eq(error_status(f.number), 75);
    ck_assert_ptr_nonnull(strstr(f.text, "has not answered at its submission socket for 1 s"));
    (void)close(fds[1]);
}
END_TEST

START_TEST(test_answer)
{
    _cleanup_submit_sender_ SubmitSender sender = SUBMIT_SENDER_NONE;
    _cleanup_failure_ Failure f = {0};
    int fds[2], told = 0;
    char *id = NULL;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    sender.fd = fds[0];
    sender.on_silence = count;
    sender.userdata = &told;
    ck_assert_int_eq(send(fds[1], "OK abc\n", 7, 0), 7);
    ck_assert_int_eq(submit_sender_commit(&sender, &id, &f), 0);
    ck_assert_str_eq(id, "abc");
    ck_assert_int_eq(told, 0);
    free(id);
    (void)close(fds[1]);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("submit_send");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, test_silence);
    tcase_add_test(tcase, test_answer);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
