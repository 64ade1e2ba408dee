/* net/http_call: a request over a relay's transport, to a server of the test's; each way in which
 * it comes to nothing has an end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

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
    call.url_setting = "oauth_token_url";
    call.url = "http://nobody.invalid/";
    ck_assert_int_lt(http_call(&call, &response, &f), 0);
    ck_assert_msg(strstr(failure_text(&f), "the setting oauth_token_url") ||
                      strstr(failure_text(&f), "no name server"),
        "%s", failure_text(&f));
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
    tcase_add_test(t, in_clear_only_where_that_is_allowed);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
