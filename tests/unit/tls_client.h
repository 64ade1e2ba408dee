/* A client of net/tls.h for tests, against a real OpenSSL server on a thread. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "certificates.h"
#include "net/tls.h"
#include "server.h"
#include "unit.h"

/* Settings own their strings; these are never freed. */
#define TEXT(literal) ((char *)(literal))

#define HELLO "TLS\nS: 220 hello\nC: PING\nS: 250 pong\nEOF\n"
#define REFUSED "TLS\nEOF\n" /* the client leaves without a word */

static char directory[] = "/tmp/outbox-test-XXXXXX";
#define T0 (1000 * USEC_PER_SEC) /* the time that the tests say it is */

static inline const char *in_directory(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static inline RelayConfig relay_for(const char *host)
{
    return (RelayConfig){
        .host = TEXT(host),
        .tls = TLS_MODE_IMPLICIT,
        .tls_verify = true,
        .tls_ca_file = TEXT(in_directory("ca.pem")),
        .tls_reuse_session = true,
    };
}

static inline TlsContext *context_of(const RelayConfig *relay)
{
    _cleanup_(credentials_unref_p) Credentials *client = credentials_load(relay, NULL);
    _cleanup_failure_ Failure f = {0};
    TlsContext *context = NULL;

    ck_assert_msg(tls_context_new(relay, client, &context, &f) == 0, "%s", failure_text(&f));
    return context;
}

typedef struct Client {
    int fd;
    TlsStream *stream;
    Failure failure;
    ssize_t result; /* of the handshake, and of the judgement */
} Client;

static inline void wait_for(const Client *c)
{
    struct pollfd p = {.fd = c->fd, .events = tls_stream_wants(c->stream)};

    if (!(p.events & POLLIN && tls_stream_pending(c->stream)))
        ck_assert_int_eq(poll(&p, 1, 5000), 1);
}

static inline Client client_open_at(TlsContext *context, uint16_t port, usec_t now)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    Client c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(c.fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(fcntl(c.fd, F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(tls_stream_new(context, c.fd, now, &c.stream, &c.failure), 0);
    while ((c.result = tls_stream_handshake(c.stream, &c.failure)) == -EAGAIN)
        wait_for(&c);
    if (c.result == 1)
        c.result = tls_stream_judge(c.stream, &c.failure);
    tls_stream_decide(c.stream, c.result == 1);
    return c;
}

static inline Client client_open(TlsContext *context, uint16_t port)
{
    return client_open_at(context, port, T0);
}

static inline void client_close(Client *c)
{
    tls_stream_shutdown(c->stream);
    tls_stream_free(c->stream);
    close(c->fd);
    failure_done(&c->failure);
}

/* The result of the read that ended it: a count, 0 or a negative errno. */
static inline ssize_t client_read(Client *c, char *text, size_t size)
{
    ssize_t n;

    while ((n = tls_stream_read(c->stream, text, size - 1, &c->failure)) == -EAGAIN)
        wait_for(c);
    text[MAX(n, 0)] = '\0';
    return n;
}

static inline void client_converse(Client *c)
{
    char text[100];

    ck_assert_msg(c->result == 1, "%s", failure_text(&c->failure));
    ck_assert_int_gt(client_read(c, text, sizeof(text)), 0);
    ck_assert_str_eq(text, "220 hello\r\n");
    ck_assert_int_eq(tls_stream_write(c->stream, "PING\r\n", 6, &c->failure), 6);
    ck_assert_int_gt(client_read(c, text, sizeof(text)), 0);
    ck_assert_str_eq(text, "250 pong\r\n");
}

/* One conversation that must work. */
static inline void check_works(
    const RelayConfig *relay, const TestServerOptions *options, const char *tls_start)
{
    TestServer *server = test_server_start((const char *const[]){HELLO, NULL}, options);
    TlsContext *context = context_of(relay);
    Client c = client_open(context, test_server_port(server));

    client_converse(&c);
    ck_assert(tls_stream_info(c.stream)->active);
    ck_assert_mem_eq(tls_stream_info(c.stream)->description, tls_start, strlen(tls_start));
    client_close(&c);
    test_server_stop(server);
    (void)tls_context_unref(context);
}

/* One handshake that must fail, with the number and with every word. */
static inline void check_refused(const RelayConfig *relay, const TestServerOptions *options,
    int number, FaultReason reason, const char *const *words)
{
    TestServer *server = test_server_start((const char *const[]){REFUSED, NULL}, options);
    TlsContext *context = context_of(relay);
    Client c = client_open(context, test_server_port(server));

    ck_assert_int_lt(c.result, 0);
    ck_assert_int_eq(c.failure.number, number);
    ck_assert_int_eq(c.failure.reason, reason);
    for (; *words; words++)
        ck_assert_msg(strstr(failure_text(&c.failure), *words), "\"%s\" lacks \"%s\"",
            failure_text(&c.failure), *words);
    client_close(&c);
    test_server_stop(server);
    (void)tls_context_unref(context);
}

#define SHOWS(which) (&(const TestServerOptions){.certificate = &(which)})
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
