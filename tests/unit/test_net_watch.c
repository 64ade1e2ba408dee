/* Who watches a connection's TLS: the decision on a certificate, the lines of the handshake, what
 * was negotiated, and the chain. */
#include <openssl/ssl.h>
#include <sys/stat.h>

#include "net_client.h"

#define CONVERSATION "TLS\nS: 220 server.test\n" EHLO MESSAGE QUIT
#define LEFT "TLS\nEOF\n"

typedef struct Watcher {
    unsigned asked;
    bool answers, answer; /* whether it overrides the verdict, and by what */
    bool accept, resumed; /* what it was told */
    char status[1000];
    unsigned char der[4096];
    size_t der_size;
    unsigned n_pem; /* certificates */
    char lines[8000];
} Watcher;

static void on_certificate(
    void *user, const Connection *connection, const ConnectionCertificate *shown, bool *accept)
{
    Watcher *w = user;

    ck_assert_int_eq(connection_stage(connection), STAGE_CERTIFICATE);
    ck_assert_ptr_nonnull(shown->x509);
    ck_assert_uint_le(shown->der_size, sizeof(w->der));
    memcpy(w->der, shown->der, shown->der_size);
    w->der_size = shown->der_size;
    w->asked++;
    w->accept = *accept;
    w->resumed = shown->resumed;
    w->n_pem = 0;
    for (const char *p = shown->pem; (p = strstr(p, "-----BEGIN CERTIFICATE-----")); p++)
        w->n_pem++;
    snprintf(w->status, sizeof(w->status), "%s", shown->status);
    if (w->answers)
        *accept = w->answer;
}

static void on_status(void *user, _unused_ const Connection *connection, const char *text)
{
    Watcher *w = user;
    size_t used = strlen(w->lines);

    snprintf(w->lines + used, sizeof(w->lines) - used, "%s\n", text);
}

/* One connection, watched from its beginning. */
static void run_watched(Client *client, Watcher *w)
{
    client->closed = client->ready = false;
    client->delivered = 0;
    ck_assert_int_eq(
        connection_new(client->shared, on_trace, client, clock_monotonic(), &client->connection),
        0);
    connection_on_certificate(client->connection, on_certificate, w);
    connection_on_tls_status(client->connection, on_status, w);
    run_by_poll(client);
}

static void check_der(const Watcher *w, const TestCertificate *is)
{
    unsigned char *der = NULL;
    int n = i2d_X509(is->x509, &der);

    ck_assert_int_gt(n, 0);
    ck_assert_uint_eq(w->der_size, (size_t)n);
    ck_assert_mem_eq(w->der, der, w->der_size);
    OPENSSL_free(der);
}

/* For a session that is resumed as well, with the certificate that it began with. */
START_TEST(the_program_is_asked_about_each_certificate)
{
    const TestServerOptions options = {
        .certificate = &certificate, .max_version = _i == 0 ? 0 : TLS1_2_VERSION};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION, CONVERSATION), &options);
    Client client = client_for(test_server_port(server), SETTINGS("tls=implicit"));

    for (unsigned i = 0; i < 2; i++) {
        Watcher w = {0};

        run_watched(&client, &w);
        check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
        ck_assert_uint_eq(w.asked, 1);
        ck_assert(w.accept);
        ck_assert_str_eq(w.status, "OK");
        ck_assert_int_eq(w.resumed, i > 0);
        check_der(&w, &certificate);
        connection_free(client.connection);
    }
    test_server_stop(server);
    client_done(&client);
}
END_TEST

/* For this connection alone: one that asks nobody does not resume its session. */
START_TEST(what_is_accepted_in_spite_of_the_verdict_is_not_resumed)
{
    const TestServerOptions options = {
        .certificate = &expired, .max_version = _i == 0 ? 0 : TLS1_2_VERSION};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION, CONVERSATION, LEFT), &options);
    Client client = client_for(test_server_port(server), SETTINGS("tls=implicit"));

    for (unsigned i = 0; i < 2; i++) {
        Watcher w = {.answers = true, .answer = true};

        run_watched(&client, &w);
        check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
        ck_assert_uint_eq(w.asked, 1);
        ck_assert(!w.accept && !w.resumed);
        ck_assert_ptr_nonnull(strstr(w.status, "it expired on"));
        ck_assert_ptr_nonnull(strstr(client.trace, "accepted in spite of: "));
        connection_free(client.connection);
    }
    client_run(&client, 0);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_CERTIFICATE, ERROR_CERTIFICATE_VERIFY);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

