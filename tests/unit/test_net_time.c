/* Connections with both drivers: how fast they send (MaxTransferRate), how long they may take in
 * all (AbsoluteTimeout), and where they come from (LocalHost, LocalPort). */
#include "net/options.h"
#include "net_client.h"

/* How long the message took. */
static usec_t deliver(
    int driver, const char *script, const TestServerOptions *options, const char *const *settings)
{
    TestServer *server = test_server_start(SCRIPTS(script), options);
    Client client = client_for(test_server_port(server), settings);
    usec_t before = clock_monotonic();

    client.message_bytes = 6000;
    client_run(&client, driver);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_uint_eq(client.delivered, 1);
    test_server_stop(server);
    client_done(&client);
    return clock_monotonic() - before;
}

/* 6000 bytes and the commands at 12000 a second, of which the first tenth is free: 0.4 s at least.
 */
START_TEST(a_message_takes_the_time_of_the_rate)
{
    const TestServerOptions tls = {.certificate = &certificate};
    const char *const in_clear = "S: 220 server.test\n" EHLO MESSAGE QUIT;

    ck_assert_uint_ge(deliver(_i, in_clear, NULL, SETTINGS("tls=none", "MaxTransferRate=12000")),
        400 * USEC_PER_MSEC);
    ck_assert_uint_ge(deliver(_i, "TLS\nS: 220 server.test\n" EHLO MESSAGE QUIT, &tls,
                          SETTINGS("tls=implicit", "max_transfer_rate=12000")),
        400 * USEC_PER_MSEC);
}
END_TEST

/* Silence is never longer than the time-out, and all together is. */
PATIENT_TEST(connecting_takes_so_long_in_all)
{
    char slow[500];
    TestServer *server;
    Client client;
    usec_t before = clock_monotonic();

    snprintf(slow, sizeof(slow),
        "S: 220 server.test\n" EHLO_STARTTLS "C: STARTTLS\nPAUSE %u\nS: 220 go ahead\nSILENCE\n",
        400 * patience);
    server = test_server_start(SCRIPTS(slow), NULL);
    client = client_for(test_server_port(server),
        SETTINGS("tls=starttls", BRIEF("Timeout", 700), "AbsoluteTimeout=True"));
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_TLS, ERROR_TIMEOUT);
    ck_assert_uint_ge(clock_monotonic() - before, 700 * patience * USEC_PER_MSEC);
    ck_assert_msg(strstr(client.text, "in all, which absolute_timeout"), "%s", client.text);
    test_server_stop(server);
    client_done(&client);
}

/* The same within the session: it is told in its words. */
PATIENT_TEST(greetings_take_so_long_in_all)
{
    char slow[200];
    TestServer *server;
    Client client;

    snprintf(slow, sizeof(slow), "PAUSE %u\nS: 220 server.test\nC: EHLO client.test\nSILENCE\n",
        300 * patience);
    server = test_server_start(SCRIPTS(slow), NULL);
    client = client_for(test_server_port(server),
        SETTINGS("tls=none", BRIEF("timeout", 600), "absolute_timeout=yes", "connect_timeout=60"));
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_EHLO, ERROR_TIMEOUT);
    ck_assert_msg(strstr(client.text, "in all that absolute_timeout allows"), "%s", client.text);
    test_server_stop(server);
    client_done(&client);
}

/* A port that nobody has, for a moment. */
static uint16_t free_port(void)
{
    uint16_t port;

    close(test_listen(1, &port));
    return port;
}

/* LocalHost and LocalPort are the address in use once connected. */
START_TEST(the_local_address_can_be_read)
{
    static const char script[] = "S: 220 server.test\n" EHLO QUIT;
    TestServer *server = test_server_start(SCRIPTS(script), NULL);
    uint16_t port = free_port();
    char local_port[32], expected[40], text[ADDRESS_TEXT_MAX];
    Client client;
    SmtpEvent event;

    snprintf(local_port, sizeof(local_port), "LocalPort=%u", port);
    snprintf(expected, sizeof(expected), "127.0.0.9:%u", port);
    client = client_for(
        test_server_port(server), SETTINGS("tls=none", "LocalHost=127.0.0.9", local_port));
    ck_assert_int_eq(
        connection_new(client.shared, NULL, NULL, clock_monotonic(), &client.connection), 0);
    ck_assert_str_eq(connection_local_address(client.connection, text), "");
    ck_assert_int_eq(connection_wait(client.connection, &event), 1);
    ck_assert_int_eq(event.type, SMTP_EVENT_READY);
    ck_assert_str_eq(connection_local_address(client.connection, text), expected);
    smtp_session_quit(connection_session(client.connection), clock_monotonic());
    ck_assert_int_eq(connection_wait(client.connection, &event), 1);
    connection_free(client.connection);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net time");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_message_takes_the_time_of_the_rate, 0, 2);
    tcase_add_loop_test(tests, connecting_takes_so_long_in_all, 0, 2);
    tcase_add_loop_test(tests, greetings_take_so_long_in_all, 0, 2);
    tcase_add_test(tests, the_local_address_can_be_read);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
