/* A connection that waits makes nobody busy: in every state its descriptor and its deadline are
 * such that a step that is due does something. */
#include <poll.h>

#include "fake_names.h"
#include "net_client.h"

#define WATCHED (200 * USEC_PER_MSEC)
#define STEPS_MAX \
    6 /* in that time: two attempts to connect are begun, and each step is seen twice */

typedef struct Waiting {
    Client client;
    unsigned steps;
} Waiting;

static void begin(Waiting *w, uint16_t port, const char *const *settings)
{
    *w = (Waiting){.client = client_for(port, settings)};
    ck_assert_int_eq(connection_new(w->client.shared, on_trace, &w->client, clock_monotonic(),
                         &w->client.connection),
        0);
}

static void end(Waiting *w)
{
    connection_free(w->client.connection);
    client_done(&w->client);
}

/* A step and a wait, as a driver does them, until `until` at the latest. Returns the step's result;
 * an event is not waited behind. */
static int turn(Waiting *w, usec_t until, SmtpEvent *event)
{
    Connection *c = w->client.connection;
    usec_t now = clock_monotonic(), deadline;
    int r = connection_step(c, now, event);
    struct pollfd p = {.fd = connection_fd(c), .events = connection_poll_events(c)};

    w->steps++;
    if (r != 0)
        return r;
    deadline = MIN(connection_deadline(c), until);
    ck_assert_msg(connection_deadline(c) > now, "a deadline that is past");
    if (poll(&p, 1, deadline > now ? (int)((deadline - now) / USEC_PER_MSEC) + 1 : 0) > 0)
        connection_ready(c, p.revents);
    return 0;
}

/* Nothing happens for a while, and few steps are made meanwhile. */
static void check_quiet(Waiting *w)
{
    usec_t until = clock_monotonic() + WATCHED;
    SmtpEvent event;

    w->steps = 0;
    while (clock_monotonic() < until)
        ck_assert_int_eq(turn(w, until, &event), 0);
    ck_assert_uint_le(w->steps, STEPS_MAX);
}

static SmtpEvent wait_for_event(Waiting *w)
{
    usec_t until = clock_monotonic() + 60 * USEC_PER_SEC;
    SmtpEvent event = {.type = SMTP_EVENT_NEED_TLS};

    while (turn(w, until, &event) == 0)
        ck_assert_uint_lt(clock_monotonic(), until);
    return event;
}

START_TEST(a_lookup)
{
    Waiting w;

    names_begin(SCRIPTS(NULL));
    begin(&w, 25, SETTINGS("tls=none", "host=hung.test"));
    check_quiet(&w);
    names_release();
    end(&w);
}
END_TEST

/* Its end is the step that gives it up. */
START_TEST(a_lookup_at_its_end)
{
    SmtpEvent event;
    Waiting w;

    names_begin(SCRIPTS(NULL));
    begin(&w, 25, SETTINGS("tls=none", "host=hung.test", "timeout=0.1s"));
    event = wait_for_event(&w);
    ck_assert_int_eq(event.type, SMTP_EVENT_CLOSED);
    ck_assert_int_eq(event.outcome->stage, STAGE_LOOKUP);
    ck_assert_int_eq(event.outcome->cause, CAUSE_TIMEOUT);
    ck_assert_uint_le(w.steps, STEPS_MAX);
    names_release();
    end(&w);
}
END_TEST

START_TEST(a_password_command)
{
    Waiting w;

    begin(&w, 25, SETTINGS("tls=none", "user=ann", "password_command=sleep 20"));
    check_quiet(&w);
    end(&w);
}
END_TEST

START_TEST(this_hosts_name)
{
    Waiting w;

    names_begin(SCRIPTS(NULL));
    names.box_hangs = true;
    begin(&w, 25, SETTINGS("tls=none", "host=127.0.0.1", "hello="));
    check_quiet(&w);
    names_release();
    end(&w);
}
END_TEST

START_TEST(a_connect)
{
    uint16_t port;
    _unused_ _cleanup_close_ int reserved = test_listen(1, &port);
    _unused_ _cleanup_close_ int silent = fill_queue("127.0.0.2", port);
    Waiting w;

    begin(&w, port, SETTINGS("tls=none", "host=127.0.0.2"));
    check_quiet(&w);
    ck_assert_str_ne(connection_address(w.client.connection), "");
    end(&w);
}
END_TEST

