/* Whole connections with both drivers against a scripted server: messages with and without TLS, and
 * every way in which a transport fails. */
#include <errno.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/hostname.h"
#include "net_client.h"

/* ---- messages ---- */

static void check_messages(int driver, const char *script, const TestServerOptions *options,
    const char *const *settings, unsigned messages, size_t bytes)
{
    TestServer *server = test_server_start(SCRIPTS(script), options);
    Client client = client_for(test_server_port(server), settings);

    client.messages = messages;
    client.message_bytes = bytes;
    client_run(&client, driver);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_uint_eq(client.delivered, messages);
    ck_assert_int_eq(client.tls[0] != '\0', options != NULL);
    test_server_stop(server);
    client_done(&client);
}

/* SSLStartMode, SSLEnabled: each of the modes */
START_TEST(messages_go_out_in_clear)
{
    check_messages(
        _i, "S: 220 server.test\n" EHLO MESSAGE MESSAGE QUIT, NULL, SETTINGS("tls=none"), 2, 100);
    check_messages(_i, "S: 220 server.test\n" EHLO MESSAGE QUIT, NULL,
        SETTINGS("tls=opportunistic", "send_buffer=4096"), 1, 3000000);
}
END_TEST

START_TEST(messages_go_out_over_starttls)
{
    const TestServerOptions options = {.certificate = &certificate};
    const TestServerOptions old = {.certificate = &certificate, .max_version = TLS1_2_VERSION};

    check_messages(_i, "S: 220 server.test\n" STARTTLS EHLO MESSAGE QUIT, &options,
        SETTINGS("tls=starttls"), 1, 100);
    check_messages(_i, "S: 220 server.test\n" STARTTLS EHLO MESSAGE QUIT, &old,
        SETTINGS("tls=opportunistic", "send_buffer=4096"), 1, 3000000);
}
END_TEST

START_TEST(messages_go_out_over_implicit_tls)
{
    const TestServerOptions options = {.certificate = &certificate};

    check_messages(_i, "TLS\nS: 220 server.test\n" EHLO MESSAGE MESSAGE QUIT, &options,
        SETTINGS("tls=implicit"), 2, 50000);
}
END_TEST

/* ReuseSSLSession */
START_TEST(the_next_connection_resumes_the_tls_session)
{
    const TestServerOptions options = {.certificate = &certificate};
    const char *script = "TLS\nS: 220 server.test\n" EHLO MESSAGE QUIT;
    TestServer *server = test_server_start(SCRIPTS(script, script), &options);
    Client client = client_for(test_server_port(server), SETTINGS("tls=implicit"));

    client_run(&client, _i);
    ck_assert(!client.resumed);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert(client.resumed);
    ck_assert_ptr_nonnull(strstr(client.trace, "TLSv1.3 TLS_"));
    ck_assert_ptr_nonnull(strstr(client.trace, ", resumed\n"));
    test_server_stop(server);
    client_done(&client);
}
END_TEST

/* A server may stumble over what it gave out itself: nobody hears of it. */
START_TEST(a_session_that_leads_to_nothing_is_done_without)
{
    static const char *const failures[] = {
        "PAUSE 10\n", "TLS\nPAUSE 10\n", "TLS\nS: 220 server.test\nC: EHLO\nRESET\n"};
    const TestServerOptions options = {.certificate = &certificate};
    const char *script = "TLS\nS: 220 server.test\n" EHLO MESSAGE QUIT;

    for (size_t i = 0; i < ELEMENTSOF(failures); i++) {
        TestServer *server = test_server_start(SCRIPTS(script, failures[i], script), &options);
        Client client = client_for(test_server_port(server), SETTINGS("tls=implicit"));

        client_run(&client, _i);
        client_run(&client, _i);
        check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
        ck_assert(!client.resumed);
        test_server_stop(server);
        client_done(&client);
    }
}
END_TEST

