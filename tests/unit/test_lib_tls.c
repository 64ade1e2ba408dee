/* What a client tells of TLS, and what can be asked of it: against a server with real TLS. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib_client.h"
#include "server.h"

#define DIALOGUE                                                                            \
    "S: 220 server.test ESMTP\nC: EHLO\nS: 250-server.test\nS: 250 STARTTLS\nC: STARTTLS\n" \
    "S: 220 go on\nTLS\nC: EHLO\nS: 250-server.test\nS: 250 AUTH PLAIN\nC: AUTH PLAIN\n"    \
    "S: 235 2.7.0 welcome\nC: QUIT\nS: 221 2.0.0 bye\nEOF\n"
#define REFUSED                                                                             \
    "S: 220 server.test ESMTP\nC: EHLO\nS: 250-server.test\nS: 250 STARTTLS\nC: STARTTLS\n" \
    "S: 220 go on\nTLS\nEOF\n"

#define OFFERS                                                                              \
    "S: 220 server.test ESMTP\nC: EHLO\nS: 250-server.test\nS: 250 STARTTLS\nC: STARTTLS\n" \
    "S: 220 go on\nTLS\nC: EHLO\nS: 250-server.test\nS: 250-SIZE 18446744073709551615\n"    \
    "S: 250-X-STRANGE\nS: 250-PIPELINING\nS: 250-dsn\nS: 250 AUTH PLAIN login\n"            \
    "C: AUTH PLAIN\nS: 235 2.7.0 welcome\nC: QUIT\nS: 221 2.0.0 bye\nEOF\n"

typedef struct Seen {
    char trace[4096], status[4096], verdict[1024], events[1024];
    char subject[128], version[32], offered[128]; /* the last two asked for in an event */
    int asked, accepts, decides, decision;
} Seen;

static TestCertificate certificate;
static OutboxClient *client;
static TestServer *server;
static Seen seen;

static void append(char *to, size_t size, const char *text)
{
    size_t n = strlen(to);

    snprintf(to + n, size - n, "%s\n", text);
}

static void on_trace(void *user, int direction, const char *line, size_t n)
{
    Seen *s = user;
    char text[600];

    ck_assert_uint_eq(strlen(line), n);
    snprintf(text, sizeof(text), "%d %s", direction, line);
    append(s->trace, sizeof(s->trace), text);
}

static void on_certificate(
    void *user, const OutboxCertificate *shown, const char *status, int *accept)
{
    Seen *s = user;

    s->asked++;
    s->accepts = *accept;
    snprintf(s->verdict, sizeof(s->verdict), "%s", status);
    snprintf(s->subject, sizeof(s->subject), "%s", outbox_certificate_get(shown, "Subject"));
    if (s->decides)
        *accept = s->decision;
}

static void on_tls_status(void *user, const char *text)
{
    append(((Seen *)user)->status, sizeof(((Seen *)user)->status), text);
}

static void on_connection_status(void *user, const char *event, int code, const char *text)
{
    Seen *s = user;

    (void)code;
    (void)text;
    append(s->events, sizeof(s->events), event);
    if (strcmp(event, "SSL handshake complete") != 0)
        return;
    snprintf(s->version, sizeof(s->version), "%s", outbox_get(client, "SSLNegotiatedVersion"));
    snprintf(s->offered, sizeof(s->offered), "%s %s", outbox_get(client, "ServerName"),
        outbox_get(client, "ServerMechanisms"));
}

static void set(const char *name, const char *value)
{
    client_set(client, name, value);
}

static void start(const char *const *scripts)
{
    const TestCertificateSpec spec = {
        .common_name = "server.test", .names = "DNS:server.test, IP:127.0.0.1"};
    static TestServerOptions options;
    const OutboxEvents events = {
        .size = sizeof(events),
        .user = &seen,
        .connection_status = on_connection_status,
        .trace = on_trace,
        .server_certificate = on_certificate,
        .tls_status = on_tls_status,
    };

    seen = (Seen){0};
    certificate = test_certificate_new(&spec, NULL);
    options = (TestServerOptions){.certificate = &certificate};
    server = test_server_start(scripts, &options);
    client = client_start(test_server_port(server), &events);
    set("SSLStartMode", "sslExplicit");
    set("User", "app");
    set("Password", "very secret");
}

