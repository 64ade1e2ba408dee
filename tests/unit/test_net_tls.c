/* TLS against a real OpenSSL server on a thread: what is trusted, what is not and how it is told,
 * resumption, client certificates, channel bindings. */
#include <dlfcn.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "tls_client.h"

static TestCertificate authority, good, other_name, expired, future, by_address, self_signed,
    of_client;

static void make_certificates(void)
{
    const TestCertificateSpec spec_authority = {"Test Authority", NULL, 0, 0, true};
    const TestCertificateSpec spec_good = {"mail", "DNS:mail.test, DNS:*.wild.test", 0, 0, false};
    const TestCertificateSpec spec_other = {"other", "DNS:other.test, IP:192.0.2.7", 0, 0, false};
    const TestCertificateSpec spec_expired = {"mail", "DNS:mail.test", -7200, -3600, false};
    const TestCertificateSpec spec_future = {"mail", "DNS:mail.test", 3600, 7200, false};
    const TestCertificateSpec spec_address = {"address", "IP:127.0.0.1", 0, 0, false};
    const TestCertificateSpec spec_self = {"lonely\x1b[31m", "DNS:mail.test", 0, 0, false};

    ck_assert_ptr_nonnull(mkdtemp(directory));
    authority = test_certificate_new(&spec_authority, NULL);
    good = test_certificate_new(&spec_good, &authority);
    other_name = test_certificate_new(&spec_other, &authority);
    expired = test_certificate_new(&spec_expired, &authority);
    future = test_certificate_new(&spec_future, &authority);
    by_address = test_certificate_new(&spec_address, &authority);
    self_signed = test_certificate_new(&spec_self, NULL);
    of_client = test_certificate_new(&spec_good, &authority);
    test_certificate_save(&authority, in_directory("ca.pem"), NULL, NULL);
    test_certificate_save(&self_signed, in_directory("self.pem"), NULL, NULL);
    test_certificate_save(&of_client, in_directory("client.pem"), in_directory("client.key"), NULL);
    test_certificate_save(
        &good, in_directory("good.pem"), in_directory("encrypted.key"), "open sesame");
}

static void remove_certificates(void)
{
    static const char *const names[] = {
        "ca.pem", "self.pem", "client.pem", "client.key", "good.pem", "encrypted.key", "keys.log"};
    TestCertificate *const all[] = {
        &authority, &good, &other_name, &expired, &future, &by_address, &self_signed, &of_client};

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        (void)unlink(in_directory(names[i]));
    (void)rmdir(directory);
    for (size_t i = 0; i < ELEMENTSOF(all); i++)
        test_certificate_done(all[i]);
}

START_TEST(nothing_is_written_after_a_fatal_error)
{
    const RelayConfig relay = relay_for("mail.test");
    const TestServerOptions options = {.certificate = &good};
    TestServer *server =
        test_server_start((const char *const[]){"TLS\nS: 220 hello\nNOISE\n", NULL}, &options);
    TlsContext *context = context_of(&relay);
    Client c = client_open(context, test_server_port(server));
    char text[100], much[200] = "";

    ck_assert_int_gt(client_read(&c, text, sizeof(text)), 0);
    ck_assert_int_lt(client_read(&c, text, sizeof(text)), 0);
    ck_assert(!tls_stream_pending(c.stream));
    ck_assert_int_eq(tls_stream_write(c.stream, much, sizeof(much), &c.failure), -ECONNRESET);
    ck_assert_int_eq(c.failure.number, ERROR_CONNECTION_DROPPED);
    ck_assert_int_eq(tls_stream_read(c.stream, text, sizeof(text), &c.failure), -ECONNRESET);
    client_close(&c);
    test_server_stop(server);
    (void)tls_context_unref(context);
}
END_TEST

static bool no_memory; /* for what belongs to a stream */

int SSL_set_ex_data(SSL *ssl, int index, void *data)
{
    int (*real)(SSL *, int, void *);

    *(void **)&real = dlsym(RTLD_NEXT, "SSL_set_ex_data");
    return no_memory ? 0 : real(ssl, index, data);
}

