/* The relay of the engine's tests. */
#include "relay.h"

#include <check.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "ports.h"

#define CONNECTIONS_MAX 256

typedef struct Peer {
    TestRelay *relay;
    pthread_t thread;
    int fd;
    unsigned number, message;
    Buffer in, out;   /* replies leave together when no further command has come (RFC 2920) */
    char *recipients; /* of the transaction, each with a blank in front and behind */
    bool has_sender;  /* MAIL was accepted */
    bool over;
} Peer;

struct TestRelay {
    int listen_fd, stop_fd[2];
    uint16_t port;
    pthread_t thread;
    TestAnswer answer;
    void *user;
    const char *extensions;
    pthread_mutex_t mutex; /* all below, and calls of `answer` */
    Peer peers[CONNECTIONS_MAX];
    unsigned n_peers, open, most, mails, taken;
    uint64_t bytes;
    Buffer log; /* recipients of messages taken */
};

static void say(Peer *peer, const char *line)
{
    (void)buffer_appendf(&peer->out, "%s\r\n", line);
}

static void flush(Peer *peer)
{
    if (buffer_size(&peer->out) > 0)
        (void)send(peer->fd, buffer_data(&peer->out), buffer_size(&peer->out), MSG_NOSIGNAL);
    buffer_clear(&peer->out);
}

static void wait_for_close(Peer *peer)
{
    char waste[4096];

    flush(peer);
    while (recv(peer->fd, waste, sizeof(waste), 0) > 0)
        ;
}

static const char *choose_answer(Peer *peer, const char *line, const char *usual)
{
    const TestCommand command = {
        .connection = peer->number, .message = peer->message, .line = line};
    const char *answer = NULL;

    pthread_mutex_lock(&peer->relay->mutex);
    if (peer->relay->answer)
        answer = peer->relay->answer(peer->relay->user, &command);
    pthread_mutex_unlock(&peer->relay->mutex);
    return answer ? answer : usual;
}

static void give_answer(Peer *peer, const char *answer)
{
    peer->over = strncmp(answer, "421", 3) == 0 || strcmp(answer, "CLOSE") == 0 ||
                 strcmp(answer, "HANG") == 0;
    if (strcmp(answer, "HANG") == 0)
        wait_for_close(peer);
    else if (strcmp(answer, "CLOSE") != 0)
        say(peer, answer);
}

/* Whether the answer to the command, which is given, was anything but 2xx or 3xx. */
static bool is_refused(Peer *peer, const char *line, const char *usual)
{
    const char *answer = choose_answer(peer, line, usual);

    give_answer(peer, answer);
    return answer[0] != '2' && answer[0] != '3';
}

/* A line with its end; 0 when the connection is over. */
static size_t read_line(Peer *peer, const char **ret)
{
    const char *end;

    while (buffer_size(&peer->in) == 0 ||
           !(end = memchr(buffer_data(&peer->in), '\n', buffer_size(&peer->in)))) {
        char *room = buffer_reserve(&peer->in, 65536);
        ssize_t n;

        flush(peer);
        n = room ? recv(peer->fd, room, 65536, 0) : -1;
        if (n <= 0)
            return 0;
        buffer_commit(&peer->in, (size_t)n);
    }
    *ret = buffer_data(&peer->in);
    return (size_t)(end + 1 - *ret);
}

static bool read_command(Peer *peer, char *command, size_t size)
{
    const char *line;
    size_t n = read_line(peer, &line);

    snprintf(command, size, "%.*s", (int)n, n > 0 ? line : "");
    command[strcspn(command, "\r\n")] = '\0';
    buffer_consume(&peer->in, n);
    return n > 0;
}