START_TEST(a_good_certificate_can_be_refused)
{
    const TestServerOptions options = {.certificate = &certificate};
    TestServer *server = test_server_start(SCRIPTS(LEFT), &options);
    Client client = client_for(test_server_port(server), SETTINGS("tls=implicit"));
    Watcher w = {.answers = true, .answer = false};

    run_watched(&client, &w);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_CERTIFICATE, ERROR_CERTIFICATE_VERIFY);
    ck_assert_str_eq(w.status, "OK");
    ck_assert_ptr_nonnull(strstr(client.text, "was not accepted by the program"));
    connection_free(client.connection);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

START_TEST(the_verdict_stands_where_the_program_leaves_it)
{
    const TestServerOptions options = {.certificate = &expired};
    TestServer *server = test_server_start(SCRIPTS(LEFT), &options);
    Client client = client_for(test_server_port(server), SETTINGS("tls=implicit"));
    Watcher w = {0};

    run_watched(&client, &w);
    check_outcome(&client, DELIVERY_CUT_OFF, STAGE_CERTIFICATE, ERROR_CERTIFICATE_VERIFY);
    ck_assert_uint_eq(w.asked, 1);
    ck_assert(!w.accept);
    ck_assert_ptr_nonnull(strstr(client.text, "it expired on"));
    connection_free(client.connection);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

/* Where nothing is verified the program hears that, and may do it by itself. */
START_TEST(a_certificate_that_nobody_looked_at_is_not_called_good)
{
    const TestServerOptions options = {.certificate = &expired};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION), &options);
    Client client =
        client_for(test_server_port(server), SETTINGS("tls=implicit", "tls_verify=false"));
    Watcher w = {0};

    run_watched(&client, &w);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert(w.accept);
    ck_assert_int_eq(strncmp(w.status, "not verified: ", 14), 0);
    connection_free(client.connection);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

START_TEST(the_handshake_is_told_as_it_goes)
{
    const TestServerOptions options = {.certificate = &certificate};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION), &options);
    Client client = client_for(test_server_port(server), SETTINGS("tls=implicit"));
    Watcher w = {0};

    run_watched(&client, &w);
    ck_assert_ptr_nonnull(strstr(w.lines, "handshake begins\n"));
    ck_assert_ptr_nonnull(strstr(w.lines, "read server certificate\n"));
    ck_assert_ptr_nonnull(strstr(w.lines, "handshake done: TLSv1.3 TLS_"));
    ck_assert_ptr_nonnull(strstr(w.lines, "alert: warning, close notify\n"));
    connection_free(client.connection);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

/* Both certificates end in half an hour; the boundary is looked at to the minute. */
START_TEST(certificates_that_end_soon_are_told)
{
    const TestServerOptions options = {
        .certificate = &certificate, .client_authority = authority_path};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION), &options);
    char path[64], key[64], certificate_setting[96], key_setting[96];
    usec_t now = clock_realtime(), end = now + 30 * USEC_PER_MINUTE;
    Watcher w = {0};
    Client client;
    char *words;

    snprintf(path, sizeof(path), "%s/own.pem", directory);
    snprintf(key, sizeof(key), "%s/own.key", directory);
    test_certificate_save(&certificate, path, key, NULL);
    ck_assert_int_eq(chmod(key, 0600), 0);
    snprintf(certificate_setting, sizeof(certificate_setting), "tls_certificate=%s", path);
    snprintf(key_setting, sizeof(key_setting), "tls_key=%s", key);
    client = client_for(
        test_server_port(server), SETTINGS("tls=implicit", certificate_setting, key_setting));
    run_watched(&client, &w);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_ptr_null(
        connection_expiring(client.connection, end - CONNECTION_EXPIRY - 5 * USEC_PER_MINUTE));
    words = connection_expiring(client.connection, end - CONNECTION_EXPIRY + 5 * USEC_PER_MINUTE);
    ck_assert_ptr_nonnull(words);
    ck_assert_ptr_nonnull(strstr(words, "the certificate of 127.0.0.1 ends on 20"));
    ck_assert_ptr_nonnull(
        strstr(words, ", in 20 days; its owner must renew it\nour own certificate "
                      "(tls_certificate) ends on 20"));
    free(words);
    words = connection_expiring(client.connection, end + USEC_PER_HOUR);
    ck_assert_ptr_nonnull(strstr(words, "the certificate of 127.0.0.1 has ended on 20"));
    free(words);
    connection_free(client.connection);
    test_server_stop(server);
    client_done(&client);
    (void)unlink(path);
    (void)unlink(key);
}
END_TEST

