/* net/http_call: a request over a relay's transport, to a server of the test's; each way in which
 * it comes to nothing has an end. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/errors.h"
#include "net/http_call.h"
#include "responder.h"
#include "server.h"
#include "unit.h"

static Responder *responder;
static char url[80];

static void begin(void)
{
    responder = responder_start();
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/it", responder_port(responder));
}

static void end(void)
{
    responder_stop(responder);
}

static HttpCall to(const char *where, size_t max)
{
    return (HttpCall){.url = where, .clear = true, .max = max, .limit = 20 * USEC_PER_SEC};
}

/* A body at its limit, and one past it. */
START_TEST(a_body_has_its_limit)
{
    HttpCall call = to(url, 5);
    _cleanup_failure_ Failure f = {0};
    HttpResponse response;

    responder_put(responder, "/it", RESPONDER_ANSWERS, "hello", 5);
    ck_assert_int_eq(http_call(&call, &response, &f), 0);
    ck_assert_int_eq(response.status, 200);
    ck_assert_uint_eq(buffer_size(&response.body), 5);
    ck_assert_mem_eq(buffer_data(&response.body), "hello", 5);
    http_response_done(&response);
    call.max = 4;
    ck_assert_int_eq(http_call(&call, &response, &f), -EMSGSIZE);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "more than such an answer has (4 bytes"));
    responder_put(responder, "/it", RESPONDER_ENDLESS, NULL, 0);
    ck_assert_int_eq(http_call(&call, &response, &f), -EMSGSIZE);
}
END_TEST

START_TEST(any_status_is_a_response)
{
    HttpCall call = to(url, 1000);
    HttpResponse response;

    ck_assert_int_eq(http_call(&call, &response, NULL), 0);
    ck_assert_int_eq(response.status, 404);
    http_response_done(&response);
}
END_TEST

START_TEST(silence_has_an_end)
{
    HttpCall call = to(url, 1000);
    _cleanup_failure_ Failure f = {0};
    HttpResponse response;
    usec_t before = clock_monotonic();

    call.limit = USEC_PER_SEC;
    responder_put(responder, "/it", RESPONDER_HANGS, NULL, 0);
    ck_assert_int_eq(http_call(&call, &response, &f), -ETIMEDOUT);
    ck_assert_int_eq(f.number, ERROR_TIMEOUT);
    ck_assert_str_eq(failure_text(&f), "no answer within 1s");
    ck_assert_uint_ge(clock_monotonic() - before, USEC_PER_SEC);
}
END_TEST

START_TEST(nobody_there_is_told)
{
    char nowhere[80];
    HttpCall call = to(nowhere, 1000);
    _cleanup_failure_ Failure f = {0};
    HttpResponse response;
    uint16_t port;
    int fd = test_listen(1, &port);

    close(fd);
    snprintf(nowhere, sizeof(nowhere), "http://127.0.0.1:%u/", port);
    ck_assert_int_lt(http_call(&call, &response, &f), 0);
    ck_assert_int_eq(f.number, ERROR_ECONNREFUSED);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "; nothing listens there"));
    ck_assert_ptr_null(strstr(failure_text(&f), "check")); /* no setting */
    call.url_setting = "oauth_token_url";
    ck_assert_int_lt(http_call(&call, &response, &f), 0);
    ck_assert_ptr_nonnull(
        strstr(failure_text(&f), "; nothing listens there: check oauth_token_url, and that"));
    call.url_setting = "oauth_token_url";
    call.url = "http://nobody.invalid/";
    ck_assert_int_lt(http_call(&call, &response, &f), 0);
    ck_assert_msg(strstr(failure_text(&f), "the setting oauth_token_url") ||
                      strstr(failure_text(&f), "no name server"),
        "%s", failure_text(&f));
    ck_assert_ptr_null(strstr(failure_text(&f), "ip_version"));
}
END_TEST

/* Neither is another protocol, nor is it told with the words of an earlier call. */
START_TEST(who_closes_is_told)
{
    HttpCall call = to(url, 1000);
    _cleanup_failure_ Failure f = {0};
    HttpResponse response;

    (void)failure_set(&f, -EIO, ERROR_FILE, "earlier");
    responder_put(responder, "/it", RESPONDER_CLOSES, NULL, 0);
    ck_assert_int_eq(http_call(&call, &response, &f), -ENODATA);
    ck_assert_int_eq(f.number, ERROR_COMMUNICATION);
    ck_assert_str_eq(failure_text(&f), "it closed the connection without an answer");
}
END_TEST

/* What is secret goes over TLS, or nowhere. */
START_TEST(in_clear_only_where_that_is_allowed)
{
    HttpCall call = to(url, 1000);
    _cleanup_failure_ Failure f = {0};
    HttpResponse response;

    call.clear = false;
    ck_assert_int_eq(http_call(&call, &response, &f), -EINVAL);
    ck_assert_int_eq(f.number, ERROR_CONFIGURATION);
    ck_assert_uint_eq(responder_count(responder, "/it"), 0);
    call.url = "https://user:word@127.0.0.1/";
    ck_assert_int_eq(http_call(&call, &response, &f), -EINVAL);
}
END_TEST

/* ---- nobody wants it any more ---- */

/* A server that stops its only client once it has the request, and then answers or waits until the
 * client goes. */
typedef struct Stopper {
    int fd;
    bool answers;
    CommandStop stop;
} Stopper;