START_TEST(several_connects)
{
    uint16_t port;
    _unused_ _cleanup_close_ int reserved = test_listen(1, &port);
    _unused_ _cleanup_close_ int one = fill_queue("127.0.0.2", port);
    _unused_ _cleanup_close_ int two = fill_queue("127.0.0.3", port);
    Waiting w;

    names_begin(SCRIPTS("127.0.0.2", "127.0.0.3"));
    begin(&w, port, SETTINGS("tls=none", "host=relay.test", "ip_version=2"));
    check_quiet(&w);
    check_quiet(&w);
    check_quiet(&w);
    ck_assert_ptr_nonnull(strstr(w.client.trace, "connecting to 127.0.0.3"));
    end(&w);
}
END_TEST

/* Against a server that says no more than `said`. */
static void check_silent_server(const char *said, const char *tls)
{
    const TestServerOptions options = {.certificate = &certificate};
    TestServer *server = test_server_start(SCRIPTS(said), &options);
    Waiting w;

    begin(&w, test_server_port(server), SETTINGS(tls));
    check_quiet(&w);
    check_quiet(&w);
    end(&w);
    test_server_stop(server);
}

START_TEST(a_greeting)
{
    check_silent_server("EOF\n", "tls=none");
    check_silent_server("TLS\nEOF\n", "tls=implicit");
}
END_TEST

START_TEST(an_ehlo)
{
    check_silent_server("S: 220 server.test\nC: EHLO client.test\nEOF\n", "tls=none");
}
END_TEST

START_TEST(a_tls_handshake)
{
    check_silent_server("SILENCE\n", "tls=implicit");
    check_silent_server(
        "S: 220 server.test\n" EHLO_STARTTLS "C: STARTTLS\nS: 220 go\nSILENCE\n", "tls=starttls");
}
END_TEST

/* Idle, and after QUIT, whose answer never comes. */
static void check_ready(const char *script, const char *tls)
{
    const TestServerOptions options = {.certificate = &certificate};
    TestServer *server = test_server_start(SCRIPTS(script), &options);
    Waiting w;
    SmtpEvent event;

    begin(&w, test_server_port(server), SETTINGS(tls));
    event = wait_for_event(&w);
    ck_assert_int_eq(event.type, SMTP_EVENT_READY);
    check_quiet(&w);
    smtp_session_quit(connection_session(w.client.connection), clock_monotonic());
    check_quiet(&w);
    end(&w);
    test_server_stop(server);
}

START_TEST(nothing_to_do)
{
    check_ready("S: 220 server.test\n" EHLO "C: QUIT\nSILENCE\n", "tls=none");
    check_ready("TLS\nS: 220 server.test\n" EHLO "C: QUIT\nSILENCE\n", "tls=implicit");
}
END_TEST

/* The process is stopped: something comes meanwhile, and when it goes on the time is over. */
static int step_late(Waiting *w, SmtpEvent *event)
{
    Connection *c = w->client.connection;
    struct pollfd p = {.fd = connection_fd(c), .events = POLLIN};

    ck_assert_int_eq(poll(&p, 1, 20000), 1);
    return connection_step(c, usec_add(connection_deadline(c), 1), event);
}

START_TEST(what_came_while_it_was_stopped)
{
    const TestServerOptions options = {0};
    TestServer *server = test_server_start(SCRIPTS("S: 220 server.test\n" EHLO "EOF\n"), &options);
    Waiting w;
    SmtpEvent event;

    begin(&w, test_server_port(server), SETTINGS("tls=none"));
    while (!connection_session(w.client.connection))
        ck_assert_int_eq(turn(&w, USEC_NEVER, &event), 0);
    ck_assert_int_eq(step_late(&w, &event), 0); /* EHLO is said */
    ck_assert_int_eq(step_late(&w, &event), 1);
    ck_assert_int_eq(event.type, SMTP_EVENT_READY);
    end(&w);
    test_server_stop(server);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net wait");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_lookup);
    tcase_add_test(tests, a_lookup_at_its_end);
    tcase_add_test(tests, a_password_command);
    tcase_add_test(tests, this_hosts_name);
    tcase_add_test(tests, a_connect);
    tcase_add_test(tests, several_connects);
    tcase_add_test(tests, a_greeting);
    tcase_add_test(tests, an_ehlo);
    tcase_add_test(tests, a_tls_handshake);
    tcase_add_test(tests, nothing_to_do);
    tcase_add_test(tests, what_came_while_it_was_stopped);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
