/* net/tls: a connection that breaks after the handshake says whether what was read or what was sent
 * is to blame. Both ends are in one thread, so that anything can be put on the way between them. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/macros.h"
#include "certificates.h"
#include "net/tls.h"
#include "net/tls_error.h"
#include "unit.h"

#define T0 (1000 * USEC_PER_SEC)
#define HOST ((char *)"mail.test")

typedef struct Ends {
    TestCertificate certificate;
    SSL_CTX *server_context;
    SSL *server;
    int server_fd, client_fd;
    TlsContext *context;
    TlsStream *client;
    Failure failure;
} Ends;

static void open_server(Ends *e, int version)
{
    const TestCertificateSpec spec = {"server", "DNS:mail.test", 0, 0, false};

    e->certificate = test_certificate_new(&spec, NULL);
    e->server_context = SSL_CTX_new(TLS_server_method());
    ck_assert_int_eq(SSL_CTX_use_certificate(e->server_context, e->certificate.x509), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(e->server_context, e->certificate.key), 1);
    ck_assert_int_eq(SSL_CTX_set_max_proto_version(e->server_context, version), 1);
    e->server = SSL_new(e->server_context);
    ck_assert_int_eq(SSL_set_fd(e->server, e->server_fd), 1);
    SSL_set_accept_state(e->server);
}

/* The handshake is done on both sides. */
static Ends ends_open(int version)
{
    const RelayConfig relay = {.host = HOST, .tls = TLS_MODE_IMPLICIT};
    Ends e = {0};
    ssize_t r = -EAGAIN;
    int fds[2], accepted = 0;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    e.client_fd = fds[0];
    e.server_fd = fds[1];
    open_server(&e, version);
    ck_assert_int_eq(tls_context_new(&relay, NULL, &e.context, &e.failure), 0);
    ck_assert_int_eq(tls_stream_new(e.context, e.client_fd, T0, &e.client, &e.failure), 0);
    while (r == -EAGAIN || accepted != 1) {
        if (r == -EAGAIN)
            r = tls_stream_handshake(e.client, &e.failure);
        if (accepted != 1)
            accepted = SSL_do_handshake(e.server);
        ck_assert_msg(r == 1 || r == -EAGAIN, "%s", failure_text(&e.failure));
    }
    ck_assert_int_eq(tls_stream_judge(e.client, &e.failure), 1);
    return e;
}

static void ends_close(Ends *e)
{
    tls_stream_free(e->client);
    (void)tls_context_unref(e->context);
    SSL_free(e->server);
    SSL_CTX_free(e->server_context);
    test_certificate_done(&e->certificate);
    failure_done(&e->failure);
    close(e->client_fd);
    close(e->server_fd);
}

/* What the client reads must be this error. */
static void check_read(Ends *e, int number, const char *words)
{
    char text[100];
    ssize_t n = tls_stream_read(e->client, text, sizeof(text), &e->failure);

    ck_assert_int_eq(n, -EPROTO);
    ck_assert_msg(
        e->failure.number == number, "%d: %s", e->failure.number, failure_text(&e->failure));
    ck_assert_msg(strstr(failure_text(&e->failure), words), "%s", failure_text(&e->failure));
    ck_assert_ptr_nonnull(strstr(failure_text(&e->failure), "mail.test"));
    ck_assert_ptr_nonnull(strstr(failure_text(&e->failure), "try again"));
    /* Nothing is said or read any more. */
    ck_assert_int_eq(tls_stream_write(e->client, "x", 1, &e->failure), -ECONNRESET);
    ck_assert_int_eq(e->failure.number, ERROR_CONNECTION_DROPPED);
}