static void *stop_it(void *argument)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    Stopper *stopper = argument;
    int fd = accept(stopper->fd, NULL, NULL);
    char request[4096];

    ck_assert_int_gt(recv(fd, request, sizeof(request), 0), 0);
    command_stop(&stopper->stop);
    if (stopper->answers)
        ck_assert_int_eq(send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL), sizeof(answer) - 1);
    while (recv(fd, request, sizeof(request), 0) > 0)
        ;
    close(fd);
    return NULL;
}

static int call_stopper(Stopper *stopper, usec_t grace, HttpResponse *response, Failure *f)
{
    char where[80];
    HttpCall call = to(where, 1000);
    pthread_t thread;
    uint16_t port;
    int r;

    stopper->fd = test_listen(1, &port);
    snprintf(where, sizeof(where), "http://127.0.0.1:%u/", port);
    command_stop_init(&stopper->stop);
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_it, stopper), 0);
    call.limit = USEC_PER_HOUR;
    call.stop = &stopper->stop;
    call.grace = grace;
    r = http_call(&call, response, f);
    ck_assert_int_eq(pthread_join(thread, NULL), 0); /* it has seen the client go */
    command_stop_done(&stopper->stop);
    close(stopper->fd);
    return r;
}

START_TEST(what_nobody_wants_ends_at_once)
{
    HttpCall call = to(url, 1000);
    _cleanup_failure_ Failure f = {0};
    HttpResponse response;
    Stopper stopper = {0};
    CommandStop stop;

    ck_assert_int_eq(call_stopper(&stopper, 0, &response, &f), -ECANCELED);
    ck_assert_int_eq(f.number, ERROR_INTERRUPTED);
    ck_assert_str_eq(failure_text(&f), "the answer is not wanted any more");
    command_stop_init(&stop);
    command_stop(&stop);
    call.stop = &stop;
    call.grace = USEC_PER_HOUR;
    responder_put(responder, "/it", RESPONDER_HANGS, NULL, 0);
    ck_assert_int_eq(http_call(&call, &response, NULL), -ECANCELED);
    ck_assert_uint_eq(responder_count(responder, "/it"), 0);
    command_stop_done(&stop);
}
END_TEST

/* Such as a refresh token, in the place of one that is no good any more. */
START_TEST(what_may_not_be_lost_is_waited_for_a_while)
{
    Stopper stopper = {.answers = true};
    _cleanup_failure_ Failure f = {0};
    HttpResponse response;

    ck_assert_int_eq(call_stopper(&stopper, USEC_PER_HOUR, &response, &f), 0);
    ck_assert_mem_eq(buffer_data(&response.body), "hello", 5);
    http_response_done(&response);
    stopper.answers = false;
    ck_assert_int_eq(call_stopper(&stopper, 100 * USEC_PER_MSEC, &response, &f), -ETIMEDOUT);
}
END_TEST

/* ---- the process is stopped ---- */

#define LIMIT (2 * USEC_PER_SEC)
#define STOPPED (5 * USEC_PER_SEC) /* past the limit, and what poll(2) may be late by */

/* Another process, which has us stopped once it has the request, and answers before we go on and
 * behind that. */
static void answer_who_is_stopped(int listening, const char *before, const char *behind)
{
    pid_t client = getppid();
    char request[4096];
    int fd = accept(listening, NULL, NULL);

    if (recv(fd, request, sizeof(request), 0) <= 0 || kill(client, SIGSTOP) < 0)
        _exit(1);
    (void)!write(fd, before, strlen(before));
    usleep(STOPPED);
    if (kill(client, SIGCONT) < 0)
        _exit(1);
    usleep(USEC_PER_SEC / 5);
    (void)!write(fd, behind, strlen(behind));
    _exit(0);
}

START_TEST(time_that_the_process_is_stopped_is_nobody_s)
{
    static const char whole[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    static const size_t cuts[] = {0, 30, sizeof(whole) - 1};
    char where[80], before[sizeof(whole)] = "";
    HttpCall call = to(where, 1000);
    _cleanup_failure_ Failure f = {0};
    HttpResponse response;
    usec_t late = 0;
    uint16_t port;
    int fd = test_listen(1, &port), status;
    pid_t server;

    memcpy(before, whole, cuts[_i]);
    snprintf(where, sizeof(where), "http://127.0.0.1:%u/", port);
    server = fork();
    if (server == 0)
        answer_who_is_stopped(fd, before, whole + cuts[_i]);
    call.limit = LIMIT;
    call.late = &late;
    ck_assert_msg(http_call(&call, &response, &f) == 0, "%s", failure_text(&f));
    ck_assert_mem_eq(buffer_data(&response.body), "hello", 5);
    http_response_done(&response);
    if (_i == 0) /* else all may have been read before the process stood */
        ck_assert_uint_ge(late, STOPPED - USEC_PER_SEC);
    ck_assert_int_eq(waitpid(server, &status, 0), server);
    ck_assert_int_eq(status, 0);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_http_call");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, begin, end);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_body_has_its_limit);
    tcase_add_test(t, any_status_is_a_response);
    tcase_add_test(t, silence_has_an_end);
    tcase_add_test(t, nobody_there_is_told);
    tcase_add_test(t, who_closes_is_told);
    tcase_add_test(t, in_clear_only_where_that_is_allowed);
    tcase_add_test(t, what_nobody_wants_ends_at_once);
    tcase_add_test(t, what_may_not_be_lost_is_waited_for_a_while);
    tcase_add_loop_test(t, time_that_the_process_is_stopped_is_nobody_s, 0, 3);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
