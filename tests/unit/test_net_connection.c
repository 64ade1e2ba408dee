/* Whole connections with both drivers against a scripted server: messages with and without TLS, and
 * every way in which a transport fails. */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/hostname.h"
#include "base/text.h"
#include "certificates.h"
#include "net/drive_event.h"
#include "net/drive_poll.h"
#include "server.h"
#include "settings/load.h"
#include "unit.h"

#define EHLO "C: EHLO client.test\nS: 250-server.test\nS: 250 PIPELINING\n"
#define EHLO_STARTTLS "C: EHLO client.test\nS: 250-server.test\nS: 250 STARTTLS\n"
#define STARTTLS EHLO_STARTTLS "C: STARTTLS\nS: 220 go ahead\nTLS\n"
#define ENVELOPE "C: MAIL FROM:<ann@client.test>\nC: RCPT TO:<bob@server.test>\nC: DATA\n"
#define ACCEPTED "S: 250 sender\nS: 250 recipient\nS: 354 go ahead\nM:\nS: 250 taken\n"
#define QUIT "C: QUIT\nS: 221 bye\nEOF\n"
#define MESSAGE ENVELOPE ACCEPTED

static char directory[] = "/tmp/outbox-test-XXXXXX";
static char authority_setting[64];
static char authority_path[48];
static TestCertificate authority, certificate, expired;

static void make_certificates(void)
{
    const TestCertificateSpec spec_authority = {"Test Authority", NULL, 0, 0, true};
    const TestCertificateSpec spec = {"server", "IP:127.0.0.1", 0, 0, false};
    const TestCertificateSpec spec_expired = {"server", "IP:127.0.0.1", -7200, -3600, false};

    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(authority_path, sizeof(authority_path), "%s/ca.pem", directory);
    snprintf(authority_setting, sizeof(authority_setting), "tls_ca_file=%s", authority_path);
    authority = test_certificate_new(&spec_authority, NULL);
    certificate = test_certificate_new(&spec, &authority);
    expired = test_certificate_new(&spec_expired, &authority);
    test_certificate_save(&authority, authority_path, NULL, NULL);
}

static void remove_certificates(void)
{
    (void)unlink(authority_path);
    (void)rmdir(directory);
    test_certificate_done(&authority);
    test_certificate_done(&certificate);
    test_certificate_done(&expired);
}

/* ---- a client that delivers messages and leaves ---- */

typedef struct Client {
    Config *config;
    ConnectionShared *shared;
    unsigned messages;    /* to deliver */
    size_t message_bytes; /* of each */

    Connection *connection;
    SmtpRecipient recipient;
    SmtpTransaction transaction;
    size_t given; /* of the content */

    unsigned delivered, deferred;
    bool ready, closed, resumed;
    DeliveryOutcome outcome; /* of CLOSED */
    char text[1000];         /* its text */
    char tls[100];
    char trace[4000]; /* what the transport and the client said */
} Client;

static void on_trace(void *user, SmtpTraceDirection direction, const char *line, size_t n)
{
    Client *client = user;
    size_t used = strlen(client->trace);

    if (direction != SMTP_TRACE_SERVER)
        snprintf(client->trace + used, sizeof(client->trace) - used, "%.*s\n", (int)n, line);
}

static void submit(Client *client)
{
    client->recipient = (SmtpRecipient){.address = "bob@server.test"};
    client->transaction = (SmtpTransaction){
        .sender = "ann@client.test",
        .recipients = &client->recipient,
        .n_recipients = 1,
        .size = client->message_bytes,
    };
    client->given = 0;
    ck_assert_int_eq(smtp_session_submit(connection_session(client->connection),
                         &client->transaction, clock_monotonic()),
        0);
}

static void give_content(Client *client)
{
    static const char line[] = "0123456789012345678901234567890123456789012345678901234567890\n";
    SmtpSession *session = connection_session(client->connection);

    if (client->given >= client->message_bytes) {
        ck_assert_int_eq(smtp_session_content_end(session, clock_monotonic()), 0);
        return;
    }
    for (unsigned i = 0; i < 500 && client->given < client->message_bytes; i++) {
        ck_assert_int_eq(smtp_session_content(session, line, strlen(line)), 0);
        client->given += strlen(line);
    }
}

static void note_closed(Client *client, const DeliveryOutcome *outcome)
{
    client->closed = true;
    client->outcome = *outcome;
    snprintf(client->text, sizeof(client->text), "%s", outcome->text);
    snprintf(client->tls, sizeof(client->tls), "%s", connection_tls(client->connection) ?: "");
    client->resumed = connection_tls_resumed(client->connection);
}

