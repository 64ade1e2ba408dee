/* Connections to a relay with several addresses: every kind of failure at the first of them, what
 * is told when all fail, and what is remembered. */
#include <openssl/ssl.h>
#include <sys/resource.h>

#include "fake_names.h"
#include "net_client.h"

#define GOOD "S: 220 server.test\n" EHLO MESSAGE QUIT
#define FIRST "127.0.0.2"
#define SECOND "127.0.0.3"

static uint16_t port;
static int reserved = -1; /* at 127.0.0.1: nobody else takes the port */

static void begin_relay(const char *const *addresses)
{
    reserved = test_listen(1, &port);
    names_begin(addresses);
}

static TestServer *serve_at(
    const char *address, const char *const *scripts, const TestCertificate *presented)
{
    const TestServerOptions options = {.certificate = presented, .address = address, .port = port};

    return test_server_start(scripts, &options);
}

static Client client_of_relay(const char *const *settings)
{
    const char *all[10] = {"host=relay.test", "ip_version=2"};

    for (size_t i = 0; settings[i]; i++)
        all[2 + i] = settings[i];
    return client_for(port, all);
}

static void end_relay(Client *client)
{
    client_done(client);
    close(reserved);
    names_release();
}

/* What the client said and did before `later` did. */
static void check_before(const Client *client, const char *earlier, const char *later)
{
    const char *first = strstr(client->trace, earlier), *second = strstr(client->trace, later);

    ck_assert_msg(
        first && second && first < second, "%s, %s in:\n%s", earlier, later, client->trace);
}

/* ---- the second address is of use ---- */

static void check_next_is_tried(int driver, const char *script, const TestCertificate *presented,
    const char *const *settings, const char *good)
{
    TestServer *first, *second;
    Client client;

    begin_relay(SCRIPTS(FIRST, SECOND));
    first = script ? serve_at(FIRST, SCRIPTS(script), presented) : NULL;
    second = serve_at(SECOND, SCRIPTS(good, good), &certificate);
    client = client_of_relay(settings);
    client_run(&client, driver);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_uint_eq(client.delivered, 1);
    check_before(&client, "connecting to " FIRST, "connected to " SECOND);
    /* The next connection begins where this one ended. */
    client.trace[0] = '\0';
    client_run(&client, driver);
    ck_assert_uint_eq(client.delivered, 1);
    ck_assert_ptr_null(strstr(client.trace, FIRST));
    ck_assert_uint_eq(names_count(&names.relays), 1);
    if (first)
        test_server_stop(first);
    test_server_stop(second);
    end_relay(&client);
}

#define CLEAR SETTINGS("tls=none")

START_TEST(no_server)
{
    check_next_is_tried(_i, NULL, NULL, CLEAR, GOOD);
}
END_TEST

START_TEST(a_greeting_that_is_none)
{
    check_next_is_tried(_i, "PAUSE 1\n", NULL, CLEAR, GOOD);
    check_next_is_tried(_i, "RESET\n", NULL, CLEAR, GOOD);
    check_next_is_tried(_i, "S: SSH-2.0-OpenSSH\nEOF\n", NULL, CLEAR, GOOD);
}
END_TEST

START_TEST(a_greeting_that_refuses)
{
    check_next_is_tried(_i, "S: 554 5.7.1 not you\nC: QUIT\nEOF\n", NULL, CLEAR, GOOD);
    check_next_is_tried(_i, "S: 421 4.3.2 too busy\nEOF\n", NULL, CLEAR, GOOD);
}
END_TEST

PATIENT_TEST(silence)
{
    const char *const *brief = SETTINGS("tls=none", BRIEF("timeout", 300), "connect_timeout=60s");
    const char *const *tls = SETTINGS("tls=implicit", BRIEF("timeout", 300), "connect_timeout=60s");

    check_next_is_tried(_i, "EOF\n", NULL, brief, GOOD);
    check_next_is_tried(_i, "S: 220 server.test\nC: EHLO client.test\nEOF\n", NULL, brief, GOOD);
    check_next_is_tried(_i, "SILENCE\n", NULL, tls, "TLS\n" GOOD);
}

