/* Connections through a proxy: which of its addresses and of the relay's are tried, what is
 * remembered of them, and what is told. The proxies here speak HTTP; the bytes of all kinds are in
 * the tests of proxy/. */
#include <openssl/ssl.h>

#include "fake_names.h"
#include "net_client.h"

#define RELAY_PORT 2525
#define ASKS(target) "C: CONNECT " target ":2525 HTTP/1.1\nC: Host: " target ":2525\nC: \n"
#define OPENS "S: HTTP/1.1 200 OK\nS: \n"
#define REFUSES(status) "S: HTTP/1.1 " status "\nS: \nEOF\n"
#define SERVER "S: 220 server.test\n" EHLO MESSAGE QUIT
#define GOOD(target) ASKS(target) OPENS SERVER
#define WANTS "S: HTTP/1.1 407 No\nS: Content-Length: 0\nS: Proxy-Authenticate: Basic realm=x\n"
#define LOGIN "C: Proxy-Authorization: Basic YW5uOnNlY3JldA==\n"

static uint16_t port;
static int reserved = -1; /* at 127.0.0.1: nobody else takes the port */

static void begin(const char *const *addresses)
{
    reserved = test_listen(1, &port);
    names_begin(addresses);
}

static void end(Client *client)
{
    client_done(client);
    close(reserved);
    names_release();
}

static TestServer *serve_at(
    const char *address, const char *const *scripts, const TestCertificate *presented)
{
    const TestServerOptions options = {.certificate = presented, .address = address, .port = port};

    return test_server_start(scripts, &options);
}

static Client client_via(const char *host, const char *proxy, const char *const *settings)
{
    char host_setting[64], proxy_setting[64], port_setting[32];
    const char *all[11] = {host_setting, proxy_setting, port_setting, "proxy_type=tunnel"};

    snprintf(host_setting, sizeof(host_setting), "host=%s", host);
    snprintf(proxy_setting, sizeof(proxy_setting), "proxy_host=%s", proxy);
    snprintf(port_setting, sizeof(port_setting), "proxy_port=%u", port);
    for (size_t i = 0; settings[i]; i++)
        all[4 + i] = settings[i];
    return client_for(RELAY_PORT, all);
}

#define CLEAR SETTINGS("tls=none")
#define HERE SETTINGS("tls=none", "proxy_resolve=here")

static void check_has(const Client *client, const char *words)
{
    ck_assert_msg(strstr(client->trace, words), "%s in:\n%s", words, client->trace);
}

static void check_lacks(const Client *client, const char *words)
{
    ck_assert_msg(!strstr(client->trace, words), "%s in:\n%s", words, client->trace);
}

static void check_delivers(Client *client, int driver)
{
    client->trace[0] = '\0';
    client_run(client, driver);
    check_outcome(client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_uint_eq(client->delivered, 1);
}

/* ---- addresses of the relay ---- */

/* The proxy cannot get to the first, or does not want to, and the next connection begins with the
 * second; that is no fault of the proxy's address. */
START_TEST(the_next_address_of_the_relay_is_asked_for)
{
    static const char *const refusals[] = {
        ASKS("192.0.2.1") REFUSES("502 Bad Gateway"),
        ASKS("192.0.2.1") REFUSES("403 Forbidden"),
        ASKS("192.0.2.1") OPENS "S: 554 5.7.1 not you\nC: QUIT\nEOF\n",
        ASKS("192.0.2.1") OPENS "RESET\n",
    };

    for (size_t i = 0; i < ELEMENTSOF(refusals); i++) {
        TestServer *proxy;
        Client client;

        begin(SCRIPTS("192.0.2.1", "192.0.2.2"));
        proxy =
            serve_at("127.0.0.2", SCRIPTS(refusals[i], GOOD("192.0.2.2"), GOOD("192.0.2.2")), NULL);
        client = client_via("relay.test", "127.0.0.2", HERE);
        check_delivers(&client, _i);
        check_has(&client, "connected to 192.0.2.2:2525 through the proxy");
        check_delivers(&client, _i);
        check_lacks(&client, "192.0.2.1");
        test_server_stop(proxy);
        end(&client);
    }
}
END_TEST

/* What happened at each is told, and the first in the words of the one that came farthest. */
START_TEST(a_relay_that_refuses_is_not_asked_for_by_another_proxy)
{
    TestServer *proxy;
    Client client;

    begin(SCRIPTS("127.0.0.2", "127.0.0.3"));
    proxy = serve_at(
        "127.0.0.2", SCRIPTS(ASKS("192.0.2.1") OPENS "S: 554 5.7.1 not you\nC: QUIT\nEOF\n"), NULL);
    client = client_via("192.0.2.1", "relay.test", CLEAR);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_GREETING, ERROR_SMTP_PROTOCOL);
    ck_assert_int_eq(client.outcome.code, 554);
    check_lacks(&client, "127.0.0.3");
    test_server_stop(proxy);
    end(&client);
}
END_TEST