/* SSLIncludeCertChain */
START_TEST(the_chain_is_shown_where_the_settings_say_so)
{
    const TestServerOptions options = {.certificate = &certificate, .intermediate = &authority};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION), &options);
    Client client = client_for(test_server_port(server),
        SETTINGS("tls=implicit", _i == 0 ? "tls_include_chain=false" : "tls_include_chain=true"));
    Watcher w = {0};
    Certificate *shown;
    char *words;

    run_watched(&client, &w);
    check_outcome(&client, DELIVERY_DELIVERED, STAGE_QUIT, 0);
    ck_assert_uint_eq(w.n_pem, _i == 0 ? 1 : 2);
    check_der(&w, &certificate);
    shown = connection_certificate(client.connection);
    ck_assert_uint_eq(certificate_chain_length(shown), 1);
    (void)certificate_unref(shown);
    words = connection_describe_chain(client.connection);
    if (_i == 0)
        ck_assert_ptr_null(words);
    else
        ck_assert_str_eq(words, "CN = Test Authority, issuer CN = Test Authority\n");
    free(words);
    connection_free(client.connection);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

typedef struct NegotiatedRow {
    const char *settings[3];
    int max_version;
    const char *version, *suite, *cipher, *key_exchange, *group;
    unsigned cipher_bits, key_exchange_bits;
} NegotiatedRow;

/* SSLNegotiatedVersion, SSLNegotiatedCipherSuite, SSLNegotiatedCipher, SSLNegotiatedCipherStrength,
 * SSLNegotiatedKeyExchange, SSLNegotiatedKeyExchangeStrength. */
START_TEST(what_was_negotiated_can_be_read)
{
    static const NegotiatedRow rows[] = {
        {{"tls_ciphers=TLS_AES_256_GCM_SHA384", "tls13_groups=x25519 secp256r1"}, 0, "TLSv1.3",
            "TLS_AES_256_GCM_SHA384", "aes-256-gcm", "ECDHE", "x25519", 256, 253},
        {{"tls_ciphers=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"}, TLS1_2_VERSION, "TLSv1.2",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "aes-128-gcm", "ECDHE", "x25519", 128, 253},
        {{"tls_ciphers=ECDHE-ECDSA-AES256-SHA384"}, TLS1_2_VERSION, "TLSv1.2",
            "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "aes-256-cbc", "ECDHE", "x25519", 256, 253},
    };
    const NegotiatedRow *row = &rows[_i];
    const TestServerOptions options = {
        .certificate = &certificate, .max_version = row->max_version};
    TestServer *server = test_server_start(SCRIPTS(CONVERSATION), &options);
    Client client = client_for(
        test_server_port(server), SETTINGS("tls=implicit", "tls12_groups=x25519 secp256r1",
                                      row->settings[0], row->settings[1]));
    Watcher w = {0};
    const TlsNegotiated *is;

    run_watched(&client, &w);
    is = connection_negotiated(client.connection);
    ck_assert_ptr_nonnull(is);
    ck_assert_str_eq(is->version, row->version);
    ck_assert_str_eq(is->suite, row->suite);
    ck_assert_str_eq(is->cipher, row->cipher);
    ck_assert_uint_eq(is->cipher_bits, row->cipher_bits);
    ck_assert_str_eq(is->key_exchange, row->key_exchange);
    ck_assert_str_eq(is->group, row->group);
    ck_assert_uint_eq(is->key_exchange_bits, row->key_exchange_bits);
    check_der(&w, &certificate);
    connection_free(client.connection);
    test_server_stop(server);
    client_done(&client);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net watch");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, the_program_is_asked_about_each_certificate, 0, 2);
    tcase_add_loop_test(tests, what_is_accepted_in_spite_of_the_verdict_is_not_resumed, 0, 2);
    tcase_add_test(tests, a_good_certificate_can_be_refused);
    tcase_add_test(tests, the_verdict_stands_where_the_program_leaves_it);
    tcase_add_test(tests, a_certificate_that_nobody_looked_at_is_not_called_good);
    tcase_add_test(tests, the_handshake_is_told_as_it_goes);
    tcase_add_test(tests, certificates_that_end_soon_are_told);
    tcase_add_loop_test(tests, the_chain_is_shown_where_the_settings_say_so, 0, 2);
    tcase_add_loop_test(tests, what_was_negotiated_can_be_read, 0, 3);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