/* Later on too: the next connection does not resume it. */
START_TEST(a_session_of_a_lost_connection_is_forgotten)
{
    const TestServerOptions options = {.certificate = &certificate};
    const char *script = "TLS\nS: 220 server.test\n" EHLO MESSAGE QUIT;
    const char *lost = "TLS\nS: 220 server.test\n" EHLO "C: MAIL\nC: RCPT\nC: DATA\nRESET\n";
    TestServer *server = test_server_start(SCRIPTS(script, lost, script, script), &options);
    Client client = client_for(test_server_port(server), SETTINGS("tls=implicit"));
    static const bool resumed[] = {false, true, false, true};

    for (size_t i = 0; i < ELEMENTSOF(resumed); i++) {
        client_run(&client, _i);
        ck_assert_msg(client.outcome.kind == (i == 1 ? DELIVERY_CUT_OFF : DELIVERY_DELIVERED),
            "%zu: %s", i, client.text);
        ck_assert_int_eq(client.resumed, resumed[i]);
    }
    test_server_stop(server);
    client_done(&client);
}
END_TEST

/* Once, and not where the server has said why. */
START_TEST(a_server_that_fails_fails_with_a_session_too)
{
    const TestServerOptions options = {.certificate = &certificate};
    const char *script = "TLS\nS: 220 server.test\n" EHLO MESSAGE QUIT;
    const char *busy = "TLS\nS: 421 4.3.2 too busy\nPAUSE 10\n";
    TestServer *server =
        test_server_start(SCRIPTS(script, "BYTES 5\n", "BYTES 5\n", script, busy), &options);
    Client client = client_for(test_server_port(server), SETTINGS("tls=implicit"));

    client_run(&client, _i);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_TLS, ERROR_CONNECTION_DROPPED);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_GREETING, ERROR_SMTP_PROTOCOL);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

/* Without the setting: the host's full name, or the address the server sees. */
START_TEST(ehlo_says_who_calls)
{
    TestServer *server = test_server_start(
        SCRIPTS(
            "S: 220 server.test\nC: EHLO \nS: 250-server.test\nS: 250 PIPELINING\n" MESSAGE QUIT),
        NULL);
    Client client = client_for(test_server_port(server), SETTINGS("tls=none", "hello="));
    _cleanup_free_
    char *name = NULL;
    char line[300];

    ck_assert_int_eq(host_name_get(&name), 0);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    snprintf(line, sizeof(line), "EHLO %s\n", name ?: "[127.0.0.1]");
    ck_assert_ptr_nonnull(strstr(client.trace, line));
    test_server_stop(server);
    client_done(&client);
}
END_TEST

/* ---- failures ---- */

/* One connection that must fail, with every word in its text. */
static void check_failure(int driver, const char *script, const TestServerOptions *options,
    const char *const *settings, DeliveryKind kind, DeliveryStage stage, int error,
    const char *word)
{
    TestServer *server = test_server_start(SCRIPTS(script), options);
    Client client = client_for(test_server_port(server), settings);

    client.message_bytes = 3000000;
    client_run(&client, driver);
    check_outcome(&client, kind, stage, error);
    ck_assert_msg(strstr(client.text, word), "\"%s\" lacks \"%s\"", client.text, word);
    ck_assert_uint_eq(client.delivered, 0);
    test_server_stop(server);
    client_done(&client);
}

/* 276. */
START_TEST(starttls_that_is_no_tls_is_no_matter_of_ports)
{
    check_failure(_i,
        "S: 220 server.test\n" EHLO_STARTTLS "C: STARTTLS\nS: 220 go\nBYTES 5\nNOISE\n", NULL,
        SETTINGS("tls=starttls"), DELIVERY_CUT_OFF, STAGE_TLS, ERROR_TLS_HANDSHAKE,
        "its owner must mend that");
    check_failure(_i, "S: 220 this is no TLS at all, and it goes on\nBYTES 5\n", NULL,
        SETTINGS("tls=implicit"), DELIVERY_CUT_OFF, STAGE_TLS, ERROR_TLS_HANDSHAKE,
        "does not speak TLS at this point");
}
END_TEST