/* ---- addresses of the proxy ---- */

START_TEST(the_next_address_of_the_proxy_is_tried)
{
    static const char *const scripts[] = {
        NULL, /* nobody listens */
        "RESET\n",
        ASKS("mail.test") "S: SSH-2.0-OpenSSH\nEOF\n",
        ASKS("mail.test") "PAUSE 1\n",
        ASKS("mail.test") REFUSES("503 Service Unavailable"),
    };

    for (size_t i = 0; i < ELEMENTSOF(scripts); i++) {
        TestServer *first, *second;
        Client client;

        begin(SCRIPTS("127.0.0.2", "127.0.0.3"));
        first = scripts[i] ? serve_at("127.0.0.2", SCRIPTS(scripts[i]), NULL) : NULL;
        second = serve_at("127.0.0.3",
            i + 1 < ELEMENTSOF(scripts) ? SCRIPTS(GOOD("mail.test"), GOOD("mail.test"))
                                        : SCRIPTS(GOOD("mail.test")),
            NULL);
        client = client_via("mail.test", "relay.test", CLEAR);
        check_delivers(&client, _i);
        check_has(&client, "connecting to the proxy 127.0.0.2");
        check_has(&client, "connected to mail.test:2525 through the proxy");
        ck_assert_uint_eq(names_count(&names.relays), 1); /* the proxy's name, and no other */
        if (i + 1 < ELEMENTSOF(scripts)) {
            check_delivers(&client, _i);
            check_lacks(&client, "127.0.0.2");
        }
        if (first)
            test_server_stop(first);
        test_server_stop(second);
        end(&client);
    }
}
END_TEST

START_TEST(each_address_of_the_proxy_is_told)
{
    TestServer *first;
    Client client;

    begin(SCRIPTS("127.0.0.2", "127.0.0.3"));
    first = serve_at("127.0.0.2", SCRIPTS(ASKS("mail.test") REFUSES("403 Forbidden")), NULL);
    client = client_via("mail.test", "relay.test", CLEAR);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_PROXY, ERROR_FIREWALL);
    ck_assert_int_eq(client.outcome.cause, CAUSE_PROTOCOL);
    ck_assert_int_eq(client.outcome.reason, REASON_PROXY_REFUSED);
    ck_assert_ptr_nonnull(strstr(client.text, "did not connect to mail.test:2525 (403 Forbidden)"));
    ck_assert_ptr_nonnull(strstr(client.text, "127.0.0.3: Connection refused"));
    test_server_stop(first);
    end(&client);
    begin(SCRIPTS("127.0.0.2", "127.0.0.3"));
    client = client_via("mail.test", "relay.test", CLEAR);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_PROXY, ERROR_FIREWALL);
    ck_assert_int_eq(client.outcome.cause, CAUSE_LOST);
    ck_assert_int_eq(client.outcome.reason, REASON_PROXY_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(client.text, "cannot connect to the proxy relay.test port"));
    end(&client);
}
END_TEST

/* ---- logins ---- */

/* With a 407 that is the end of its connection. */
START_TEST(a_login_is_repeated_over_another_connection)
{
    static const char *const first[] = {
        ASKS("mail.test") WANTS "S: Connection: close\nS: \nEOF\n",
        ASKS("mail.test") WANTS "S: \nC: CONNECT\n" /* and closes */
    };

    for (size_t i = 0; i < ELEMENTSOF(first); i++) {
        TestServer *proxy;
        Client client;

        begin(SCRIPTS("127.0.0.2"));
        proxy = serve_at("127.0.0.2",
            SCRIPTS(first[i], "C: CONNECT mail.test:2525\nC: Host:\n" LOGIN "C: \n" OPENS SERVER),
            NULL);
        client = client_via("mail.test", "relay.test",
            SETTINGS("tls=none", "proxy_user=ann", "proxy_password_command=echo secret"));
        check_delivers(&client, _i);
        check_has(&client, "Proxy-Authorization: Basic ***");
        check_lacks(&client, "YW5u");
        test_server_stop(proxy);
        end(&client);
    }
}
END_TEST