static int on_event(void *user, Connection *connection, const SmtpEvent *event)
{
    Client *client = user;

    switch (event->type) {
    case SMTP_EVENT_NEED_TLS: ck_abort_msg("NEED_TLS is the connection's own"); break;
    case SMTP_EVENT_REPLY: ck_abort_msg("nobody asked for a reply"); break;
    case SMTP_EVENT_READY:
        client->ready = true;
        submit(client);
        break;
    case SMTP_EVENT_NEED_CONTENT: give_content(client); break;
    case SMTP_EVENT_RECIPIENT:
        client->delivered += event->outcome->kind == DELIVERY_DELIVERED;
        client->deferred += event->outcome->kind == DELIVERY_DEFERRED;
        break;
    case SMTP_EVENT_TRANSACTION_DONE:
        if (!smtp_session_can_submit(connection_session(connection)))
            break;
        if (client->delivered < client->messages)
            submit(client);
        else
            smtp_session_quit(connection_session(connection), clock_monotonic());
        break;
    case SMTP_EVENT_CLOSED: note_closed(client, event->outcome); break;
    }
    return 0;
}

static void run_by_poll(Client *client)
{
    SmtpEvent event;

    while (!client->closed) {
        ck_assert_int_eq(connection_wait(client->connection, false, &event), 1);
        ck_assert_int_eq(on_event(client, client->connection, &event), 0);
    }
    ck_assert_int_eq(connection_wait(client->connection, false, &event), -ENOTCONN);
}

typedef struct Loop {
    sd_event *event;
    Client *client;
    ConnectionSource *source;
} Loop;

static int loop_event(void *user, Connection *connection, const SmtpEvent *event)
{
    Loop *loop = user;

    ck_assert(!loop->client->closed);
    return on_event(loop->client, connection, event);
}

static void loop_settled(void *user, _unused_ Connection *connection, int result)
{
    Loop *loop = user;

    ck_assert_int_eq(result, 0);
    if (!loop->client->closed)
        return;
    connection_source_free(loop->source);
    loop->source = NULL;
    (void)sd_event_exit(loop->event, 0);
}

static void run_by_event(Client *client)
{
    Loop loop = {.client = client};

    ck_assert_int_ge(sd_event_new(&loop.event), 0);
    ck_assert_int_ge(connection_source_new(loop.event, client->connection, loop_event, loop_settled,
                         &loop, &loop.source),
        0);
    ck_assert_int_eq(sd_event_loop(loop.event), 0);
    ck_assert_ptr_null(loop.source);
    (void)sd_event_unref(loop.event);
}

static Client client_for(uint16_t port, const char *const *settings)
{
    char port_setting[32];
    const char *overrides[16] = {
        "host=127.0.0.1", "hello=client.test", "timeout=5s", authority_setting, port_setting};
    _cleanup_failure_ Failure f = {0};
    Client client = {.messages = 1, .message_bytes = 100};

    snprintf(port_setting, sizeof(port_setting), "port=%u", port);
    for (size_t i = 0; settings && settings[i]; i++)
        overrides[5 + i] = settings[i];
    ck_assert_msg(
        config_load("/dev/null", overrides, &client.config, &f) == 0, "%s", failure_text(&f));
    ck_assert_int_eq(connection_shared_new(client.config, 0, &client.shared), 0);
    return client;
}

static void client_done(Client *client)
{
    (void)connection_shared_unref(client->shared);
    (void)config_unref(client->config);
}

/* One connection to its end; `driver` 0 is poll(), 1 the event loop. */
static void client_run(Client *client, int driver)
{
    client->closed = client->ready = false;
    client->delivered = client->deferred = 0;
    ck_assert_int_eq(
        connection_new(client->shared, on_trace, client, clock_monotonic(), &client->connection),
        0);
    if (driver == 0)
        run_by_poll(client);
    else
        run_by_event(client);
    connection_free(client->connection);
}

static void check_outcome(const Client *client, DeliveryKind kind, DeliveryStage stage, int error)
{
    ck_assert_msg(client->outcome.kind == kind && client->outcome.stage == stage &&
                      client->outcome.error == error,
        "%s in %s, %d: %s", delivery_kind_name(client->outcome.kind),
        delivery_stage_name(client->outcome.stage), client->outcome.error, client->text);
}

#define SCRIPTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SETTINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

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

