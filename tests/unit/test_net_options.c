/* The settings of sockets, asked of the kernel. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/socket.h"
#include "net/socket_options.h"
#include "server.h"
#include "unit.h"

/* Settings own their strings; these are never freed. */
#define TEXT(literal) ((char *)(literal))

static struct sockaddr_storage loopback(uint16_t port)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;

    v4->sin_port = htons(port);
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* A connection to the address, by the settings. */
static int dial(const RelayConfig *relay, struct sockaddr_storage *address)
{
    const AddressList found = {.addresses = address, .n_addresses = 1};
    const SocketDialOptions options = {.relay = relay, .found = &found};
    _cleanup_(socket_dial_free_p) SocketDial *d = NULL;
    _cleanup_failure_ Failure f = {0};
    const struct sockaddr_storage *used;
    int r;

    ck_assert_int_eq(socket_dial_new(&options, clock_monotonic(), &d), 0);
    while ((r = socket_dial_step(d, clock_monotonic(), &f)) == 0) {
        struct pollfd p = {.fd = socket_dial_fd(d), .events = socket_dial_events(d)};

        ck_assert_int_eq(poll(&p, 1, 20000), 1);
    }
    ck_assert_msg(r > 0, "%s", failure_text(&f));
    return socket_dial_take(d, &used);
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t n = sizeof(value);

    ck_assert_int_eq(getsockopt(fd, level, name, &value, &n), 0);
    return value;
}

static struct linger linger_of(int fd)
{
    struct linger value = {.l_onoff = -1};
    socklen_t n = sizeof(value);

    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_LINGER, &value, &n), 0);
    return value;
}

/* TcpNoDelay, TCPKeepAlive, KeepAliveTime, KeepAliveInterval, InBufferSize, OutBufferSize, Linger.
 * The kernel doubles what is asked of a buffer. */
START_TEST(a_socket_has_the_options_of_the_settings)
{
    uint16_t port;
    _unused_ _cleanup_close_ int listening = test_listen(5, &port);
    struct sockaddr_storage address = loopback(port);
    RelayConfig relay = {.host = TEXT("mail.test"), .timeout = 5 * USEC_PER_SEC, .linger = true};
    int fd = dial(&relay, &address);

    ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    ck_assert_int_eq(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    ck_assert_int_eq(linger_of(fd).l_onoff, 0);
    socket_close(&relay, &fd);
    ck_assert_int_eq(fd, -1);
    relay = (RelayConfig){.host = TEXT("mail.test"),
        .timeout = 5 * USEC_PER_SEC,
        .tcp_nodelay = true,
        .keepalive = true,
        .keepalive_time = 7 * USEC_PER_SEC,
        .keepalive_interval = 250 * USEC_PER_MSEC,
        .receive_buffer = 8192,
        .send_buffer = 16384};
    fd = dial(&relay, &address);
    ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    ck_assert_int_eq(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 7);
    ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 1); /* the least there is */
    ck_assert_int_eq(option_of(fd, SOL_SOCKET, SO_RCVBUF), 2 * 8192);
    ck_assert_int_eq(option_of(fd, SOL_SOCKET, SO_SNDBUF), 2 * 16384);
    ck_assert_int_eq(linger_of(fd).l_onoff, 1);
    ck_assert_int_eq(linger_of(fd).l_linger, 0);
    socket_close(&relay, &fd);
}
END_TEST

/* What is read from the other end when a connection is closed behind 100 bytes: their number, or a
 * negative errno. */
static ssize_t closed_with(bool linger)
{
    uint16_t port;
    _cleanup_close_ int listening = test_listen(5, &port), peer = -1;
    struct sockaddr_storage address = loopback(port);
    const RelayConfig relay = {
        .host = TEXT("mail.test"), .timeout = 5 * USEC_PER_SEC, .linger = linger};
    char data[100] = {0};
    int fd = dial(&relay, &address);
    ssize_t n, total = 0;

    peer = accept(listening, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    ck_assert_int_eq(write(fd, data, sizeof(data)), sizeof(data));
    socket_close(&relay, &fd);
    if (!linger) { /* the reset overtakes what was not read */
        struct pollfd p = {.fd = peer};

        ck_assert_int_eq(poll(&p, 1, 20000), 1);
    }
    while ((n = read(peer, data, sizeof(data))) > 0)
        total += n;
    return n < 0 ? -errno : total;
}

/* Linger */
START_TEST(a_connection_is_closed_gracefully_or_reset)
{
    ck_assert_int_eq(closed_with(true), 100);
    ck_assert_int_eq(closed_with(false), -ECONNRESET);
}
END_TEST

/* Fills a connection that nobody reads, and closes it. The port it came from. */
static unsigned close_full(const RelayConfig *relay, struct sockaddr_storage *address)
{
    static char data[65536];
    struct sockaddr_storage name = {0};
    socklen_t n = sizeof(name);
    int fd = dial(relay, address);

    while (send(fd, data, sizeof(data), MSG_NOSIGNAL) > 0)
        continue;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &n), 0);
    socket_close(relay, &fd);
    return ntohs(((struct sockaddr_in *)&name)->sin_port);
}

/* Whether the system still has a connection that came from this port of 127.0.0.1. */
static bool has_connection(unsigned port)
{
    FILE *file = fopen("/proc/net/tcp", "re");
    char line[256], wanted[24];
    bool found = false;

    snprintf(wanted, sizeof(wanted), ": 0100007F:%04X ", port);
    while (!found && fgets(line, sizeof(line), file))
        found = strstr(line, wanted) != NULL;
    (void)fclose(file);
    return found;
}

/* LingerTime: the system goes on for that long, and no longer; the program does not wait. */
START_TEST(what_was_written_may_take_so_long_to_arrive)
{
    uint16_t port;
    _unused_ _cleanup_close_ int listening = test_listen(5, &port);
    struct sockaddr_storage address = loopback(port);
    RelayConfig relay = {.host = TEXT("mail.test"), .timeout = 5 * USEC_PER_SEC, .linger = true};
    unsigned patient = close_full(&relay, &address), hasty;

    relay.linger_time = 300 * USEC_PER_MSEC;
    hasty = close_full(&relay, &address);
    ck_assert(has_connection(hasty));
    while (has_connection(hasty))
        (void)usleep(20000);
    ck_assert(has_connection(patient));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net options");
    TCase *t = tcase_create("all");

    tcase_add_test(t, a_socket_has_the_options_of_the_settings);
    tcase_add_test(t, a_connection_is_closed_gracefully_or_reset);
    tcase_add_test(t, what_was_written_may_take_so_long_to_arrive);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