START_TEST(an_ehlo_that_is_refused)
{
    check_next_is_tried(_i, "S: 220 server.test\nC: EHLO client.test\nS: 421 4.3.2 later\nEOF\n",
        NULL, CLEAR, GOOD);
    check_next_is_tried(_i,
        "S: 220 server.test\nC: EHLO client.test\nS: 550 5.7.1 no\nC: HELO client.test\n"
        "S: 550 5.7.1 no\nC: QUIT\nEOF\n",
        NULL, CLEAR, GOOD);
}
END_TEST

#define GOOD_STARTTLS "S: 220 server.test\n" STARTTLS EHLO MESSAGE QUIT

START_TEST(tls_that_fails)
{
    const char *const *implicit = SETTINGS("tls=implicit");
    const char *const *starttls = SETTINGS("tls=starttls");

    check_next_is_tried(_i, "TLS\n", &expired, implicit, "TLS\n" GOOD);
    check_next_is_tried(
        _i, "BYTES 5\nS: 220 no TLS here\nPAUSE 20\n", NULL, implicit, "TLS\n" GOOD);
    check_next_is_tried(_i, "S: 220 server.test\n" STARTTLS, &expired, starttls, GOOD_STARTTLS);
    check_next_is_tried(
        _i, "S: 220 server.test\n" EHLO "C: QUIT\nEOF\n", NULL, starttls, GOOD_STARTTLS);
    check_next_is_tried(_i,
        "S: 220 server.test\n" EHLO_STARTTLS "C: STARTTLS\nS: 454 4.7.0 not now\nC: QUIT\nEOF\n",
        NULL, starttls, GOOD_STARTTLS);
}
END_TEST

#define EHLO_AUTH "C: EHLO client.test\nS: 250-server.test\nS: 250-PIPELINING\nS: 250 AUTH PLAIN\n"
#define LOGIN \
    SETTINGS("tls=none", "auth_without_tls=yes, in clear", "user=ann", "password_command=echo x")

START_TEST(a_login_that_cannot_be_had_now)
{
    check_next_is_tried(_i,
        "S: 220 server.test\n" EHLO_AUTH "C: AUTH PLAIN\nS: 454 4.7.0 later\nC: QUIT\nEOF\n", NULL,
        LOGIN, "S: 220 server.test\n" EHLO_AUTH "C: AUTH PLAIN\nS: 235 in\n" MESSAGE QUIT);
}
END_TEST

/* It costs a moment once, and is put last afterwards. */
START_TEST(an_address_that_is_silent)
{
    TestServer *second;
    Client client;
    int silent;

    begin_relay(SCRIPTS(FIRST, SECOND));
    silent = fill_queue(FIRST, port);
    second = serve_at(SECOND, SCRIPTS(GOOD, GOOD), NULL);
    client = client_of_relay(SETTINGS("tls=none", "connect_timeout=60s"));
    client_run(&client, _i);
    ck_assert_uint_eq(client.delivered, 1);
    check_before(&client, "connecting to " FIRST, "connected to " SECOND);
    client.trace[0] = '\0';
    client_run(&client, _i);
    ck_assert_uint_eq(client.delivered, 1);
    ck_assert_ptr_null(strstr(client.trace, FIRST));
    test_server_stop(second);
    close(silent);
    end_relay(&client);
}
END_TEST

static bool have_ipv6(void)
{
    int fd = test_listen_at("::1", 0, 1);

    if (fd >= 0)
        close(fd);
    else
        fprintf(stderr, "skipped: this machine has no IPv6\n");
    return fd >= 0;
}