/* What OpenSSL calls later finds its stream, or there is none. */
START_TEST(a_stream_that_openssl_does_not_know_is_none)
{
    const RelayConfig relay = relay_for("localhost");
    TlsContext *context = context_of(&relay);
    TlsStream *stream = NULL;

    no_memory = true;
    ck_assert_int_eq(tls_stream_new(context, -1, clock_monotonic(), &stream, NULL), -ENOMEM);
    no_memory = false;
    ck_assert_ptr_null(stream);
    (void)tls_context_unref(context);
}
END_TEST

START_TEST(a_good_certificate_is_trusted)
{
    RelayConfig relay = relay_for("mail.test");

    check_works(&relay, SHOWS(good), "TLSv1.3 ");
    relay.host = TEXT("MAIL.TEST.");
    check_works(&relay, SHOWS(good), "TLSv1.3 ");
    relay.host = TEXT("a.wild.test");
    check_works(&relay, SHOWS(good), "TLSv1.3 ");
    relay.host = TEXT("127.0.0.1");
    check_works(&relay, SHOWS(by_address), "TLSv1.3 ");
}
END_TEST

START_TEST(protocols_and_ciphers_are_those_of_the_settings)
{
    RelayConfig relay = relay_for("mail.test");

    relay.tls_protocols = TEXT("TLSv1.2");
    check_works(&relay, SHOWS(good), "TLSv1.2 ");
    relay.tls_ciphers = TEXT("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    check_works(&relay, SHOWS(good), "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256");
    relay.tls_protocols = NULL;
    relay.tls_ciphers = TEXT("TLS_CHACHA20_POLY1305_SHA256");
    check_works(&relay, SHOWS(good), "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256");
}
END_TEST

/* 274, 275, 280. */
START_TEST(what_is_wrong_with_a_certificate_is_told)
{
    RelayConfig relay = relay_for("mail.test");

    check_refused(&relay, SHOWS(other_name), ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME,
        WORDS("mail.test", "it is for other.test, 192.0.2.7", "CN = other", "setting host"));
    check_refused(&relay, SHOWS(expired), ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_EXPIRED,
        WORDS("it expired on 20", "UTC", "Test Authority"));
    check_refused(&relay, SHOWS(future), ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NOT_YET,
        WORDS("it is valid from 20", "clock"));
    check_refused(&relay, SHOWS(self_signed), ERROR_CERTIFICATE_CHAIN,
        REASON_CERTIFICATE_SELF_SIGNED,
        WORDS("self-signed", "lonely\\1B", "tls_accept_certificate", "SHA-256"));
    relay.host = TEXT("127.0.0.1");
    check_refused(&relay, SHOWS(good), ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME,
        WORDS("127.0.0.1", "*.wild.test"));
    relay.host = TEXT("a.b.wild.test");
    check_refused(&relay, SHOWS(good), ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_NAME,
        WORDS("it is for mail.test"));
    relay.host = TEXT("mail.test");
    relay.tls_ca_file = TEXT(in_directory("self.pem"));
    check_refused(&relay, SHOWS(good), ERROR_CERTIFICATE_CHAIN_MISSING,
        REASON_CERTIFICATE_INTERMEDIATE, WORDS("issuer \"CN = Test Authority\"", "tls_ca_file"));
}
END_TEST

START_TEST(a_certificate_can_be_accepted_whatever_it_is)
{
    RelayConfig relay = relay_for("mail.test");
    _cleanup_free_
    char *of_certificate = test_certificate_fingerprint(&self_signed, false);
    _cleanup_free_
    char *of_key = test_certificate_fingerprint(&expired, true);
    char with_colons[128] = "SHA256:";

    for (size_t i = 0; of_certificate[i] != '\0'; i += 2)
        snprintf(
            with_colons + strlen(with_colons), 4, "%s%.2s", i > 0 ? ":" : "", of_certificate + i);
    relay.tls_accept_certificate = of_certificate;
    check_works(&relay, SHOWS(self_signed), "TLSv1.3 ");
    check_refused(&relay, SHOWS(expired), ERROR_CERTIFICATE_VERIFY, REASON_CERTIFICATE_EXPIRED,
        WORDS("it expired"));
    relay.tls_accept_certificate = with_colons;
    check_works(&relay, SHOWS(self_signed), "TLSv1.3 ");
    relay.tls_accept_certificate = of_key;
    check_works(&relay, SHOWS(expired), "TLSv1.3 ");
    relay.tls_accept_certificate = TEXT(in_directory("self.pem"));
    check_works(&relay, SHOWS(self_signed), "TLSv1.3 ");
    relay.tls_accept_certificate = NULL;
    relay.tls_verify = false;
    check_works(&relay, SHOWS(expired), "TLSv1.3 ");
}
END_TEST

static void check_resumption(const char *protocol, size_t binding_bytes, bool keeps_tickets)
{
    RelayConfig relay = relay_for("mail.test");
    const TestServerOptions options = {.certificate = &good, .keeps_tickets = keeps_tickets};
    TestServer *server =
        test_server_start((const char *const[]){HELLO, HELLO, HELLO, NULL}, &options);
    TlsContext *context;

    relay.tls_protocols = TEXT(protocol);
    context = context_of(&relay);
    for (unsigned i = 0; i < 3; i++) {
        Client c = client_open(context, test_server_port(server));
        const SmtpTlsInfo *info = tls_stream_info(c.stream);
        _cleanup_free_
        char *words = NULL;

        client_converse(&c);
        ck_assert_int_eq(tls_stream_resumed(c.stream), i > 0);
        ck_assert_uint_eq(info->binding_exporter_size, 32);
        ck_assert_uint_eq(info->binding_unique_size, binding_bytes);
        words = tls_stream_describe_certificate(c.stream);
        ck_assert_ptr_nonnull(words);
        ck_assert_ptr_nonnull(strstr(words, "names: mail.test, *.wild.test\n"));
        client_close(&c);
    }
    test_server_stop(server);
    (void)tls_context_unref(context);
}

START_TEST(sessions_are_resumed)
{
    check_resumption("TLSv1.3", 0, false);
    check_resumption("TLSv1.2", 12, false);
}
END_TEST

/* What SCRAM binds to is what the server knows the channel by, too. */
START_TEST(both_ends_know_the_channel_by_the_same)
{
    static const char *const protocols[] = {"TLSv1.3", "TLSv1.2"};

    for (size_t i = 0; i < ELEMENTSOF(protocols); i++) {
        RelayConfig relay = relay_for("mail.test");
        const TestServerOptions options = {.certificate = &good};
        TestServer *server =
            test_server_start((const char *const[]){"TLS\nCHANNEL\nEOF", NULL}, &options);
        char said[256] = "", known[256] = "";
        const SmtpTlsInfo *info;
        TlsContext *context;
        size_t n = 0;
        ssize_t got;
        Client c;

        relay.tls_protocols = TEXT(protocols[i]);
        context = context_of(&relay);
        c = client_open(context, test_server_port(server));
        info = tls_stream_info(c.stream);
        got = client_read(&c, said, sizeof(said) - 1);
        ck_assert_int_gt(got, 2);
        said[got - 2] = '\0';
        for (size_t k = 0; k < info->binding_exporter_size; k++)
            n += (size_t)snprintf(known + n, sizeof(known) - n, "%02x",
                ((const unsigned char *)info->binding_exporter)[k]);
        for (size_t k = 0; k < info->binding_unique_size; k++)
            n += (size_t)snprintf(known + n, sizeof(known) - n, "%02x",
                ((const unsigned char *)info->binding_unique)[k]);
        ck_assert_str_eq(said, known);
        ck_assert_int_eq(info->binding_unique != NULL, i == 1);
        client_close(&c);
        test_server_stop(server);
        (void)tls_context_unref(context);
    }
}
END_TEST

START_TEST(a_session_is_resumed_until_there_is_a_newer_one)
{
    check_resumption("TLSv1.3", 0, true);
    check_resumption("TLSv1.2", 12, true);
}
END_TEST

/* ReuseSSLSession */
START_TEST(sessions_are_not_resumed_where_that_is_off)
{
    RelayConfig relay = relay_for("mail.test");
    const TestServerOptions options = {.certificate = &good};
    TestServer *server = test_server_start((const char *const[]){HELLO, HELLO, NULL}, &options);
    TlsContext *context;

    relay.tls_reuse_session = false;
    context = context_of(&relay);
    for (unsigned i = 0; i < 2; i++) {
        Client c = client_open(context, test_server_port(server));

        client_converse(&c);
        ck_assert(!tls_stream_resumed(c.stream));
        client_close(&c);
    }
    test_server_stop(server);
    (void)tls_context_unref(context);
}
END_TEST

/* One connection at that time. Returns whether it was resumed. */
static bool converse_at(TlsContext *context, const TestServer *server, usec_t now, bool distrusted)
{
    Client c = client_open_at(context, test_server_port(server), now);
    bool resumed;

    client_converse(&c);
    resumed = tls_stream_resumed(c.stream);
    if (distrusted)
        tls_stream_distrust(c.stream);
    client_close(&c);
    return resumed;
}

/* Each session comes of the one before, and the day is that of the first. */
START_TEST(a_chain_of_resumptions_ends_after_a_day)
{
    const TestServerOptions options = {.certificate = &good};
    TestServer *server =
        test_server_start((const char *const[]){HELLO, HELLO, HELLO, HELLO, HELLO, NULL}, &options);
    RelayConfig relay = relay_for("mail.test");
    TlsContext *context;

    relay.tls_protocols = TEXT(_i == 0 ? "TLSv1.3" : "TLSv1.2");
    context = context_of(&relay);
    ck_assert(!converse_at(context, server, T0, false));
    ck_assert(converse_at(context, server, T0 + 12 * USEC_PER_HOUR, false));
    ck_assert(converse_at(context, server, T0 + 23 * USEC_PER_HOUR, false));
    ck_assert(!converse_at(context, server, T0 + 24 * USEC_PER_HOUR, false));
    ck_assert(converse_at(context, server, T0 + 47 * USEC_PER_HOUR, false));
    test_server_stop(server);
    (void)tls_context_unref(context);
}
END_TEST

START_TEST(a_session_that_led_to_nothing_is_not_resumed_again)
{
    const TestServerOptions options = {.certificate = &good};
    TestServer *server =
        test_server_start((const char *const[]){HELLO, HELLO, HELLO, HELLO, NULL}, &options);
    const RelayConfig relay = relay_for("mail.test");
    TlsContext *context = context_of(&relay);

    ck_assert(!converse_at(context, server, T0, true)); /* it was not resumed: nothing to blame */
    ck_assert(converse_at(context, server, T0, true));
    ck_assert(!converse_at(context, server, T0, false));
    ck_assert(converse_at(context, server, T0, false));
    test_server_stop(server);
    (void)tls_context_unref(context);
}
END_TEST

/* In TLS 1.2 the session comes before the certificate has been judged. */
START_TEST(a_session_with_a_bad_certificate_is_not_kept)
{
    const TestServerOptions options = {.certificate = &other_name};
    TestServer *server = test_server_start((const char *const[]){REFUSED, REFUSED, NULL}, &options);
    RelayConfig relay = relay_for("mail.test");
    TlsContext *context;

    relay.tls_protocols = TEXT("TLSv1.2");
    context = context_of(&relay);
    for (unsigned i = 0; i < 2; i++) {
        Client c = client_open(context, test_server_port(server));

        ck_assert_int_eq(c.result, -EACCES);
        ck_assert(!tls_stream_resumed(c.stream));
        client_close(&c);
    }
    test_server_stop(server);
    (void)tls_context_unref(context);
}
END_TEST

/* In TLS 1.3 the server's refusal comes with the first read, in 1.2 within the handshake. */
static void check_client_certificate_wanted(const char *protocol)
{
    RelayConfig relay = relay_for("mail.test");
    const TestServerOptions options = {
        .certificate = &good, .client_authority = in_directory("ca.pem")};
    TestServer *server = test_server_start((const char *const[]){HELLO, HELLO, NULL}, &options);
    TlsContext *context, *with_certificate;
    Client c;
    char text[100];

    relay.tls_protocols = TEXT(protocol);
    context = context_of(&relay);
    c = client_open(context, test_server_port(server));
    if (c.result == 1)
        ck_assert_int_lt(client_read(&c, text, sizeof(text)), 0);
    ck_assert_msg(
        strstr(failure_text(&c.failure), "tls_certificate"), "%s", failure_text(&c.failure));
    client_close(&c);
    relay.tls_certificate = TEXT(in_directory("client.pem"));
    relay.tls_key = TEXT(in_directory("client.key"));
    with_certificate = context_of(&relay);
    c = client_open(with_certificate, test_server_port(server));
    client_converse(&c);
    client_close(&c);
    test_server_stop(server);
    (void)tls_context_unref(context);
    (void)tls_context_unref(with_certificate);
}

START_TEST(a_client_certificate_is_shown_where_it_is_wanted)
{
    check_client_certificate_wanted("TLSv1.3");
    check_client_certificate_wanted("TLSv1.2");
}
END_TEST

static void check_context_fails(const RelayConfig *relay, const Secret *password, int number,
    FaultReason reason, const char *const *words)
{
    _cleanup_(credentials_unref_p) Credentials *client = credentials_load(relay, password);
    _cleanup_failure_ Failure f = {0};
    TlsContext *context = NULL;

    ck_assert_int_lt(tls_context_new(relay, client, &context, &f), 0);
    ck_assert_int_eq(f.number, number);
    ck_assert_int_eq(f.reason, reason);
    for (; *words; words++)
        ck_assert_msg(
            strstr(failure_text(&f), *words), "\"%s\" lacks \"%s\"", failure_text(&f), *words);
}

START_TEST(settings_that_cannot_be_used_are_named)
{
    _cleanup_secret_ Secret *wrong = secret_new("sesame", 6);
    _cleanup_secret_ Secret *right = secret_new("open sesame", 11);
    const RelayConfig plain = relay_for("mail.test");
    RelayConfig relay = plain;
    TlsContext *context = NULL;
    Credentials *client;

    relay.tls_ca_file = TEXT("/nowhere/ca.pem");
    check_context_fails(&relay, NULL, ERROR_CERTIFICATE_STORE, REASON_TLS_AUTHORITIES,
        WORDS("tls_ca_file", "/nowhere/ca.pem", "No such file"));
    relay = plain;
    relay.tls_ca_directory = directory;
    check_context_fails(&relay, NULL, ERROR_CERTIFICATE_STORE, REASON_TLS_AUTHORITIES,
        WORDS("tls_ca_directory", "openssl rehash"));
    relay = plain;
    relay.tls_protocols = TEXT("TLSv1.2 TLSv9");
    check_context_fails(
        &relay, NULL, ERROR_CONFIGURATION, REASON_TLS_PROTOCOLS, WORDS("tls_protocols", "TLSv9"));
    relay = plain;
    relay.tls_ciphers = TEXT("NONSENSE");
    check_context_fails(
        &relay, NULL, ERROR_CONFIGURATION, REASON_TLS_CIPHERS, WORDS("tls_ciphers", "NONSENSE"));
    relay = plain;
    relay.tls_accept_certificate = TEXT("12:34");
    check_context_fails(&relay, NULL, ERROR_CERTIFICATE_NOT_FOUND, REASON_TLS_PIN,
        WORDS("tls_accept_certificate", "12:34"));
    relay = plain;
    relay.tls_key_log_file = TEXT("/nowhere/keys.log");
    check_context_fails(&relay, NULL, ERROR_FILE, REASON_TLS_KEY_LOG,
        WORDS("tls_key_log_file", "/nowhere/keys.log"));
    relay = plain;
    relay.tls_certificate = TEXT(in_directory("good.pem"));
    relay.tls_key = TEXT(in_directory("client.key"));
    check_context_fails(&relay, NULL, ERROR_TLS_CREDENTIALS, REASON_TLS_CLIENT_KEY,
        WORDS("client.key", "does not belong to the certificate"));
    relay.tls_key = TEXT(in_directory("encrypted.key"));
    check_context_fails(&relay, NULL, ERROR_TLS_CREDENTIALS, REASON_TLS_CLIENT_KEY,
        WORDS("encrypted.key", "tls_key_password_file"));
    check_context_fails(&relay, wrong, ERROR_TLS_CREDENTIALS, REASON_TLS_CLIENT_KEY,
        WORDS("check tls_key_password"));
    client = credentials_load(&relay, right);
    ck_assert_int_eq(tls_context_new(&relay, client, &context, NULL), 0);
    client = credentials_unref(client);
    (void)tls_context_unref(context);
    relay.tls_certificate = TEXT("/nowhere/client.pem");
    check_context_fails(&relay, NULL, ERROR_CERTIFICATE_STORE, REASON_TLS_CLIENT_CERTIFICATE,
        WORDS("tls_certificate", "/nowhere/client.pem"));
}
END_TEST

/* SSLKeyLogFile */
START_TEST(keys_are_logged_where_that_is_asked_for)
{
    RelayConfig relay = relay_for("mail.test");
    char text[4096] = "";
    struct stat st;
    FILE *file;

    relay.tls_key_log_file = TEXT(in_directory("keys.log"));
    check_works(&relay, SHOWS(good), "TLSv1.3 ");
    ck_assert_int_eq(stat(in_directory("keys.log"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    file = fopen(in_directory("keys.log"), "r");
    ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, file), 0);
    fclose(file);
    ck_assert_ptr_nonnull(strstr(text, "CLIENT_TRAFFIC_SECRET_0 "));
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
}
END_TEST

START_TEST(a_server_without_tls_is_recognised)
{
    RelayConfig relay = relay_for("mail.test");
    static const char *const scripts[] = {
        "S: 220 I speak no TLS at all, and say so\nSILENCE\n", "PAUSE 50\n", NULL};
    TestServer *server = test_server_start(scripts, NULL);
    TlsContext *context = context_of(&relay);
    Client c = client_open(context, test_server_port(server));

    ck_assert_int_lt(c.result, 0);
    ck_assert_int_eq(c.failure.number, ERROR_TLS_HANDSHAKE);
    ck_assert_msg(
        strstr(failure_text(&c.failure), "does not speak TLS"), "%s", failure_text(&c.failure));
    client_close(&c);
    c = client_open(context, test_server_port(server));
    ck_assert_int_lt(c.result, 0);
    ck_assert_msg(strstr(failure_text(&c.failure), "mail.test"), "%s", failure_text(&c.failure));
    client_close(&c);
    test_server_stop(server);
    (void)tls_context_unref(context);
}
END_TEST

/* No SIGPIPE may come of it: the process would end here. */
START_TEST(writing_to_a_peer_that_is_gone_is_an_error)
{
    RelayConfig relay = relay_for("mail.test");
    const TestServerOptions options = {.certificate = &good};
    TestServer *server =
        test_server_start((const char *const[]){"TLS\nS: 220 hello\nRESET\n", NULL}, &options);
    TlsContext *context = context_of(&relay);
    Client c = client_open(context, test_server_port(server));
    ssize_t r = 0;

    ck_assert_int_eq(c.result, 1);
    test_server_stop(server);
    for (unsigned i = 0; i < 3 && r >= 0; i++)
        r = tls_stream_write(c.stream, "PING\r\n", 6, &c.failure);
    ck_assert_int_lt(r, 0);
    ck_assert_int_ne(r, -EAGAIN);
    ck_assert_int_ne(c.failure.number, 0);
    client_close(&c);
    (void)tls_context_unref(context);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net tls");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_good_certificate_is_trusted);
    tcase_add_test(tests, a_stream_that_openssl_does_not_know_is_none);
    tcase_add_test(tests, nothing_is_written_after_a_fatal_error);
    tcase_add_test(tests, protocols_and_ciphers_are_those_of_the_settings);
    tcase_add_test(tests, what_is_wrong_with_a_certificate_is_told);
    tcase_add_test(tests, a_certificate_can_be_accepted_whatever_it_is);
    tcase_add_test(tests, both_ends_know_the_channel_by_the_same);
    tcase_add_test(tests, sessions_are_resumed);
    tcase_add_test(tests, a_session_is_resumed_until_there_is_a_newer_one);
    tcase_add_loop_test(tests, a_chain_of_resumptions_ends_after_a_day, 0, 2);
    tcase_add_test(tests, a_session_that_led_to_nothing_is_not_resumed_again);
    tcase_add_test(tests, a_session_with_a_bad_certificate_is_not_kept);
    tcase_add_test(tests, sessions_are_not_resumed_where_that_is_off);
    tcase_add_test(tests, a_client_certificate_is_shown_where_it_is_wanted);
    tcase_add_test(tests, settings_that_cannot_be_used_are_named);
    tcase_add_test(tests, keys_are_logged_where_that_is_asked_for);
    tcase_add_test(tests, a_server_without_tls_is_recognised);
    tcase_add_test(tests, writing_to_a_peer_that_is_gone_is_an_error);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
