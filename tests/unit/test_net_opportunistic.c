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

/* Nothing comes of it: that is waited for no longer than for anything else. */
PATIENT_TEST(a_handshake_that_hangs_is_done_without)
{
    static const char hangs[] =
        "S: 220 server.test\n" EHLO_STARTTLS "C: STARTTLS\nS: 220 go ahead\nSILENCE\n";
    TestServer *server = test_server_start(SCRIPTS(hangs, CLEAR), NULL);
    Client client = deliver(server, _i,
        SETTINGS("tls=opportunistic", BRIEF("timeout", 1000), "timeout_by_stage=false"));

    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_ptr_nonnull(strstr(client.trace, "without TLS"));
    test_server_stop(server);
    client_done(&client);
}

/* Somebody is tampering: then not even mail goes in clear. */
START_TEST(text_behind_the_reply_to_starttls_is_a_fault)
{
    static const char injected[] =
        "S: 220 server.test\n" OFFERED "C: STARTTLS\nS: 220 go ahead\nS: 250 injected\nEOF\n";
    const char *const *const settings[] = {SETTINGS("tls=opportunistic"),
        SETTINGS("tls=opportunistic", "user=ann", "password_command=echo p")};

    for (size_t i = 0; i < ELEMENTSOF(settings); i++) {
        TestServer *server = test_server_start(SCRIPTS(injected), NULL);
        Client client = deliver(server, _i, settings[i]);

        ck_assert_int_eq(client.outcome.kind, DELIVERY_CUT_OFF);
        ck_assert_int_ne(client.outcome.stage, STAGE_QUIT);
        ck_assert_ptr_null(strstr(client.trace, "without TLS"));
        test_server_stop(server);
        client_done(&client);
    }
}
END_TEST

#define EHLO_AUTH(more) "C: EHLO client.test\nS: 250-server.test\n" more "S: 250 AUTH PLAIN\n"

/* No word of it goes out: the script would fail. */
PATIENT_TEST(a_password_never_goes_in_clear)
{
    static const char *const scripts[] = {
        "S: 220 server.test\n" EHLO_AUTH("") "C: QUIT\nEOF\n",
        "S: 220 server.test\n" EHLO_AUTH(
            "S: 250-STARTTLS\n") "C: STARTTLS\nS: 454 not now\nC: QUIT\nEOF\n",
        "S: 220 server.test\n" EHLO_AUTH(
            "S: 250-STARTTLS\n") "C: STARTTLS\nS: 502 what is that?\nC: QUIT\nEOF\n",
        "S: 220 server.test\n" EHLO_AUTH(
            "S: 250-STARTTLS\n") "C: STARTTLS\nS: 220 go ahead\nPAUSE 10\n",
        "S: 220 server.test\n" EHLO_AUTH(
            "S: 250-STARTTLS\n") "C: STARTTLS\nS: 220 go ahead\nBYTES 5\nNOISE\n",
        "S: 220 server.test\n" EHLO_AUTH(
            "S: 250-STARTTLS\n") "C: STARTTLS\nS: 220 go ahead\nSILENCE\n",
    };
    static const DeliveryStage stages[] = {
        STAGE_AUTH, STAGE_STARTTLS, STAGE_STARTTLS, STAGE_TLS, STAGE_TLS, STAGE_TLS};

    for (size_t i = 0; i < ELEMENTSOF(scripts); i++) {
        TestServer *server = test_server_start(SCRIPTS(scripts[i]), NULL);
        Client client = deliver(server, _i,
            SETTINGS("tls=opportunistic", "user=ann", "password_command=echo p",
                BRIEF("timeout", 1000), "timeout_by_stage=false"));

        ck_assert_int_eq(client.outcome.kind, DELIVERY_CUT_OFF);
        ck_assert_msg(client.outcome.stage == stages[i], "%zu: %s", i, client.text);
        test_server_stop(server);
        client_done(&client);
    }
}

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

#define LOGIN "C: AUTH PLAIN\nS: 235 2.7.0 welcome\n"

/* What the user allows is done. */
START_TEST(a_login_goes_on_where_it_may)
{
    const TestServerOptions options = {.certificate = &expired};
    static const char over_tls[] =
        "S: 220 server.test\n" STARTTLS EHLO_AUTH("S: 250-PIPELINING\n") LOGIN MESSAGE QUIT;
    static const char in_clear[] =
        "S: 220 server.test\n" EHLO_AUTH("S: 250-PIPELINING\n") LOGIN MESSAGE QUIT;
    TestServer *server = test_server_start(SCRIPTS(over_tls, in_clear), &options);
    Client client = deliver(server, _i,
        SETTINGS("tls=opportunistic", "tls_verify=false", "user=ann", "password_command=echo p"));

    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_str_ne(client.tls, "");
    client_done(&client);
    client = deliver(server, _i,
        SETTINGS("tls=opportunistic", "auth_without_tls=yes, in clear", "user=ann",
            "password_command=echo p"));
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_str_eq(client.tls, "");
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
    tcase_add_loop_test(tests, a_handshake_that_hangs_is_done_without, 0, 2);
    tcase_add_loop_test(tests, text_behind_the_reply_to_starttls_is_a_fault, 0, 2);
    tcase_add_loop_test(tests, a_login_goes_on_where_it_may, 0, 2);
    tcase_add_loop_test(tests, a_password_never_goes_in_clear, 0, 2);
    tcase_add_loop_test(tests, a_password_is_said_to_the_relay_alone, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