static void stop(void)
{
    outbox_client_free(client);
    test_server_stop(server);
    test_certificate_done(&certificate);
}

/* SSLServerAuthentication: accepted against the verdict; PITrail without secrets; SSLStatus;
 * SSLServerCert and the SSLNegotiated... settings. */
START_TEST(a_program_accepts_a_certificate)
{
    const char *const scripts[] = {DIALOGUE, NULL};

    start(scripts);
    seen.decides = seen.decision = 1;
    ck_assert_msg(outbox_connect(client) == 0, "%s", outbox_error_text(client));
    ck_assert_int_eq(seen.asked, 1);
    ck_assert_int_eq(seen.accepts, 0);
    ck_assert_str_ne(seen.verdict, "OK");
    ck_assert_str_eq(seen.subject, "CN=server.test");
    ck_assert_ptr_nonnull(strstr(seen.trace, "0 STARTTLS\n1 220 go on\n"));
    ck_assert_ptr_nonnull(strstr(seen.trace, "AUTH PLAIN ***"));
    ck_assert_ptr_null(strstr(seen.trace, "secret"));
    ck_assert_str_ne(seen.status, "");
    ck_assert_str_eq(seen.events, "Remote host connection complete\nSSL handshake complete\n");
    ck_assert_int_eq(strncmp(outbox_get(client, "SSLNegotiatedVersion"), "TLSv1.", 6), 0);
    ck_assert_str_ne(outbox_get(client, "SSLNegotiatedCipherSuite"), "");
    ck_assert_str_ne(outbox_get(client, "SSLNegotiatedCipher"), "");
    ck_assert_int_ge(atoi(outbox_get(client, "SSLNegotiatedCipherStrength")), 128);
    ck_assert_str_ne(outbox_get(client, "SSLNegotiatedKeyExchange"), "");
    ck_assert_str_ne(outbox_get(client, "SSLNegotiatedKeyExchangeStrength"), "");
    ck_assert_str_eq(outbox_get(client, "AuthMechanismUsed"), "PLAIN");
    ck_assert_int_eq(outbox_disconnect(client), 0);
    ck_assert_str_eq(outbox_get(client, "SSLNegotiatedVersion"), "");
    ck_assert_ptr_nonnull(strstr(seen.events, "SSL connection broken\nRemote host disconnected\n"));
    ck_assert_str_eq(
        outbox_certificate_get(outbox_server_certificate(client), "Subject"), "CN=server.test");
    ck_assert_ptr_null(outbox_certificate_get(outbox_server_certificate(client), "Colour"));
    stop();
}
END_TEST

/* What a server says of itself, also in an event of a connection that is only being made, and
 * nothing of it before and afterwards. */