START_TEST(another_family)
{
    TestServer *first, *second;
    Client client;

    if (!have_ipv6())
        return;
    begin_relay(SCRIPTS("::1", FIRST));
    first = serve_at("::1", SCRIPTS("S: 421 4.3.2 too busy\nEOF\n"), NULL);
    second = serve_at(FIRST, SCRIPTS(GOOD), NULL);
    client = client_of_relay(CLEAR);
    client_run(&client, _i);
    ck_assert_uint_eq(client.delivered, 1);
    check_before(&client, "connected to [::1]", "connected to " FIRST);
    test_server_stop(first);
    test_server_stop(second);
    end_relay(&client);
}
END_TEST

/* ---- none is ---- */

static void check_words(const Client *client, const char *const *words)
{
    for (; *words; words++)
        ck_assert_msg(strstr(client->text, *words), "\"%s\" lacks \"%s\"", client->text, *words);
}

START_TEST(what_happened_at_each_address_is_told)
{
    TestServer *first, *second;
    Client client;

    begin_relay(SCRIPTS(FIRST, SECOND, "127.0.0.4"));
    first = serve_at(
        FIRST, SCRIPTS("S: 220 server.test\nC: EHLO client.test\nS: 421 4.3.2 later\n"), NULL);
    second = serve_at(SECOND, SCRIPTS("S: 554 5.7.1 not you\nC: QUIT\nEOF\n"), NULL);
    client = client_of_relay(CLEAR);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_EHLO, ERROR_SMTP_PROTOCOL);
    ck_assert_int_eq(client.outcome.cause, CAUSE_REPLY);
    ck_assert_int_eq(client.outcome.code, 421);
    check_words(&client, SCRIPTS("later (" FIRST ":", SECOND ":", "554 5.7.1 not you",
                             "127.0.0.4: Connection refused"));
    ck_assert_int_eq(strncmp(client.text, "later (", 7), 0);
    test_server_stop(first);
    test_server_stop(second);
    end_relay(&client);
}
END_TEST

START_TEST(addresses_that_do_not_answer_are_told)
{
    TestServer *second;
    Client client;

    begin_relay(SCRIPTS(FIRST, SECOND));
    second = serve_at(SECOND, SCRIPTS("S: 554 5.7.1 not you\nC: QUIT\nEOF\n"), NULL);
    client = client_of_relay(CLEAR);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_GREETING, ERROR_SMTP_PROTOCOL);
    check_words(&client, SCRIPTS("not you (" SECOND ":", FIRST ": Connection refused"));
    test_server_stop(second);
    end_relay(&client);
    begin_relay(SCRIPTS(FIRST, SECOND));
    client = client_of_relay(CLEAR);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_CONNECT, 10061);
    ck_assert_int_eq(client.outcome.cause, CAUSE_LOST);
    check_words(&client, SCRIPTS(FIRST ": Connection refused, " SECOND ": Connection refused"));
    end_relay(&client);
}
END_TEST

/* Nobody listens at the second: it would be told if it had been tried. */
START_TEST(a_refused_login_ends_at_once)
{
    TestServer *first;
    Client client;

    begin_relay(SCRIPTS(FIRST, SECOND));
    first = serve_at(FIRST,
        SCRIPTS(
            "S: 220 server.test\n" EHLO_AUTH "C: AUTH PLAIN\nS: 535 5.7.8 wrong\nC: QUIT\nEOF\n"),
        NULL);
    client = client_of_relay(LOGIN);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_AUTH, ERROR_AUTHENTICATION);
    ck_assert_int_eq(client.outcome.code, 535);
    ck_assert_ptr_null(strstr(client.trace, SECOND));
    ck_assert_str_eq(client.text, "wrong");
    test_server_stop(first);
    end_relay(&client);
}
END_TEST