static void on_ehlo(Peer *peer, const char *line)
{
    const char *extension = peer->relay->extensions;

    if (is_refused(peer, line, "250-relay"))
        return;
    while (*extension != '\0') {
        size_t n = strcspn(extension, " ");
        char out[100];

        /* A parameter is behind a colon here. */
        snprintf(out, sizeof(out), "250-%.*s", (int)n, extension);
        for (char *colon = out; (colon = strchr(colon, ':'));)
            *colon = ' ';
        say(peer, out);
        extension += n + (extension[n] == ' ');
    }
    say(peer, "250 PIPELINING");
}

static void on_mail(Peer *peer, const char *line)
{
    peer->message++;
    pthread_mutex_lock(&peer->relay->mutex);
    peer->relay->mails++;
    pthread_mutex_unlock(&peer->relay->mutex);
    peer->recipients[0] = '\0';
    peer->has_sender = !is_refused(peer, line, "250 2.1.0 sender");
}

static void on_rcpt(Peer *peer, const char *line)
{
    const char *address = strchr(line, '<') + 1;
    size_t n = strlen(peer->recipients), address_bytes = strcspn(address, ">");

    if (is_refused(peer, line, peer->has_sender ? "250 2.1.5 recipient" : "503 5.5.1 MAIL first"))
        return;
    peer->recipients = realloc(peer->recipients, n + address_bytes + 3);
    snprintf(peer->recipients + n, address_bytes + 3, " %.*s ", (int)address_bytes, address);
}

static void take(Peer *peer, uint64_t bytes)
{
    TestRelay *relay = peer->relay;

    pthread_mutex_lock(&relay->mutex);
    relay->taken++;
    relay->bytes = bytes;
    (void)buffer_append_string(&relay->log, peer->recipients);
    pthread_mutex_unlock(&relay->mutex);
}

static void on_data(Peer *peer, const char *line)
{
    const char *content = "", *answer;
    uint64_t bytes = 0;
    size_t n = 0;

    if (peer->recipients[0] == '\0') {
        (void)is_refused(peer, line, "554 5.5.1 no valid recipients");
        return;
    }
    if (is_refused(peer, line, "354 go on"))
        return;
    while ((n = read_line(peer, &content)) > 0 && !(n == 3 && content[0] == '.')) {
        bytes += n;
        buffer_consume(&peer->in, n);
    }
    if (n == 0)
        return;
    buffer_consume(&peer->in, n);
    answer = choose_answer(peer, ".", "250 2.0.0 taken");
    if (answer[0] == '2')
        take(peer, bytes); /* before the client can know */
    give_answer(peer, answer);
}

static void converse(Peer *peer)
{
    char line[2000];

    if (is_refused(peer, "", "220 relay"))
        return;
    while (!peer->over && read_command(peer, line, sizeof(line))) {
        if (strncasecmp(line, "EHLO", 4) == 0) {
            on_ehlo(peer, line);
        } else if (strncasecmp(line, "MAIL", 4) == 0) {
            on_mail(peer, line);
        } else if (strncasecmp(line, "RCPT", 4) == 0) {
            on_rcpt(peer, line);
        } else if (strncasecmp(line, "DATA", 4) == 0) {
            on_data(peer, line);
        } else if (strncasecmp(line, "QUIT", 4) == 0) {
            (void)is_refused(peer, line, "221 bye");
            return;
        } else {
            (void)is_refused(peer, line, "250 ok");
        }
    }
}

static void *serve(void *argument)
{
    Peer *peer = argument;

    converse(peer);
    flush(peer);
    pthread_mutex_lock(&peer->relay->mutex);
    peer->relay->open--;
    (void)shutdown(peer->fd, SHUT_RDWR);
    pthread_mutex_unlock(&peer->relay->mutex);
    return NULL;
}

static void add_peer(TestRelay *relay, int fd)
{
    Peer *peer = &relay->peers[relay->n_peers];

    if (relay->n_peers == CONNECTIONS_MAX) { /* the test will see that there were so many */
        (void)close(fd);
        return;
    }
    *peer = (Peer){.relay = relay, .fd = fd, .number = ++relay->n_peers};
    peer->recipients = calloc(1, 1);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    relay->open++;
    relay->most = MAX(relay->most, relay->open);
    (void)pthread_create(&peer->thread, NULL, serve, peer);
}