START_TEST(a_relay_that_hangs_up_is_told)
{
    check_failure(_i, "PAUSE 10\n", NULL, SETTINGS("tls=none"), DELIVERY_CUT_OFF, STAGE_GREETING,
        ERROR_CONNECTION_DROPPED, "the server closed the connection");
    check_failure(_i, "S: 220 server.test\nC: EHLO\nRESET\n", NULL,
        SETTINGS(
            "tls=none", "auth_without_tls=yes, in clear", "user=ann", "password_command=echo x"),
        DELIVERY_CUT_OFF, STAGE_EHLO, 10054, "without EHLO there is neither TLS nor a login");
    check_failure(_i,
        "S: 220 server.test\n" EHLO ENVELOPE
        "S: 250 sender\nS: 250 recipient\nS: 354 go ahead\nBYTES 5000\nRESET\n",
        NULL, SETTINGS("tls=none"), DELIVERY_CUT_OFF, STAGE_CONTENT, 10054,
        "Connection reset by peer");
}
END_TEST

/* The reason has come in by the time that sending fails. */
START_TEST(a_server_s_last_words_are_heard)
{
    check_failure(_i,
        "S: 220 server.test\n" EHLO ENVELOPE
        "S: 250 sender\nS: 250 recipient\nS: 354 go ahead\nBYTES 5000\n"
        "S: 421 4.3.2 going down for maintenance\nPAUSE 100\n",
        NULL, SETTINGS("tls=none"), DELIVERY_CUT_OFF, STAGE_CONTENT, ERROR_SMTP_PROTOCOL,
        "going down for maintenance");
}
END_TEST

static void step_until_it_waits(Client *client)
{
    SmtpEvent event;
    int r;

    while ((r = connection_step(client->connection, clock_monotonic(), &event)) > 0)
        ck_assert_int_eq(on_event(client, client->connection, &event), 0);
    ck_assert_int_eq(r, 0);
}

/* Serves the connection until the message is written (or to its end). Returns the rounds. */
static unsigned serve_connection(Client *client, bool to_end)
{
    unsigned rounds = 0;

    step_until_it_waits(client);
    while (!client->closed && (to_end || client->given < client->message_bytes)) {
        struct pollfd fd = {.fd = connection_fd(client->connection),
            .events = connection_poll_events(client->connection)};

        ck_assert_int_ge(poll(&fd, 1, 60000), 0);
        connection_ready(client->connection, fd.revents);
        step_until_it_waits(client);
        rounds++;
    }
    return rounds;
}

/* A message is with the relay when the next cannot be written any more. Its reply is waited for,
 * and nothing else is. */