/* Accounts are locked by wrong passwords: nobody listens at the second address, which would be
 * told.
 */
START_TEST(a_refused_login_ends_at_once)
{
    TestServer *first;
    Client client;

    begin(SCRIPTS("127.0.0.2", "127.0.0.3"));
    first = serve_at("127.0.0.2",
        SCRIPTS(
            ASKS("mail.test") WANTS "S: \nC: CONNECT\nC: Host:\n" LOGIN "C: \n" WANTS "S: \nEOF\n"),
        NULL);
    client = client_via("mail.test", "relay.test",
        SETTINGS("tls=none", "proxy_user=ann", "proxy_password_command=echo secret"));
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_PROXY, ERROR_FIREWALL);
    ck_assert_int_eq(client.outcome.reason, REASON_PROXY_LOGIN);
    check_lacks(&client, "127.0.0.3");
    test_server_stop(first);
    end(&client);
}
END_TEST

/* A password in clear is for this host alone: for a proxy that goes somewhere else it is not. */
START_TEST(a_proxy_of_this_host_is_no_relay_of_this_host)
{
    static const char auth[] = "S: 220 server.test\nC: EHLO client.test\nS: 250-server.test\n"
                               "S: 250-PIPELINING\nS: 250 AUTH PLAIN\n";
    const char *const *settings = SETTINGS(
        "tls=none", "user=bob", "password_command=echo p", "auth_without_tls=true", "auth=plain");
    char here[600], elsewhere[600];
    TestServer *proxy;
    Client client;

    snprintf(here, sizeof(here), "%s%s%s", ASKS("127.0.0.1") OPENS, auth,
        "C: AUTH PLAIN\nS: 235 ok\n" MESSAGE QUIT);
    snprintf(
        elsewhere, sizeof(elsewhere), "%s%s%s", ASKS("localhost") OPENS, auth, "C: QUIT\nEOF\n");
    begin(SCRIPTS("127.0.0.2"));
    proxy = serve_at("127.0.0.2", SCRIPTS(here), NULL);
    client = client_via("127.0.0.1", "relay.test", settings);
    check_delivers(&client, _i);
    test_server_stop(proxy);
    end(&client);
    begin(SCRIPTS("127.0.0.2"));
    proxy = serve_at("127.0.0.2", SCRIPTS(elsewhere), NULL);
    client = client_via("localhost", "relay.test", settings);
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_AUTH, ERROR_AUTHENTICATION);
    test_server_stop(proxy);
    end(&client);
}
END_TEST

/* ---- TLS with the relay ---- */

#define TLS_SERVER "S: 220 server.test\n" STARTTLS EHLO MESSAGE QUIT

START_TEST(tls_is_with_the_relay)
{
    const char *const *const settings[] = {SETTINGS("tls=starttls", "tls_name=relay.test"),
        SETTINGS("tls=implicit", "tls_name=relay.test")};
    static const char *const scripts[] = {
        ASKS("mail.test") OPENS TLS_SERVER, ASKS("mail.test") OPENS "TLS\n" SERVER};

    for (size_t i = 0; i < ELEMENTSOF(scripts); i++) {
        TestServer *proxy;
        Client client;

        begin(SCRIPTS("127.0.0.2"));
        proxy = serve_at("127.0.0.2", SCRIPTS(scripts[i], scripts[i]), &certificate);
        client = client_via("mail.test", "relay.test", settings[i]);
        check_delivers(&client, _i);
        check_delivers(&client, _i);
        check_has(&client, ", resumed");
        test_server_stop(proxy);
        end(&client);
    }
}
END_TEST