/* Once it is of use, an address is not left for another one. */
START_TEST(a_session_that_was_ready_is_not_repeated)
{
    TestServer *first;
    Client client;

    begin_relay(SCRIPTS(FIRST, SECOND));
    first = serve_at(
        FIRST, SCRIPTS("S: 220 server.test\n" EHLO ENVELOPE "S: 421 4.3.2 going down\n"), NULL);
    client = client_of_relay(CLEAR);
    client_run(&client, _i);
    ck_assert(client.ready);
    ck_assert_int_eq(client.outcome.kind, DELIVERY_CUT_OFF);
    ck_assert_ptr_null(strstr(client.trace, SECOND));
    test_server_stop(first);
    end_relay(&client);
}
END_TEST

/* The lookup has its descriptors; the socket finds none. */
START_TEST(a_lack_of_descriptors_is_our_own)
{
    struct rlimit before;
    SmtpEvent event;
    Client client;

    begin_relay(SCRIPTS(FIRST, SECOND));
    client = client_for(port, SETTINGS("tls=none", "host=" FIRST));
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(
        connection_new(client.shared, NULL, NULL, clock_monotonic(), &client.connection), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, before.rlim_max}), 0);
    ck_assert_int_eq(connection_step(client.connection, clock_monotonic(), &event), 1);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(event.type, SMTP_EVENT_CLOSED);
    note_closed(&client, event.outcome);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_CONNECT, 10024);
    ck_assert_int_eq(client.outcome.cause, CAUSE_OWN);
    connection_free(client.connection);
    end_relay(&client);
}
END_TEST

/* ---- names ---- */

#define MANY 20

/* A slow name of this host keeps nobody from connecting for long, and is looked for once. */
START_TEST(many_connections_make_one_lookup_of_each_name)
{
    uint16_t many_port;
    int listening = test_listen(2 * MANY, &many_port);
    Connection *connections[MANY];
    Client client = client_for(many_port,
        SETTINGS("tls=none", "host=relay.test", "ip_version=2", "timeout=60s", "hello="));
    usec_t now = clock_monotonic();
    SmtpEvent event;

    names_begin(SCRIPTS("127.0.0.1"));
    names.box_hangs = true;
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_int_eq(connection_new(client.shared, NULL, NULL, now, &connections[i]), 0);
        ck_assert_int_eq(connection_step(connections[i], now, &event), 0);
    }
    now += 6 * USEC_PER_SEC; /* it has not come */
    for (unsigned i = 0; i < MANY; i++) {
        while (connection_address(connections[i])[0] == '\0') {
            ck_assert_int_eq(connection_step(connections[i], now, &event), 0);
            (void)poll(NULL, 0, 1);
        }
        connection_free(connections[i]);
    }
    ck_assert_uint_eq(names_count(&names.relays), 1);
    ck_assert_uint_eq(names_count(&names.boxes), 1);
    client_done(&client);
    names_release();
    close(listening);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net addresses");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, no_server, 0, 2);
    tcase_add_loop_test(tests, a_greeting_that_is_none, 0, 2);
    tcase_add_loop_test(tests, a_greeting_that_refuses, 0, 2);
    tcase_add_loop_test(tests, silence, 0, 2);
    tcase_add_loop_test(tests, an_ehlo_that_is_refused, 0, 2);
    tcase_add_loop_test(tests, tls_that_fails, 0, 2);
    tcase_add_loop_test(tests, a_login_that_cannot_be_had_now, 0, 2);
    tcase_add_loop_test(tests, an_address_that_is_silent, 0, 2);
    tcase_add_loop_test(tests, another_family, 0, 2);
    tcase_add_loop_test(tests, what_happened_at_each_address_is_told, 0, 2);
    tcase_add_loop_test(tests, addresses_that_do_not_answer_are_told, 0, 2);
    tcase_add_loop_test(tests, a_refused_login_ends_at_once, 0, 2);
    tcase_add_loop_test(tests, a_session_that_was_ready_is_not_repeated, 0, 2);
    tcase_add_test(tests, a_lack_of_descriptors_is_our_own);
    tcase_add_test(tests, many_connections_make_one_lookup_of_each_name);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