START_TEST(the_server_says_what_it_offers)
{
    static const char *const names[] = {"ServerName", "ServerExtensions", "ServerMechanisms",
        "ServerSizeLimit", "RemoteAddress", "AuthMechanismUsed"};
    const char *const scripts[] = {OFFERS, NULL};

    start(scripts);
    seen.decides = seen.decision = 1;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ck_assert_str_eq(outbox_get(client, names[i]), "");
    ck_assert_msg(outbox_connect(client) == 0, "%s", outbox_error_text(client));
    ck_assert_int_eq(strncmp(seen.version, "TLSv1.", 6), 0);
    ck_assert_str_eq(seen.offered, " "); /* what was said before TLS counts for nothing */
    ck_assert_str_eq(outbox_get(client, "ServerName"), "server.test");
    ck_assert_str_eq(outbox_get(client, "server_extensions"), "PIPELINING SIZE DSN AUTH");
    ck_assert_str_eq(outbox_get(client, "ServerMechanisms"), "PLAIN LOGIN");
    ck_assert_str_eq(outbox_get(client, "ServerSizeLimit"), "18446744073709551615");
    ck_assert_int_eq(strncmp(outbox_get(client, "RemoteAddress"), "127.0.0.1:", 10), 0);
    ck_assert_int_eq(outbox_set(client, "ServerName", "x"), 9001);
    ck_assert_ptr_nonnull(strstr(outbox_error_text(client), "can only be read"));
    ck_assert_int_eq(outbox_disconnect(client), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ck_assert_str_eq(outbox_get(client, names[i]), "");
    stop();
}
END_TEST

/* Without a word of the program's the verdict holds, and no password goes out. */
START_TEST(the_verdict_holds)
{
    const char *const scripts[] = {REFUSED, NULL};

    start(scripts);
    ck_assert_int_ne(outbox_connect(client), 0);
    ck_assert_int_eq(seen.asked, 1);
    ck_assert_ptr_nonnull(strstr(outbox_error_text(client), "certificate"));
    ck_assert_ptr_null(strstr(seen.trace, "AUTH PLAIN ***"));
    ck_assert(!outbox_is_connected(client));
    stop();
}
END_TEST

/* And a program may be stricter than the settings. */
START_TEST(a_program_refuses_a_certificate)
{
    const char *const scripts[] = {REFUSED, NULL};
    char *fingerprint;

    start(scripts);
    fingerprint = test_certificate_fingerprint(&certificate, false);
    set("SSLAcceptServerCert", fingerprint);
    seen.decides = 1;
    ck_assert_int_ne(outbox_connect(client), 0);
    ck_assert_int_eq(seen.accepts, 1);
    free(fingerprint);
    stop();
}
END_TEST

/* ---- certificates of the program's own ---- */

START_TEST(a_certificate_is_loaded)
{
    const TestCertificateSpec spec = {.common_name = "own.test", .names = "DNS:own.test"};
    TestCertificate own = test_certificate_new(&spec, NULL);
    OutboxCertificate *loaded;
    OutboxStore store = {.size = sizeof(store), .store = "/tmp/outbox-test-lib-tls.pem"};
    char *text;
    int number;

    test_certificate_save(&own, store.store, "/tmp/outbox-test-lib-tls.key", NULL);
    loaded = outbox_certificate_load(&store, &number, &text);
    ck_assert_ptr_nonnull(loaded);
    ck_assert_str_eq(outbox_certificate_get(loaded, "Subject"), "CN=own.test");
    ck_assert_str_eq(outbox_certificate_get(loaded, "PrivateKeyAvailable"), "0");
    ck_assert_uint_eq(strlen(outbox_certificate_get(loaded, "ThumbprintSHA256")), 64);
    ck_assert_uint_eq(outbox_certificate_chain_count(loaded), 0);
    ck_assert_ptr_null(outbox_certificate_chain(loaded, 0));
    outbox_certificate_free(loaded);
    store.subject = "somebody else";
    ck_assert_ptr_null(outbox_certificate_load(&store, &number, &text));
    ck_assert_int_eq(number, 272);
    outbox_free(text);
    store.store = "/nonexistent.pem";
    ck_assert_ptr_null(outbox_certificate_load(&store, &number, &text));
    ck_assert_int_eq(number, 271);
    ck_assert_ptr_nonnull(strstr(text, "/nonexistent.pem"));
    outbox_free(text);
    store.type = "cstNothing";
    ck_assert_ptr_null(outbox_certificate_load(&store, &number, NULL));
    ck_assert_int_eq(number, 9001);
    ck_assert_int_eq(
        unlink("/tmp/outbox-test-lib-tls.pem") | unlink("/tmp/outbox-test-lib-tls.key"), 0);
    test_certificate_done(&own);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("lib/tls");
    TCase *tests = tcase_create("lib/tls");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_program_accepts_a_certificate);
    tcase_add_test(tests, the_server_says_what_it_offers);
    tcase_add_test(tests, the_verdict_holds);
    tcase_add_test(tests, a_program_refuses_a_certificate);
    tcase_add_test(tests, a_certificate_is_loaded);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