/* The name is the relay's, and not the proxy's. */
START_TEST(a_certificate_of_the_proxy_is_not_one_of_the_relay)
{
    TestServer *proxy;
    Client client;

    begin(SCRIPTS("127.0.0.2"));
    proxy = serve_at("127.0.0.2", SCRIPTS(ASKS("mail.test") OPENS "TLS\nEOF\n"), &certificate);
    client = client_via("mail.test", "relay.test", SETTINGS("tls=implicit"));
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_CERTIFICATE, ERROR_CERTIFICATE_VERIFY);
    ck_assert_ptr_nonnull(strstr(client.text, "mail.test"));
    test_server_stop(proxy);
    end(&client);
}
END_TEST

/* Begun over, without TLS, the proxy is asked once more. */
START_TEST(opportunistic_tls_that_fails_is_done_without)
{
    TestServer *proxy;
    Client client;

    begin(SCRIPTS("127.0.0.2"));
    proxy = serve_at("127.0.0.2",
        SCRIPTS(ASKS("mail.test") OPENS "S: 220 server.test\n" EHLO_STARTTLS
                                        "C: STARTTLS\nS: 220 go ahead\nBYTES 5\nNOISE\n",
            ASKS("mail.test") OPENS "S: 220 server.test\n" EHLO MESSAGE QUIT),
        NULL);
    client = client_via("mail.test", "relay.test", SETTINGS("tls=opportunistic"));
    check_delivers(&client, _i);
    check_has(&client, "without TLS");
    test_server_stop(proxy);
    end(&client);
}
END_TEST

/* ---- time ---- */

/* A greeting that takes its time is not looked for behind the proxy's back: that would be a
 * connection past it, or one to it that it did not expect, which has no script. */
PATIENT_TEST(a_slow_greeting_is_waited_for)
{
    char slow[1000];
    TestServer *proxy;
    Client client;

    begin(SCRIPTS("127.0.0.2"));
    snprintf(
        slow, sizeof(slow), ASKS("mail.test") OPENS "PAUSE %u\n" SERVER, 5500 + 1000 * patience);
    proxy = serve_at("127.0.0.2", SCRIPTS(slow), NULL);
    client = client_via("mail.test", "relay.test", SETTINGS("tls=none", "timeout=5m"));
    check_delivers(&client, 0);
    check_has(&client, "no greeting from mail.test:2525 yet");
    test_server_stop(proxy);
    end(&client);
}

PATIENT_TEST(a_silent_proxy_gets_its_time_and_no_more)
{
    TestServer *proxy;
    Client client;

    begin(SCRIPTS("127.0.0.2"));
    proxy = serve_at("127.0.0.2", SCRIPTS("SILENCE\n"), NULL);
    client = client_via("mail.test", "relay.test",
        SETTINGS("tls=none", BRIEF("timeout", 300), "connect_timeout=60s"));
    client_run(&client, _i);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_PROXY, ERROR_FIREWALL);
    ck_assert_int_eq(client.outcome.cause, CAUSE_TIMEOUT);
    ck_assert_int_eq(client.outcome.reason, REASON_PROXY_TIMEOUT);
    test_server_stop(proxy);
    end(&client);
}

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net proxy");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, the_next_address_of_the_relay_is_asked_for, 0, 2);
    tcase_add_loop_test(tests, a_relay_that_refuses_is_not_asked_for_by_another_proxy, 0, 2);
    tcase_add_loop_test(tests, the_next_address_of_the_proxy_is_tried, 0, 2);
    tcase_add_loop_test(tests, each_address_of_the_proxy_is_told, 0, 2);
    tcase_add_loop_test(tests, a_login_is_repeated_over_another_connection, 0, 2);
    tcase_add_loop_test(tests, a_refused_login_ends_at_once, 0, 2);
    tcase_add_loop_test(tests, a_proxy_of_this_host_is_no_relay_of_this_host, 0, 2);
    tcase_add_loop_test(tests, tls_is_with_the_relay, 0, 2);
    tcase_add_loop_test(tests, a_certificate_of_the_proxy_is_not_one_of_the_relay, 0, 2);
    tcase_add_loop_test(tests, opportunistic_tls_that_fails_is_done_without, 0, 2);
    tcase_add_test(tests, a_slow_greeting_is_waited_for);
    tcase_add_loop_test(tests, a_silent_proxy_gets_its_time_and_no_more, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
