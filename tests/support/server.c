/* The scripted server. Whatever does not go by the script is kept in words and fails the test in
 * its own thread. */
#include "server.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "ports.h"

#define PATIENCE_SECONDS 120

struct TestServer {
    pthread_t thread;
    int listen_fd;
    uint16_t port;
    const char *const *scripts;
    TestServerOptions options;
    SSL_CTX *tls_context;
    char failure[700]; /* "" while all goes by the script */
};

typedef struct Peer {
    TestServer *server;
    int fd;
    SSL *tls;
    bool over; /* the rest of the script is not played */
    char input[16384];
    size_t next, end; /* of what was read and not yet looked at */
} Peer;

int test_listen_at(const char *address, uint16_t port, int backlog)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool is_v6 = inet_pton(AF_INET6, address, &v6.sin6_addr) == 1;
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, r;

    ck_assert_int_ge(fd, 0);
    /* A server of the same test may have been there just before. */
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    ck_assert(is_v6 || inet_pton(AF_INET, address, &v4.sin_addr) == 1);
    r = is_v6 ? bind(fd, (const struct sockaddr *)&v6, sizeof(v6))
              : bind(fd, (const struct sockaddr *)&v4, sizeof(v4));
    if (r == 0 && listen(fd, backlog) == 0)
        return fd;
    close(fd);
    return -1;
}

int test_listen(int backlog, uint16_t *ret_port)
{
    for (unsigned i = 0; i < TEST_PORT_BLOCK; i++) {
        uint16_t port = test_next_port();
        int fd = test_listen_at("127.0.0.1", port, backlog);

        if (fd < 0)
            continue;
        *ret_port = port;
        return fd;
    }
    ck_abort_msg("no port is free");
}

static void listen_for(TestServer *server)
{
    server->port = server->options.port;
    server->listen_fd = server->port == 0
                            ? test_listen(16, &server->port)
                            : test_listen_at(server->options.address, server->port, 16);
    ck_assert_msg(server->listen_fd >= 0, "port %u is not free", server->port);
}

static void note_failure(Peer *peer, const char *what, const char *line)
{
    if (peer->server->failure[0] == '\0')
        snprintf(
            peer->server->failure, sizeof(peer->server->failure), "%.300s: \"%.200s\"", what, line);
    peer->over = true;
}

static void send_bytes(Peer *peer, const char *data, size_t n)
{
    if (peer->tls)
        (void)SSL_write(peer->tls, data, (int)n);
    else
        (void)send(peer->fd, data, n, MSG_NOSIGNAL);
}

static bool read_byte(Peer *peer, char *byte)
{
    if (peer->next == peer->end) {
        ssize_t n = peer->tls ? SSL_read(peer->tls, peer->input, sizeof(peer->input))
                              : recv(peer->fd, peer->input, sizeof(peer->input), 0);

        peer->next = 0;
        peer->end = n > 0 ? (size_t)n : 0;
    }
    if (peer->next == peer->end)
        return false;
    *byte = peer->input[peer->next++];
    return true;
}

/* Without its line end. */
static bool read_line(Peer *peer, char *line, size_t size)
{
    size_t n = 0;
    char byte;

    while (read_byte(peer, &byte)) {
        if (byte == '\n') {
            line[n > 0 && line[n - 1] == '\r' ? n - 1 : n] = '\0';
            return true;
        }
        if (n + 1 < size)
            line[n++] = byte;
    }
    line[n] = '\0';
    return false;
}

static void expect(Peer *peer, const char *prefix)
{
    char line[1200], what[300];

    if (!read_line(peer, line, sizeof(line)) || strncasecmp(line, prefix, strlen(prefix)) != 0) {
        snprintf(what, sizeof(what), "wanted \"%.250s\", got", prefix);
        note_failure(peer, what, line);
    }
}

static void read_message(Peer *peer)
{
    char line[1200];

    do
        if (!read_line(peer, line, sizeof(line)))
            return note_failure(peer, "the message ended early", line);
    while (strcmp(line, ".") != 0);
}

static void read_bytes(Peer *peer, long n)
{
    char byte;

    while (n-- > 0)
        if (!read_byte(peer, &byte))
            return note_failure(peer, "the bytes ended early", "");
}