static void put(int fd, const char *data, size_t n)
{
    ck_assert_int_eq(send(fd, data, n, MSG_NOSIGNAL), (ssize_t)n);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* A record of the right form that no key of this session made. */
static const char forged[] = "\x17\x03\x03\x00\x28"
                             "0123456789012345678901234567890123456789";

/* Error 284: what came cannot be decrypted. */
START_TEST(a_forged_record_is_an_error_of_decryption)
{
    Ends e = ends_open(versions[_i]);

    put(e.server_fd, forged, sizeof(forged) - 1);
    check_read(&e, 284, "changed the data");
    ends_close(&e);
}
END_TEST

/* Error 284: it is no record at all. */
START_TEST(words_in_clear_are_an_error_of_decryption)
{
    Ends e = ends_open(versions[_i]);

    put(e.server_fd, "421 4.3.2 going down\r\n", 22);
    check_read(&e, 284, "what came is no record of this session");
    ends_close(&e);
}
END_TEST

/* Error 283: the server says that it cannot decrypt what it got. */
START_TEST(what_the_server_cannot_decrypt_is_an_error_of_encryption)
{
    Ends e = ends_open(versions[_i]);
    char text[100];

    put(e.client_fd, forged, sizeof(forged) - 1);
    ck_assert_int_le(SSL_read(e.server, text, sizeof(text)), 0); /* sends its alert */
    check_read(&e, 283, "the server could not decrypt what it got");
    ends_close(&e);
}
END_TEST

/* Error 283: nothing can be encrypted any more, here because this side has said that it is done. */
START_TEST(what_cannot_be_sent_is_an_error_of_encryption)
{
    Ends e = ends_open(versions[_i]);

    ck_assert_int_eq(tls_stream_write(e.client, "NOOP\r\n", 6, &e.failure), 6);
    tls_stream_shutdown(e.client);
    ck_assert_int_eq(tls_stream_write(e.client, "NOOP\r\n", 6, &e.failure), -EPROTO);
    ck_assert_int_eq(e.failure.number, 283);
    ck_assert_ptr_nonnull(strstr(failure_text(&e.failure), "TLS with mail.test failed"));
    ck_assert_ptr_nonnull(strstr(failure_text(&e.failure), "nothing can be sent"));
    ck_assert_int_eq(error_status(e.failure.number), EX_UNAVAILABLE);
    ends_close(&e);
}
END_TEST

/* What a server says of a client certificate may come so late: it is that, and no error of data. */
START_TEST(an_alert_about_the_certificate_is_one)
{
    Failure f = {0};

    ERR_raise(ERR_LIB_SSL, SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED);
    ck_assert_int_eq(tls_error_explain("mail.test", TLS_AT_READ, &f), -EPROTO);
    ck_assert_int_eq(f.number, ERROR_CLIENT_CERTIFICATE);
    ERR_raise(ERR_LIB_SSL, SSL_R_TLSV1_ALERT_INTERNAL_ERROR);
    ck_assert_int_eq(tls_error_explain("mail.test", TLS_AT_READ, &f), -EPROTO);
    ck_assert_int_eq(f.number, ERROR_TLS_HANDSHAKE);
    failure_done(&f);
}
END_TEST

/* What this side finds wrong by its own settings names them. */
START_TEST(what_the_settings_leave_out_names_them)
{
    static const struct {
        int reason;
        const char *words[2];
    } rows[] = {
        {SSL_R_NO_PROTOCOLS_AVAILABLE, {"tls_protocols", "tls_cipher_strength"}},
        {SSL_R_NO_CIPHERS_AVAILABLE, {"tls_ciphers", "tls_cipher_strength"}},
        {SSL_R_WRONG_SIGNATURE_TYPE, {"tls12_signature_algorithms", "tls13_signature_algorithms"}},
        {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
            {"tls12_signature_algorithms", "tls13_signature_algorithms"}},
        {SSL_R_NO_SUITABLE_GROUPS, {"tls12_groups", "tls13_groups"}},
        {SSL_R_NO_SUITABLE_KEY_SHARE, {"tls13_groups", "tls13_key_shares"}},
        {SSL_R_WRONG_CURVE, {"tls12_groups", "tls13_groups"}},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_failure_ Failure f = {0};

        ERR_raise(ERR_LIB_SSL, rows[i].reason);
        ck_assert_int_eq(tls_error_explain("mail.test", TLS_AT_HANDSHAKE, &f), -EPROTO);
        ck_assert_int_eq(f.number, ERROR_TLS_HANDSHAKE);
        for (size_t j = 0; j < 2; j++)
            ck_assert_msg(strstr(failure_text(&f), rows[i].words[j]), "%s", failure_text(&f));
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net tls errors");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_forged_record_is_an_error_of_decryption, 0, 2);
    tcase_add_loop_test(tests, words_in_clear_are_an_error_of_decryption, 0, 2);
    tcase_add_loop_test(tests, what_the_server_cannot_decrypt_is_an_error_of_encryption, 0, 2);
    tcase_add_loop_test(tests, what_cannot_be_sent_is_an_error_of_encryption, 0, 2);
    tcase_add_test(tests, an_alert_about_the_certificate_is_one);
    tcase_add_test(tests, what_the_settings_leave_out_names_them);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