START_TEST(what_is_accepted_is_heard_though_sending_fails)
{
    const TestServerOptions options = {.certificate = &certificate};
    const char *script =
        _i == 0 ? "S: 220 server.test\n" EHLO ENVELOPE
                  "S: 250 sender\nS: 250 recipient\nS: 354 go ahead\nM:\nEOF\nPAUSE 200\n"
                  "S: 250 taken\n"
                : "TLS\nS: 220 server.test\n" EHLO ENVELOPE
                  "S: 250 sender\nS: 250 recipient\nS: 354 go ahead\nM:\nEOF\nPAUSE 200\n"
                  "S: 250 taken\n";
    TestServer *server = test_server_start(SCRIPTS(script), _i == 0 ? NULL : &options);
    Client client =
        client_for(test_server_port(server), SETTINGS(_i == 0 ? "tls=none" : "tls=implicit"));
    SmtpTransaction next;

    ck_assert_int_eq(
        connection_new(client.shared, on_trace, &client, clock_monotonic(), &client.connection), 0);
    (void)serve_connection(&client, false);
    ck_assert(smtp_session_awaits_verdict(connection_session(client.connection)));
    ck_assert_int_eq(shutdown(connection_fd(client.connection), SHUT_WR), 0);
    next = client.transaction;
    ck_assert_int_eq(
        smtp_session_submit(connection_session(client.connection), &next, clock_monotonic()), 0);
    ck_assert_uint_lt(serve_connection(&client, true), 20);
    ck_assert_uint_eq(client.delivered, 1);
    ck_assert_uint_eq(client.cut_off, 1);
    ck_assert_uint_eq(client.perhaps, 0);
    ck_assert_int_eq(client.outcome.kind, DELIVERY_CUT_OFF);
    ck_assert_int_eq(client.outcome.cause, CAUSE_LOST);
    connection_free(client.connection);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

/* Of this thread; the server is another. 0: none. */
static _Thread_local int recv_error;

ssize_t recv(int fd, void *data, size_t n, int flags)
{
    errno = recv_error;
    return recv_error ? -1 : recvfrom(fd, data, n, flags, NULL, NULL);
}

/* Memory that is short while a message's fate hangs on the next reply is no reason to send it again
 * without a word. */
START_TEST(a_reply_that_there_is_no_memory_for_may_have_been_good)
{
    const TestServerOptions options = {.certificate = &certificate};
    static const char *const scripts[] = {
        "S: 220 server.test\n" EHLO ENVELOPE
        "S: 250 sender\nS: 250 recipient\nS: 354 go ahead\nM:\nS: 250 taken\nEOF\n",
        "TLS\nS: 220 server.test\n" EHLO ENVELOPE
        "S: 250 sender\nS: 250 recipient\nS: 354 go ahead\nM:\nS: 250 taken\nEOF\n"};
    TestServer *server = test_server_start(SCRIPTS(scripts[_i]), _i == 0 ? NULL : &options);
    Client client =
        client_for(test_server_port(server), SETTINGS(_i == 0 ? "tls=none" : "tls=implicit"));

    ck_assert_int_eq(
        connection_new(client.shared, on_trace, &client, clock_monotonic(), &client.connection), 0);
    (void)serve_connection(&client, false);
    ck_assert(smtp_session_awaits_verdict(connection_session(client.connection)));
    recv_error = ENOMEM;
    (void)serve_connection(&client, true);
    recv_error = 0;
    ck_assert_uint_eq(client.delivered, 0);
    ck_assert_uint_eq(client.cut_off, 1);
    ck_assert_uint_eq(client.perhaps, 1);
    connection_free(client.connection);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

#define EHLO_CHUNKING \
    "C: EHLO client.test\nS: 250-server.test\nS: 250-PIPELINING\nS: 250 CHUNKING\n"

/* BDAT is offered and not known: the next connection to the relay does without. */
START_TEST(a_relay_without_bdat_gets_data_next_time)
{
    const char *first =
        "S: 220 server.test\n" EHLO_CHUNKING "C: MAIL\nC: RCPT\nC: BDAT 126 LAST\nBYTES 126\n"
        "S: 250 ok\nS: 250 ok\nS: 502 what is BDAT?\nEOF\n";
    const char *second = "S: 220 server.test\n" EHLO_CHUNKING MESSAGE QUIT;
    TestServer *server = test_server_start(SCRIPTS(first, second), NULL);
    Client client = client_for(test_server_port(server), SETTINGS("tls=none"));

    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_CONTENT, ERROR_SMTP_PROTOCOL);
    ck_assert_int_eq(client.outcome.code, 502);
    ck_assert_uint_eq(client.cut_off, 1);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_uint_eq(client.delivered, 1);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

START_TEST(a_certificate_that_is_not_trusted_ends_the_connection)
{
    const TestServerOptions options = {.certificate = &expired};

    check_failure(_i, "S: 220 server.test\n" STARTTLS, &options, SETTINGS("tls=starttls"),
        DELIVERY_CUT_OFF, STAGE_CERTIFICATE, ERROR_CERTIFICATE_VERIFY, "it expired on");
    check_failure(_i, "TLS\n", &options, SETTINGS("tls=implicit"), DELIVERY_CUT_OFF,
        STAGE_CERTIFICATE, ERROR_CERTIFICATE_VERIFY, "it expired on");
}
END_TEST

PATIENT_TEST(silence_ends_the_connection)
{
    check_failure(_i, "EOF\n", NULL,
        SETTINGS("tls=none", BRIEF("timeout", 400), "timeout_by_stage=false"), DELIVERY_CUT_OFF,
        STAGE_GREETING, ERROR_TIMEOUT, "");
    check_failure(_i, "S: 220 server.test\n" EHLO_STARTTLS "C: STARTTLS\nS: 220 go\nSILENCE\n",
        NULL, SETTINGS("tls=starttls", BRIEF("timeout", 400), "timeout_by_stage=false"),
        DELIVERY_CUT_OFF, STAGE_TLS, ERROR_TIMEOUT, "the TLS handshake");
}

static void check_fails_alone(int driver, const char *const *settings, DeliveryStage stage,
    int error, FaultReason reason, const char *word)
{
    uint16_t port;
    int listening = test_listen(1, &port);
    Client client;

    close(listening);
    client = client_for(port, settings);
    client_run(&client, driver);
    check_outcome(&client, DELIVERY_CUT_OFF, stage, error);
    ck_assert_int_eq(client.outcome.reason, reason);
    ck_assert_msg(strstr(client.text, word), "\"%s\" lacks \"%s\"", client.text, word);
    client_done(&client);
}

START_TEST(a_relay_that_cannot_be_reached_is_told)
{
    check_fails_alone(_i, SETTINGS("tls=none"), STAGE_CONNECT, 10061, REASON_CONNECT_REFUSED,
        "(Connection refused)");
    check_fails_alone(_i, SETTINGS("tls=none", "local_host=192.0.2.1"), STAGE_CONNECT, 10049,
        REASON_LOCAL_ADDRESS, "local_host");
    check_fails_alone(_i, SETTINGS("tls=none", "user=ann", "password_command=exit 3"), STAGE_AUTH,
        ERROR_CONFIGURATION, REASON_SECRET, "exit 3");
}
END_TEST

static void check_reason(int driver, const char *script, const TestServerOptions *options,
    const char *const *settings, FaultReason reason)
{
    TestServer *server = test_server_start(SCRIPTS(script), options);
    Client client = client_for(test_server_port(server), settings);

    client_run(&client, driver);
    ck_assert_int_eq(client.outcome.kind, DELIVERY_CUT_OFF);
    ck_assert_msg(client.outcome.reason == reason, "%d, not %d: %s", client.outcome.reason, reason,
        client.text);
    test_server_stop(server);
    client_done(&client);
}

/* What is mended in different ways, though the stage and the number be the same. */
PATIENT_TEST(each_failure_has_its_reason)
{
    const TestServerOptions with_tls = {.certificate = &certificate};
    const TestServerOptions old = {.certificate = &certificate, .max_version = TLS1_2_VERSION};
    const TestServerOptions demanding = {
        .certificate = &certificate, .client_authority = authority_path};

    check_reason(
        _i, "PAUSE 10\n", NULL, SETTINGS("tls=implicit", "tls_ciphers=LOW"), REASON_TLS_CIPHERS);
    check_reason(_i, "TLS\n", &old, SETTINGS("tls=implicit", "tls_protocols=TLSv1.3"),
        REASON_TLS_NO_COMMON_VERSION);
    check_reason(_i, "TLS\n", &old,
        SETTINGS(
            "tls=implicit", "tls_protocols=TLSv1.2", "tls_ciphers=ECDHE-RSA-AES128-GCM-SHA256"),
        REASON_TLS_NOTHING_IN_COMMON);
    check_reason(_i, "TLS\n", &demanding, SETTINGS("tls=implicit"), REASON_TLS_CERTIFICATE_WANTED);
    check_reason(_i, "BYTES 5\nSILENCE\n", NULL,
        SETTINGS("tls=implicit", BRIEF("timeout", 400), "timeout_by_stage=false"),
        REASON_TLS_TIMEOUT);
    check_reason(_i, "BYTES 5\n", NULL, SETTINGS("tls=implicit"), REASON_TLS_CLOSED);
    check_reason(_i, "TLS\n", &with_tls, SETTINGS("tls=implicit", "tls_name=other.test"),
        REASON_CERTIFICATE_NAME);
}

/* The certificate authorities may be gone by the time of the first connection. */
START_TEST(a_tls_context_that_cannot_be_made_is_told)
{
    TestServer *server = test_server_start(SCRIPTS("PAUSE 10\n"), NULL);
    Client client = client_for(test_server_port(server), SETTINGS("tls=implicit"));

    ck_assert_int_eq(unlink(authority_path), 0);
    client_run(&client, _i);
    test_certificate_save(&authority, authority_path, NULL, NULL);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_TLS, ERROR_CERTIFICATE_STORE);
    ck_assert_ptr_nonnull(strstr(client.text, authority_path));
    test_server_stop(server);
    client_done(&client);
}
END_TEST

START_TEST(a_connection_can_be_freed_at_any_time)
{
    uint16_t port;
    _unused_ _cleanup_close_ int listening = test_listen(16, &port);
    Client client = client_for(port, SETTINGS("tls=none", "host=localhost", "ip_version=0"));
    SmtpEvent event;

    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(
            connection_new(client.shared, NULL, NULL, clock_monotonic(), &client.connection), 0);
        for (unsigned k = 0; k < i; k++) {
            ck_assert_int_eq(connection_step(client.connection, clock_monotonic(), &event), 0);
            (void)poll(NULL, 0, 20);
        }
        connection_free(client.connection);
    }
    client_done(&client);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net connection");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, messages_go_out_in_clear, 0, 2);
    tcase_add_loop_test(tests, messages_go_out_over_starttls, 0, 2);
    tcase_add_loop_test(tests, messages_go_out_over_implicit_tls, 0, 2);
    tcase_add_loop_test(tests, the_next_connection_resumes_the_tls_session, 0, 2);
    tcase_add_loop_test(tests, a_session_that_leads_to_nothing_is_done_without, 0, 2);
    tcase_add_loop_test(tests, a_session_of_a_lost_connection_is_forgotten, 0, 2);
    tcase_add_loop_test(tests, a_server_that_fails_fails_with_a_session_too, 0, 2);
    tcase_add_loop_test(tests, starttls_that_is_no_tls_is_no_matter_of_ports, 0, 2);
    tcase_add_loop_test(tests, ehlo_says_who_calls, 0, 2);
    tcase_add_loop_test(tests, a_relay_that_hangs_up_is_told, 0, 2);
    tcase_add_loop_test(tests, a_server_s_last_words_are_heard, 0, 2);
    tcase_add_loop_test(tests, what_is_accepted_is_heard_though_sending_fails, 0, 2);
    tcase_add_loop_test(tests, a_reply_that_there_is_no_memory_for_may_have_been_good, 0, 2);
    tcase_add_loop_test(tests, a_relay_without_bdat_gets_data_next_time, 0, 2);
    tcase_add_loop_test(tests, a_certificate_that_is_not_trusted_ends_the_connection, 0, 2);
    tcase_add_loop_test(tests, silence_ends_the_connection, 0, 2);
    tcase_add_loop_test(tests, a_relay_that_cannot_be_reached_is_told, 0, 2);
    tcase_add_loop_test(tests, each_failure_has_its_reason, 0, 2);
    tcase_add_loop_test(tests, a_tls_context_that_cannot_be_made_is_told, 0, 2);
    tcase_add_test(tests, a_connection_can_be_freed_at_any_time);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
