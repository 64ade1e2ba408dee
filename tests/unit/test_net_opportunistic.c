/* tls = "opportunistic", case by case: encryption where it can be had, mail in clear where not, and
 * a password never. */
#include "net_client.h"

#define OFFERED "C: EHLO client.test\nS: 250-server.test\nS: 250-PIPELINING\nS: 250 STARTTLS\n"
#define CLEAR "S: 220 server.test\n" OFFERED MESSAGE QUIT

/* Delivers over the connections of the scripts. */
static Client deliver(TestServer *server, int driver, const char *const *settings)
{
    Client client = client_for(test_server_port(server), settings);

    client_run(&client, driver);
    return client;
}

static void check_delivers(
    int driver, const char *const *scripts, const TestServerOptions *options, bool with_tls)
{
    TestServer *server = test_server_start(scripts, options);
    Client client = deliver(server, driver, SETTINGS("tls=opportunistic"));

    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_int_eq(client.tls[0] != '\0', with_tls);
    test_server_stop(server);
    client_done(&client);
}

START_TEST(starttls_that_is_not_offered_or_refused_is_done_without)
{
    check_delivers(_i, SCRIPTS("S: 220 server.test\n" EHLO MESSAGE QUIT), NULL, false);
    check_delivers(_i,
        SCRIPTS("S: 220 server.test\n" OFFERED "C: STARTTLS\nS: 454 4.7.0 not now\n" MESSAGE QUIT),
        NULL, false);
    check_delivers(_i,
        SCRIPTS("S: 220 server.test\n" OFFERED "C: STARTTLS\nS: 502 what is that?\n" MESSAGE QUIT),
        NULL, false);
}
END_TEST

START_TEST(a_bad_certificate_does_not_matter)
{
    const TestServerOptions options = {.certificate = &expired};

    check_delivers(_i, SCRIPTS("S: 220 server.test\n" STARTTLS EHLO MESSAGE QUIT), &options, true);
}
END_TEST

/* On the next connection, to the same address and at once; then for a while without trying. */
START_TEST(a_handshake_that_fails_is_done_without)
{
    static const char broken[] =
        "S: 220 server.test\n" EHLO_STARTTLS "C: STARTTLS\nS: 220 go ahead\nBYTES 5\nNOISE\n";
    static const char dropped[] =
        "S: 220 server.test\n" EHLO_STARTTLS "C: STARTTLS\nS: 220 go ahead\nPAUSE 10\n";
    TestServer *server;
    Client client;

    check_delivers(_i, SCRIPTS(broken, CLEAR), NULL, false);
    server = test_server_start(SCRIPTS(dropped, CLEAR, CLEAR), NULL);
    client = deliver(server, _i, SETTINGS("tls=opportunistic"));
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_ptr_nonnull(strstr(client.trace, "without TLS"));
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

#define EHLO_AUTH(more) "C: EHLO client.test\nS: 250-server.test\n" more "S: 250 AUTH PLAIN\n"

/* No word of it goes out: the script would fail. */
START_TEST(a_password_never_goes_in_clear)
{
    static const char *const scripts[] = {
        "S: 220 server.test\n" EHLO_AUTH("") "C: QUIT\nEOF\n",
        "S: 220 server.test\n" EHLO_AUTH(
            "S: 250-STARTTLS\n") "C: STARTTLS\nS: 454 not now\nC: QUIT\nEOF\n",
        "S: 220 server.test\n" EHLO_AUTH(
            "S: 250-STARTTLS\n") "C: STARTTLS\nS: 220 go ahead\nPAUSE 10\n",
    };
    static const DeliveryStage stages[] = {STAGE_AUTH, STAGE_STARTTLS, STAGE_TLS};

    for (size_t i = 0; i < ELEMENTSOF(scripts); i++) {
        TestServer *server = test_server_start(SCRIPTS(scripts[i]), NULL);
        Client client = deliver(
            server, _i, SETTINGS("tls=opportunistic", "user=ann", "password_command=echo p"));

        ck_assert_int_eq(client.outcome.kind, DELIVERY_CUT_OFF);
        ck_assert_msg(client.outcome.stage == stages[i], "%zu: %s", i, client.text);
        test_server_stop(server);
        client_done(&client);
    }
}
END_TEST

/* Nor to somebody who is not the relay. */
START_TEST(a_password_is_said_to_the_relay_alone)
{
    const TestServerOptions options = {.certificate = &expired};
    TestServer *server =
        test_server_start(SCRIPTS("S: 220 server.test\n" EHLO_AUTH(
                              "S: 250-STARTTLS\n") "C: STARTTLS\nS: 220 go ahead\nTLS\nEOF\n"),
            &options);
    Client client =
        deliver(server, _i, SETTINGS("tls=opportunistic", "user=ann", "password_command=echo p"));

    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_CERTIFICATE, ERROR_CERTIFICATE_VERIFY);
    ck_assert_int_eq(client.outcome.reason, REASON_CERTIFICATE_EXPIRED);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net opportunistic");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, starttls_that_is_not_offered_or_refused_is_done_without, 0, 2);
    tcase_add_loop_test(tests, a_bad_certificate_does_not_matter, 0, 2);
    tcase_add_loop_test(tests, a_handshake_that_fails_is_done_without, 0, 2);
    tcase_add_loop_test(tests, a_password_never_goes_in_clear, 0, 2);
    tcase_add_loop_test(tests, a_password_is_said_to_the_relay_alone, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