/* Without the setting: the host's full name, or the address the server sees. */
START_TEST(ehlo_says_who_calls)
{
    TestServer *server = test_server_start(
        SCRIPTS(
            "S: 220 server.test\nC: EHLO \nS: 250-server.test\nS: 250 PIPELINING\n" MESSAGE QUIT),
        NULL);
    Client client = client_for(test_server_port(server), SETTINGS("tls=none"));
    _cleanup_free_
    char *name = NULL;
    char line[300];

    free(client.config->relays[0].hello);
    client.config->relays[0].hello = NULL;
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

START_TEST(a_relay_that_hangs_up_is_told)
{
    check_failure(_i, "PAUSE 10\n", NULL, SETTINGS("tls=none"), DELIVERY_CUT_OFF, STAGE_GREETING,
        ERROR_CONNECTION_DROPPED, "the server closed the connection");
    check_failure(_i, "S: 220 server.test\nC: EHLO\nRESET\n", NULL, SETTINGS("tls=none"),
        DELIVERY_CUT_OFF, STAGE_EHLO, 10054, "Connection reset by peer");
    check_failure(_i,
        "S: 220 server.test\n" EHLO ENVELOPE
        "S: 250 sender\nS: 250 recipient\nS: 354 go ahead\nBYTES 5000\nRESET\n",
        NULL, SETTINGS("tls=none"), DELIVERY_DEFERRED, STAGE_CONTENT, 10054,
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

START_TEST(a_certificate_that_is_not_trusted_ends_the_connection)
{
    const TestServerOptions options = {.certificate = &expired};

    check_failure(_i, "S: 220 server.test\n" STARTTLS, &options, SETTINGS("tls=starttls"),
        DELIVERY_CUT_OFF, STAGE_CERTIFICATE, ERROR_CERTIFICATE_VERIFY, "it expired on");
    check_failure(_i, "TLS\n", &options, SETTINGS("tls=implicit"), DELIVERY_CUT_OFF,
        STAGE_CERTIFICATE, ERROR_CERTIFICATE_VERIFY, "it expired on");
}
END_TEST

START_TEST(silence_ends_the_connection)
{
    check_failure(_i, "EOF\n", NULL, SETTINGS("tls=none", "timeout=0.4s", "timeout_by_stage=false"),
        DELIVERY_CUT_OFF, STAGE_GREETING, ERROR_TIMEOUT, "");
    check_failure(_i, "S: 220 server.test\n" EHLO_STARTTLS "C: STARTTLS\nS: 220 go\nPAUSE 700\n",
        NULL, SETTINGS("tls=starttls", "timeout=0.4s", "timeout_by_stage=false"), DELIVERY_CUT_OFF,
        STAGE_TLS, ERROR_TIMEOUT, "the TLS handshake");
}
END_TEST

static void check_fails_alone(
    int driver, const char *const *settings, DeliveryStage stage, int error, const char *word)
{
    uint16_t port;
    int listening = test_listen(1, &port);
    Client client;

    close(listening);
    client = client_for(port, settings);
    client_run(&client, driver);
    check_outcome(&client, DELIVERY_CUT_OFF, stage, error);
    ck_assert_msg(strstr(client.text, word), "\"%s\" lacks \"%s\"", client.text, word);
    client_done(&client);
}

START_TEST(a_relay_that_cannot_be_reached_is_told)
{
    check_fails_alone(
        _i, SETTINGS("tls=none"), STAGE_CONNECT, 10061, "(127.0.0.1: Connection refused)");
    check_fails_alone(
        _i, SETTINGS("tls=none", "local_host=192.0.2.1"), STAGE_CONNECT, 10049, "local_host");
    check_fails_alone(_i, SETTINGS("tls=none", "user=ann", "password_command=exit 3"), STAGE_AUTH,
        ERROR_CONFIGURATION, "exit 3");
}
END_TEST

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
    tcase_add_loop_test(tests, ehlo_says_who_calls, 0, 2);
    tcase_add_loop_test(tests, a_relay_that_hangs_up_is_told, 0, 2);
    tcase_add_loop_test(tests, a_server_s_last_words_are_heard, 0, 2);
    tcase_add_loop_test(tests, a_certificate_that_is_not_trusted_ends_the_connection, 0, 2);
    tcase_add_loop_test(tests, silence_ends_the_connection, 0, 2);
    tcase_add_loop_test(tests, a_relay_that_cannot_be_reached_is_told, 0, 2);
    tcase_add_loop_test(tests, a_tls_context_that_cannot_be_made_is_told, 0, 2);
    tcase_add_test(tests, a_connection_can_be_freed_at_any_time);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