static void start_tls(Peer *peer)
{
    const char *wanted = peer->server->options.server_name;

    peer->tls = SSL_new(peer->server->tls_context);
    SSL_set_fd(peer->tls, peer->fd);
    if (SSL_accept(peer->tls) != 1)
        peer->over = true; /* the client says why: that is what its test looks at */
    if (wanted &&
        strcmp(SSL_get_servername(peer->tls, TLSEXT_NAMETYPE_host_name) ?: "", wanted) != 0)
        note_failure(peer, "another name was asked for than", wanted);
}

static void tell_channel(Peer *peer)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    unsigned char data[32 + 64] = {0};
    char line[2 * sizeof(data) + 4];
    size_t n = 32, used = 0;

    if (SSL_export_keying_material(peer->tls, data, n, label, strlen(label), NULL, 0, 0) != 1)
        note_failure(peer, "nothing can be exported", "");
    if (SSL_version(peer->tls) < TLS1_3_VERSION)
        n += SSL_get_peer_finished(peer->tls, data + n, sizeof(data) - n);
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(line + used, sizeof(line) - used, "%02x", data[i]);
    snprintf(line + used, sizeof(line) - used, "\r\n");
    send_bytes(peer, line, strlen(line));
}

/* The client's part comes with what it sends next. */
static void renegotiate(Peer *peer)
{
    const TestCertificate *other = peer->server->options.renegotiated;

    if (other && (SSL_use_certificate(peer->tls, other->x509) != 1 ||
                     SSL_use_PrivateKey(peer->tls, other->key) != 1))
        note_failure(peer, "the other certificate cannot be used", "");
    SSL_set_options(peer->tls, SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
    if (SSL_renegotiate(peer->tls) != 1 || SSL_do_handshake(peer->tls) != 1)
        note_failure(peer, "cannot renegotiate", "");
}

static void reset(Peer *peer)
{
    const struct linger linger = {.l_onoff = 1};

    (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    peer->over = true;
}

/* All that may come back is the alert of the client's TLS. */
static void make_noise(Peer *peer)
{
    static const char noise[] = "This is no record of TLS.\r\n";
    unsigned char answer[512];
    ssize_t n, all = 0;

    if (send(peer->fd, noise, strlen(noise), MSG_NOSIGNAL) < 0)
        note_failure(peer, "cannot send noise", "");
    while ((n = recv(peer->fd, answer, sizeof(answer), 0)) > 0)
        all += n;
    if (all > 64)
        note_failure(peer, "something was sent after a fatal error", "");
}

static void be_silent(Peer *peer)
{
    char byte;

    while (read_byte(peer, &byte))
        ;
}

static void wait_for_end(Peer *peer)
{
    char byte;

    if (read_byte(peer, &byte))
        note_failure(peer, "more came at the end", (char[]){byte, '\0'});
}

static void play_line(Peer *peer, const char *line)
{
    if (strncmp(line, "C: ", 3) == 0)
        expect(peer, line + 3);
    else if (strcmp(line, "M:") == 0)
        read_message(peer);
    else if (strncmp(line, "BYTES ", 6) == 0)
        read_bytes(peer, atol(line + 6));
    else if (strcmp(line, "TLS") == 0)
        start_tls(peer);
    else if (strcmp(line, "CHANNEL") == 0)
        tell_channel(peer);
    else if (strcmp(line, "RENEGOTIATE") == 0)
        renegotiate(peer);
    else if (strcmp(line, "NOISE") == 0)
        make_noise(peer);
    else if (strncmp(line, "PAUSE ", 6) == 0)
        (void)poll(NULL, 0, atoi(line + 6));
    else if (strcmp(line, "SILENCE") == 0)
        be_silent(peer);
    else if (strcmp(line, "RESET") == 0)
        reset(peer);
    else if (strcmp(line, "EOF") == 0)
        wait_for_end(peer);
    else
        note_failure(peer, "no such line in a script", line);
}

static void play(Peer *peer, const char *script)
{
    char line[1200], out[8000];
    size_t n_out = 0;

    while (*script != '\0' && !peer->over) {
        size_t n = strcspn(script, "\n");

        snprintf(line, sizeof(line), "%.*s", (int)n, script);
        script += script[n] == '\n' ? n + 1 : n;
        if (strncmp(line, "S: ", 3) == 0)
            n_out += (size_t)snprintf(out + n_out, sizeof(out) - n_out, "%s\r\n", line + 3);
        if (n_out > 0 && strncmp(script, "S: ", 3) != 0) {
            send_bytes(peer, out, n_out);
            n_out = 0;
        }
        if (strncmp(line, "S: ", 3) != 0)
            play_line(peer, line);
    }
}

static void *serve(void *argument)
{
    TestServer *server = argument;

    for (const char *const *script = server->scripts; *script; script++) {
        struct pollfd p = {.fd = server->listen_fd, .events = POLLIN};
        Peer peer = {.server = server};

        if (poll(&p, 1, PATIENCE_SECONDS * 1000) <= 0) {
            note_failure(&peer, "nobody connected for the script", *script);
            break;
        }
        peer.fd = accept(server->listen_fd, NULL, NULL);
        play(&peer, *script);
        if (peer.tls && !peer.over)
            (void)SSL_shutdown(peer.tls);
        SSL_free(peer.tls);
        close(peer.fd);
    }
    return NULL;
}

static SSL_TICKET_RETURN take_without_another(_unused_ SSL *ssl, _unused_ SSL_SESSION *session,
    _unused_ const unsigned char *name, _unused_ size_t n, SSL_TICKET_STATUS status,
    _unused_ void *user)
{
    return status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW
               ? SSL_TICKET_RETURN_USE
               : SSL_TICKET_RETURN_IGNORE_RENEW;
}

static int staple(SSL *ssl, void *user)
{
    const TestServerOptions *options = user;
    unsigned char *copy = OPENSSL_memdup(options->stapled, options->stapled_size);

    return copy && SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)options->stapled_size) == 1
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *make_context(const TestServerOptions *options)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    ck_assert_ptr_nonnull(context);
    ck_assert_int_eq(SSL_CTX_use_certificate(context, options->certificate->x509), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(context, options->certificate->key), 1);
    ck_assert_int_eq(SSL_CTX_set_session_id_context(context, (const unsigned char *)"test", 4), 1);
    /* A client that has said its last may still be answered. */
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (options->intermediate)
        ck_assert_int_eq(SSL_CTX_add1_chain_cert(context, options->intermediate->x509), 1);
    if (options->max_version != 0)
        SSL_CTX_set_max_proto_version(context, options->max_version);
    if (options->groups)
        ck_assert_int_eq(SSL_CTX_set1_groups_list(context, options->groups), 1);
    if (options->signatures)
        ck_assert_int_eq(SSL_CTX_set1_sigalgs_list(context, options->signatures), 1);
    if (options->ciphers)
        ck_assert_int_eq(SSL_CTX_set_cipher_list(context, options->ciphers), 1);
    if (options->stapled) {
        SSL_CTX_set_tlsext_status_cb(context, staple);
        SSL_CTX_set_tlsext_status_arg(context, (void *)options);
    }
    if (options->keeps_tickets)
        SSL_CTX_set_session_ticket_cb(context, NULL, take_without_another, NULL);
    if (options->client_authority) {
        ck_assert_int_eq(SSL_CTX_load_verify_file(context, options->client_authority), 1);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return context;
}

/* The thread takes no SIGPIPE, which OpenSSL's own sockets may raise; the client under test must
 * not need that. */
TestServer *test_server_start(const char *const *scripts, const TestServerOptions *options)
{
    TestServer *server = calloc(1, sizeof(TestServer));
    sigset_t all, before;

    ck_assert_ptr_nonnull(server);
    server->scripts = scripts;
    if (options)
        server->options = *options;
    if (server->options.certificate)
        server->tls_context = make_context(&server->options);
    listen_for(server);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    ck_assert_int_eq(pthread_create(&server->thread, NULL, serve, server), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return server;
}

uint16_t test_server_port(const TestServer *server)
{
    return server->port;
}

void test_server_stop(TestServer *server)
{
    pthread_join(server->thread, NULL);
    ck_assert_msg(server->failure[0] == '\0', "the server: %s", server->failure);
    close(server->listen_fd);
    SSL_CTX_free(server->tls_context);
    free(server);
}