static void *accept_all(void *argument)
{
    TestRelay *relay = argument;
    struct pollfd polls[2] = {
        {.fd = relay->listen_fd, .events = POLLIN},
        {.fd = relay->stop_fd[0], .events = POLLIN},
    };

    while (poll(polls, 2, -1) > 0 && polls[1].revents == 0) {
        int fd = accept(relay->listen_fd, NULL, NULL);

        if (fd < 0)
            continue;
        pthread_mutex_lock(&relay->mutex);
        add_peer(relay, fd);
        pthread_mutex_unlock(&relay->mutex);
    }
    return NULL;
}

static int listen_at(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 64) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

TestRelay *test_relay_start(TestAnswer answer, void *user, const char *extensions, uint16_t port)
{
    TestRelay *relay = calloc(1, sizeof(*relay));
    sigset_t all, before;

    ck_assert_ptr_nonnull(relay);
    relay->answer = answer;
    relay->user = user;
    relay->extensions = extensions;
    relay->port = port;
    relay->listen_fd = port > 0 ? listen_at(port) : -1;
    for (unsigned i = 0; port == 0 && i < TEST_PORT_BLOCK && relay->listen_fd < 0; i++) {
        relay->port = test_next_port();
        relay->listen_fd = listen_at(relay->port);
    }
    ck_assert_int_ge(relay->listen_fd, 0);
    ck_assert_int_eq(pipe(relay->stop_fd), 0);
    pthread_mutex_init(&relay->mutex, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    ck_assert_int_eq(pthread_create(&relay->thread, NULL, accept_all, relay), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return relay;
}

uint16_t test_relay_port(const TestRelay *relay)
{
    return relay->port;
}

void test_relay_stop(TestRelay *relay)
{
    if (!relay)
        return;
    (void)close(relay->stop_fd[1]);
    pthread_join(relay->thread, NULL);
    (void)close(relay->listen_fd);
    (void)close(relay->stop_fd[0]);
    for (unsigned i = 0; i < relay->n_peers; i++) {
        Peer *peer = &relay->peers[i];

        (void)shutdown(peer->fd, SHUT_RDWR);
        pthread_join(peer->thread, NULL);
        buffer_done(&peer->in);
        buffer_done(&peer->out);
        (void)close(peer->fd);
        free(peer->recipients);
    }
    buffer_done(&relay->log);
    pthread_mutex_destroy(&relay->mutex);
    free(relay);
}

unsigned test_relay_taken(TestRelay *relay, const char *recipient)
{
    char word[300];
    unsigned n = 0;

    snprintf(word, sizeof(word), " %s ", recipient);
    pthread_mutex_lock(&relay->mutex);
    (void)buffer_reserve(&relay->log, 1);
    relay->log.memory[relay->log.end] = '\0';
    for (const char *at = buffer_data(&relay->log); (at = strstr(at, word)); at++)
        n++;
    if (*recipient == '\0')
        n = relay->taken;
    pthread_mutex_unlock(&relay->mutex);
    return n;
}

static unsigned look(TestRelay *relay, const unsigned *figure)
{
    unsigned n;

    pthread_mutex_lock(&relay->mutex);
    n = *figure;
    pthread_mutex_unlock(&relay->mutex);
    return n;
}

unsigned test_relay_connections(TestRelay *relay)
{
    return look(relay, &relay->n_peers);
}

unsigned test_relay_most(TestRelay *relay)
{
    return look(relay, &relay->most);
}

unsigned test_relay_mails(TestRelay *relay)
{
    return look(relay, &relay->mails);
}

uint64_t test_relay_bytes(TestRelay *relay)
{
    uint64_t n;

    pthread_mutex_lock(&relay->mutex);
    n = relay->bytes;
    pthread_mutex_unlock(&relay->mutex);
    return n;
}
