/* daemon: the status line. */
#include <stdlib.h>

#include "daemon/status.h"
#include "unit.h"

START_TEST(the_status_line_says_what_there_is)
{
    EngineStatistics s = {.sent = 1234,
        .failed = 3,
        .in_flight = 2,
        .waiting = 3,
        .next_due = USEC_NEVER,
        .connections = 1,
        .relays = 2};
    char text[STATUS_MAX];

    ck_assert_str_eq(status_format(&s, "/q", NULL, text),
        "3 queued, 2 sending, 0 deferred, 1 connection; 1234 sent, 3 failed");
    setenv("TZ", "XYZ-1", 1);
    s.deferred_waiting = 12;
    s.next_due = 1767323045678901u;
    s.relays_held = 1;
    s.connections = 0;
    ck_assert_str_eq(status_format(&s, "/q", "relay one could not be used for 15m", text),
        "alarm: relay one could not be used for 15m; 1 of 2 relays on hold, 3 queued, 2 sending, "
        "12 deferred (next at 01-02 04:04:05), 0 "
        "connections; 1234 sent, 3 failed");
    ck_assert_str_eq(
        status_format(NULL, "/q", NULL, text), "/q cannot be used; it is tried again by itself");
}
END_TEST

START_TEST(what_is_not_counted_is_not_said_to_be_none)
{
    EngineStatistics s = {.waiting = 3, .deferred_uncounted = true, .next_due = USEC_NEVER};
    char text[STATUS_MAX];

    ck_assert_str_eq(status_format(&s, "db", NULL, text),
        "3 queued, 0 sending, 0 connections; 0 sent, 0 failed");
    setenv("TZ", "XYZ-1", 1);
    s.next_due = 1767323045678901u;
    ck_assert_str_eq(status_format(&s, "db", NULL, text),
        "3 queued, 0 sending, others deferred (next at 01-02 04:04:05), 0 connections; 0 sent, 0 "
        "failed");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("daemon/status");
    TCase *tc = tcase_create("status");

    tcase_add_test(tc, the_status_line_says_what_there_is);
    tcase_add_test(tc, what_is_not_counted_is_not_said_to_be_none);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
