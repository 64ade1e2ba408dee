/* Servers that take a connection and do not greet. Bytes are real; the time is the test's. */
#include <fcntl.h>
#include <openssl/ssl.h>

#include "net_client.h"

typedef struct Scene {
    Client client;
    int listening, first, second; /* the server's ends; -1: none yet */
    usec_t now;
    unsigned told;
} Scene;

static void on_silence(void *user, _unused_ const Connection *connection)
{
    ((Scene *)user)->told++;
}

/* Steps as often as it takes for what is on its way. Returns whether it ended. */
static bool step(Scene *s)
{
    SmtpEvent event;
    int r;

    while ((r = connection_step(s->client.connection, s->now, &event)) > 0 && !s->client.closed)
        ck_assert_int_eq(on_event(&s->client, s->client.connection, &event), 0);
    ck_assert_int_ge(r, 0);
    ck_assert(s->client.closed || connection_deadline(s->client.connection) > s->now);
    return s->client.closed;
}

static int take_connection(int listening)
{
    struct pollfd p = {.fd = listening, .events = POLLIN};

    ck_assert_int_eq(poll(&p, 1, 20000), 1);
    return accept4(listening, NULL, NULL, SOCK_CLOEXEC);
}

/* A connection stands, and nothing has come for as long as is strange. */
static void begin(Scene *s, const char *const *settings)
{
    uint16_t port;

    *s = (Scene){.first = -1, .second = -1, .now = clock_monotonic()};
    s->listening = test_listen(8, &port);
    s->client = client_for(port, settings);
    ck_assert_int_eq(
        connection_new(s->client.shared, on_trace, &s->client, s->now, &s->client.connection), 0);
    connection_on_silence(s->client.connection, on_silence, s);
    while (!connection_session(s->client.connection)) {
        struct pollfd p = {.events = POLLOUT};

        ck_assert(!step(s));
        p.fd = connection_fd(s->client.connection);
        (void)poll(&p, 1, 100);
    }
    s->first = take_connection(s->listening);
}

static void end(Scene *s)
{
    connection_free(s->client.connection);
    close_p(&s->first);
    close_p(&s->second);
    close(s->listening);
    client_done(&s->client);
}

/* Goes to the deadline. Returns whether the connection ended. */
static bool pass_time(Scene *s)
{
    s->now = connection_deadline(s->client.connection);
    return step(s);
}

/* The first words of TLS, as the server finds them. */
static void wait_for_words(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    unsigned char first = 0;

    ck_assert_int_eq(poll(&p, 1, 20000), 1);
    ck_assert_int_eq(recv(fd, &first, 1, MSG_PEEK), 1);
    ck_assert_uint_eq(first, 22);
}

/* Up to where the second connection has spoken. */
static void let_it_ask(Scene *s)
{
    usec_t begun = s->now;

    ck_assert(!pass_time(s));
    ck_assert_uint_eq(s->told, 1);
    ck_assert_uint_le(s->now - begun, 6 * USEC_PER_SEC);
    s->second = take_connection(s->listening);
    ck_assert(!pass_time(s));
    wait_for_words(s->second);
    ck_assert_int_eq(recv(s->first, &(char){0}, 1, MSG_DONTWAIT), -1); /* no word over the first */
}

static void answer_with_tls(int fd)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL *ssl;

    SSL_CTX_use_certificate(context, certificate.x509);
    SSL_CTX_use_PrivateKey(context, certificate.key);
    ssl = SSL_new(context);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    SSL_set_fd(ssl, fd);
    ck_assert_int_lt(SSL_accept(ssl), 1); /* its part is written, that of the client never comes */
    SSL_free(ssl);
    SSL_CTX_free(context);
}

START_TEST(a_port_that_speaks_tls_first_is_found_out)
{
    Scene s;
    usec_t begun;

    begin(&s, SETTINGS(_i == 0 ? "tls=none" : "tls=starttls"));
    begun = s.now;
    let_it_ask(&s);
    answer_with_tls(s.second);
    while (!pass_time(&s))
        ck_assert_uint_lt(s.now - begun, 11 * USEC_PER_SEC);
    check_outcome(&s.client, DELIVERY_CUT_OFF, STAGE_GREETING, ERROR_TLS_HANDSHAKE);
    ck_assert_int_eq(s.client.outcome.cause, CAUSE_PROTOCOL);
    ck_assert_int_eq(s.client.outcome.reason, REASON_TLS_FIRST);
    ck_assert_ptr_nonnull(strstr(s.client.text, "set tls = \"implicit\""));
    end(&s);
}
END_TEST

/* A server that keeps newcomers waiting says the same on every connection, or nothing. */
START_TEST(a_server_that_takes_its_time_is_waited_for)
{
    static const char *const answers[] = {"", "220 later\r\n", "554 you spoke too early\r\n"};
    Scene s;
    usec_t begun;

    begin(&s, SETTINGS("tls=none"));
    begun = s.now;
    let_it_ask(&s);
    ck_assert_int_ge(send(s.second, answers[_i], strlen(answers[_i]), MSG_NOSIGNAL), 0);
    while (s.now - begun < 4 * USEC_PER_MINUTE) {
        ck_assert_msg(!step(&s), "%s", s.client.text);
        s.now = MIN(connection_deadline(s.client.connection), begun + 4 * USEC_PER_MINUTE);
    }
    ck_assert_uint_eq(s.told, 1);
    ck_assert_int_gt(send(s.first, "220 server.test\r\n", 17, MSG_NOSIGNAL), 0);
    connection_ready(s.client.connection, POLLIN);
    ck_assert(!step(&s));
    ck_assert_ptr_nonnull(strstr(s.client.trace, "EHLO client.test\n"));
    end(&s);
}
END_TEST

/* Whoever greets in time is asked nothing. */
START_TEST(a_server_that_greets_is_left_alone)
{
    Scene s;
    struct pollfd p = {.events = POLLIN};

    begin(&s, SETTINGS("tls=none"));
    p.fd = s.listening;
    ck_assert_int_gt(send(s.first, "220-wait\r\n", 10, MSG_NOSIGNAL), 0);
    connection_ready(s.client.connection, POLLIN);
    ck_assert(!step(&s));
    s.now += USEC_PER_MINUTE;
    ck_assert(!step(&s));
    ck_assert_uint_eq(s.told, 0);
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    end(&s);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net silence");
    TCase *tests = tcase_create("all");

    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_port_that_speaks_tls_first_is_found_out, 0, 2);
    tcase_add_loop_test(tests, a_server_that_takes_its_time_is_waited_for, 0, 3);
    tcase_add_test(tests, a_server_that_greets_is_left_alone);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
