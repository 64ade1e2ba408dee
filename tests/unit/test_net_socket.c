/* Connecting: refusal, silence, several addresses, overlapping attempts, and the addresses that are
 * remembered. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/errors.h"
#include "net/address.h"
#include "net/socket.h"
#include "server.h"
#include "unit.h"

/* Settings own their strings; these are never freed. */
#define TEXT(literal) ((char *)(literal))

#define T0 (1000 * USEC_PER_SEC) /* the time that some tests say it is */

static struct sockaddr_storage loopback(uint16_t port)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;

    v4->sin_port = htons(port);
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* A port that refuses, for nothing listens; the descriptor keeps it. */
static int reserve_port(uint16_t *ret_port)
{
    int listening = test_listen(1, ret_port);
    struct sockaddr_storage address = loopback(*ret_port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    close(listening);
    /* Connections to it may have ended just before. */
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, address_size(&address)), 0);
    return fd;
}

/* A port that answers nothing: its queue of connections is full. */
static void make_blackhole(uint16_t *ret_port, int fds[static 5])
{
    struct sockaddr_storage address;

    fds[0] = test_listen(0, ret_port);
    address = loopback(*ret_port);
    for (unsigned i = 1; i < 5; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fds[i], (struct sockaddr *)&address, address_size(&address));
    }
}

static void close_all(const int fds[static 5])
{
    for (unsigned i = 0; i < 5; i++)
        close(fds[i]);
}

static SocketDial *dial_new(
    const RelayConfig *relay, const AddressList *found, AvoidList *avoid, usec_t now)
{
    const SocketDialOptions options = {.relay = relay, .found = found, .avoid = avoid};
    SocketDial *d;

    ck_assert_int_eq(socket_dial_new(&options, now, &d), 0);
    return d;
}

/* Waits in truth for a step's result, `now` being the time all the while. */
static int wait_at(SocketDial *d, usec_t now, Failure *f)
{
    int r;

    while ((r = socket_dial_step(d, now, f)) == 0) {
        struct pollfd p = {.fd = socket_dial_fd(d), .events = socket_dial_events(d)};

        ck_assert_uint_gt(socket_dial_deadline(d), now);
        ck_assert_int_eq(poll(&p, 1, 20000), 1);
    }
    return r;
}

/* The connected descriptor, or a negative errno. */
static int dial(const RelayConfig *relay, struct sockaddr_storage *addresses, size_t n, Failure *f)
{
    const AddressList found = {.addresses = addresses, .n_addresses = n};
    _cleanup_(socket_dial_free_p) SocketDial *d = dial_new(relay, &found, NULL, clock_monotonic());
    const struct sockaddr_storage *address;
    int r;

    while ((r = socket_dial_step(d, clock_monotonic(), f)) == 0) {
        struct pollfd p = {.fd = socket_dial_fd(d), .events = socket_dial_events(d)};
        usec_t deadline = socket_dial_deadline(d), now = clock_monotonic();

        (void)poll(&p, 1, deadline > now ? (int)((deadline - now) / 1000) + 1 : 0);
    }
    return r < 0 ? r : socket_dial_take(d, &address);
}

START_TEST(a_refusal_is_told)
{
    uint16_t port;
    _unused_ _cleanup_close_ int reserved = reserve_port(&port);
    struct sockaddr_storage address = loopback(port);
    const RelayConfig relay = {.host = TEXT("mail.test"), .port = port, .timeout = USEC_PER_MINUTE};
    _cleanup_failure_ Failure f = {0};
    char words[64];

    ck_assert_int_eq(dial(&relay, &address, 1, &f), -ECONNREFUSED);
    ck_assert_int_eq(f.number, 10061);
    snprintf(words, sizeof(words), "mail.test port %u (127.0.0.1: Connection refused)", port);
    ck_assert_msg(strstr(failure_text(&f), words), "%s", failure_text(&f));
}
END_TEST

/* ConnectionTimeout */
START_TEST(silence_ends_after_the_time_allowed)
{
    uint16_t port;
    int fds[5];
    struct sockaddr_storage address;
    const RelayConfig relay = {.host = TEXT("mail.test"),
        .timeout = USEC_PER_HOUR,
        .connect_timeout = 300 * USEC_PER_MSEC};
    _cleanup_failure_ Failure f = {0};
    usec_t before = clock_monotonic(), took;

    make_blackhole(&port, fds);
    address = loopback(port);
    ck_assert_int_eq(dial(&relay, &address, 1, &f), -ETIMEDOUT);
    took = clock_monotonic() - before;
    ck_assert_uint_ge(took, 290 * USEC_PER_MSEC);
    ck_assert_uint_lt(took, relay.timeout);
    ck_assert_int_eq(f.number, ERROR_CONNECTION_TIMED_OUT);
    ck_assert_msg(strstr(failure_text(&f), "firewall"), "%s", failure_text(&f));
    close_all(fds);
}
END_TEST

/* One that is silent, one that refuses, one that answers: each gets its share of the time. */
PATIENT_TEST(every_address_gets_a_chance)
{
    uint16_t silent_port, refusing_port, good_port;
    int fds[5];
    int connected, value = 0;
    socklen_t n = sizeof(value);
    _unused_ _cleanup_close_ int reserved = reserve_port(&refusing_port);
    _unused_ _cleanup_close_ int listening = test_listen(5, &good_port);
    struct sockaddr_storage addresses[3];
    const RelayConfig relay = {.host = TEXT("mail.test"),
        .timeout = 900 * USEC_PER_MSEC * patience,
        .tcp_nodelay = true,
        .keepalive = true,
        .keepalive_time = 90 * USEC_PER_SEC,
        .keepalive_interval = 7 * USEC_PER_SEC,
        .send_buffer = 65536,
        .receive_buffer = 65536};
    _cleanup_failure_ Failure f = {0};

    make_blackhole(&silent_port, fds);
    addresses[0] = loopback(silent_port);
    addresses[1] = loopback(refusing_port);
    addresses[2] = loopback(good_port);
    connected = dial(&relay, addresses, 3, &f);
    ck_assert_msg(connected >= 0, "%s", failure_text(&f));
    getsockopt(connected, IPPROTO_TCP, TCP_KEEPIDLE, &value, &n);
    ck_assert_int_eq(value, 90);
    getsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &value, &n);
    ck_assert_int_ne(value, 0);
    close(connected);
    ck_assert_int_eq(dial(&relay, addresses, 2, &f), -ECONNREFUSED);
    ck_assert_msg(
        strstr(failure_text(&f), "127.0.0.1: Connection refused, 127.0.0.1: Connection timed out"),
        "%s", failure_text(&f));
    close_all(fds);
}

/* A silent address costs a quarter of a second, and is put last from then on. */
START_TEST(attempts_overlap)
{
    const RelayConfig relay = {.host = TEXT("mail.test"), .timeout = USEC_PER_MINUTE};
    uint16_t silent_port, good_port;
    int fds[5];
    _unused_ _cleanup_close_ int listening = test_listen(5, &good_port);
    struct sockaddr_storage addresses[2], sorted[2];
    const AddressList found = {.addresses = addresses, .n_addresses = 2};
    const struct sockaddr_storage *address;
    AvoidList avoid = {0};
    SocketDial *d;
    unsigned watches;

    make_blackhole(&silent_port, fds);
    sorted[0] = addresses[0] = loopback(silent_port);
    sorted[1] = addresses[1] = loopback(good_port);
    d = dial_new(&relay, &found, &avoid, T0);
    ck_assert_int_eq(socket_dial_step(d, T0, NULL), 0);
    ck_assert_uint_eq(socket_dial_deadline(d), T0 + 250 * USEC_PER_MSEC);
    ck_assert_int_eq(socket_dial_events(d), POLLOUT);
    watches = socket_dial_watches(d);
    ck_assert_int_eq(wait_at(d, T0 + 250 * USEC_PER_MSEC, NULL), 1);
    ck_assert_uint_gt(socket_dial_watches(d), watches);
    ck_assert_int_eq(socket_dial_fd(d), -1);
    ck_assert_uint_eq(socket_dial_left(d), 1); /* it has not failed */
    close(socket_dial_take(d, &address));
    ck_assert_ptr_eq(address, &addresses[1]);
    avoid_sort(&avoid, sorted, 2, T0 + USEC_PER_SEC);
    ck_assert_mem_eq(&sorted[0], &addresses[1], sizeof(sorted[0]));
    socket_dial_free(d);
    close_all(fds);
}
END_TEST

/* All are under way at the end, and each is told. */
START_TEST(silent_addresses_end_together)
{
    const RelayConfig relay = {.host = TEXT("mail.test"), .timeout = USEC_PER_MINUTE};
    uint16_t port;
    int fds[5];
    struct sockaddr_storage addresses[3];
    const AddressList found = {.addresses = addresses, .n_addresses = 3};
    _cleanup_failure_ Failure f = {0};
    usec_t now = T0;
    SocketDial *d;
    int r;

    make_blackhole(&port, fds);
    for (unsigned i = 0; i < 3; i++)
        addresses[i] = loopback(port);
    d = dial_new(&relay, &found, NULL, now);
    for (unsigned steps = 0; (r = socket_dial_step(d, now, &f)) == 0; steps++) {
        ck_assert_uint_lt(steps, 4);
        ck_assert_uint_gt(socket_dial_deadline(d), now);
        now = socket_dial_deadline(d);
    }
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert_uint_eq(now, T0 + USEC_PER_MINUTE);
    ck_assert(!socket_dial_is_own(d));
    ck_assert_str_eq(socket_dial_tried(d),
        "127.0.0.1: Connection timed out, 127.0.0.1: Connection timed out, "
        "127.0.0.1: Connection timed out");
    socket_dial_free(d);
    close_all(fds);
}
END_TEST

/* What connects and is then of no use is not tried again. */
START_TEST(a_dial_goes_on_with_what_is_left)
{
    const RelayConfig relay = {.host = TEXT("mail.test"), .timeout = USEC_PER_MINUTE};
    uint16_t ports[2];
    int listening[2];
    struct sockaddr_storage addresses[2];
    const AddressList found = {.addresses = addresses, .n_addresses = 2};
    const struct sockaddr_storage *address;
    SocketDial *d;

    for (unsigned i = 0; i < 2; i++) {
        listening[i] = test_listen(5, &ports[i]);
        addresses[i] = loopback(ports[i]);
    }
    d = dial_new(&relay, &found, NULL, T0);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(socket_dial_left(d), 2 - i);
        ck_assert_int_eq(wait_at(d, T0, NULL), 1);
        close(socket_dial_take(d, &address));
        ck_assert_ptr_eq(address, &addresses[i]);
        socket_dial_resume(d, T0);
    }
    ck_assert_uint_eq(socket_dial_left(d), 0);
    socket_dial_free(d);
    for (unsigned i = 0; i < 2; i++)
        close(listening[i]);
}
END_TEST

static int poll_error; /* 0: none */

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    const struct timespec wait = {timeout / 1000, timeout % 1000 * 1000000L};

    errno = poll_error;
    return poll_error ? -1 : ppoll(fds, n, timeout < 0 ? NULL : &wait, NULL);
}

/* What is under way cannot be looked at: it would be found ready for ever. */
START_TEST(a_lack_of_memory_ends_a_dial)
{
    const RelayConfig relay = {.host = TEXT("mail.test"), .timeout = USEC_PER_MINUTE};
    struct sockaddr_storage address;
    const AddressList found = {.addresses = &address, .n_addresses = 1};
    int fds[5];
    uint16_t port;
    SocketDial *d;

    make_blackhole(&port, fds);
    address = loopback(port);
    d = dial_new(&relay, &found, NULL, T0);
    ck_assert_int_eq(socket_dial_step(d, T0, NULL), 0);
    poll_error = ENOMEM;
    ck_assert_int_eq(socket_dial_step(d, T0, NULL), -ENOMEM);
    poll_error = 0;
    socket_dial_free(d);
    close_all(fds);
}
END_TEST

START_TEST(a_lack_of_descriptors_is_not_held_against_an_address)
{
    const RelayConfig relay = {.host = TEXT("mail.test"), .timeout = USEC_PER_MINUTE};
    struct sockaddr_storage addresses[2] = {loopback(25), loopback(26)};
    const AddressList found = {.addresses = addresses, .n_addresses = 2};
    _cleanup_failure_ Failure f = {0};
    AvoidList avoid = {0};
    SocketDial *d = dial_new(&relay, &found, &avoid, T0);
    struct rlimit before;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, before.rlim_max}), 0);
    ck_assert_int_eq(socket_dial_step(d, T0, &f), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert(socket_dial_is_own(d));
    ck_assert_int_eq(f.number, 10024);
    ck_assert_ptr_nonnull(strstr(failure_text(&f), "raise the limit of open files"));
    ck_assert_uint_eq(avoid.entries[0].failures, 0);
    socket_dial_free(d);
}
END_TEST

START_TEST(the_source_address_is_that_of_the_settings)
{
    uint16_t port;
    _unused_ _cleanup_close_ int listening = test_listen(5, &port);
    struct sockaddr_storage address = loopback(port), local = loopback(0), name;
    struct sockaddr_storage other_family = {.ss_family = AF_INET6};
    AddressList found = {.addresses = &address, .n_addresses = 1, .local = &local, .n_local = 1};
    const RelayConfig relay = {.host = TEXT("mail.test"), .timeout = USEC_PER_SEC};
    _cleanup_failure_ Failure f = {0};
    socklen_t n = sizeof(name);
    char text[ADDRESS_TEXT_MAX];
    SocketDial *d;

    ((struct sockaddr_in *)&local)->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    d = dial_new(&relay, &found, NULL, T0);
    ck_assert_int_eq(socket_dial_step(d, T0, &f), 0);
    ck_assert_int_eq(getsockname(socket_dial_fd(d), (struct sockaddr *)&name, &n), 0);
    ck_assert_str_eq(address_format_host(&name, text), "127.0.0.2");
    socket_dial_free(d);
    found.local = &other_family;
    d = dial_new(&relay, &found, NULL, T0);
    ck_assert_int_lt(socket_dial_step(d, T0, &f), 0);
    ck_assert(socket_dial_is_own(d));
    ck_assert_msg(strstr(failure_text(&f), "local_host"), "%s", failure_text(&f));
    socket_dial_free(d);
}
END_TEST

/* ---- addresses that are remembered ---- */

static void check_order(const AvoidList *avoid, usec_t now, const uint16_t ports[static 3])
{
    struct sockaddr_storage addresses[3] = {loopback(1), loopback(2), loopback(3)};

    avoid_sort(avoid, addresses, 3, now);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(ntohs(((struct sockaddr_in *)&addresses[i])->sin_port), ports[i]);
}

#define PORTS(...) ((const uint16_t[3]){__VA_ARGS__})

START_TEST(addresses_that_failed_are_tried_last_for_a_while)
{
    struct sockaddr_storage one = loopback(1), two = loopback(2);
    usec_t later = T0 + 2 * USEC_PER_MINUTE;
    AvoidList avoid = {0};

    check_order(&avoid, T0, PORTS(1, 2, 3));
    avoid_note(&avoid, &one, T0);
    check_order(&avoid, T0 + 1, PORTS(2, 3, 1));
    avoid_note(&avoid, &two, T0 + 1);
    check_order(&avoid, T0 + 1, PORTS(3, 1, 2));
    check_order(&avoid, later, PORTS(1, 3, 2));
    avoid_note(&avoid, &one, later); /* again: twice as long */
    check_order(&avoid, later + 3 * USEC_PER_MINUTE, PORTS(2, 3, 1));
    check_order(&avoid, later + 4 * USEC_PER_MINUTE, PORTS(1, 2, 3));
    for (unsigned i = 0; i < 10; i++)
        avoid_note(&avoid, &one, T0 + i * USEC_PER_HOUR);
    check_order(&avoid, T0 + 9 * USEC_PER_HOUR + 29 * USEC_PER_MINUTE, PORTS(2, 3, 1));
    check_order(&avoid, T0 + 9 * USEC_PER_HOUR + 30 * USEC_PER_MINUTE, PORTS(1, 2, 3));
    avoid_note(&avoid, &one, T0 + 20 * USEC_PER_HOUR);
    avoid_forget(&avoid, &one);
    check_order(&avoid, T0 + 20 * USEC_PER_HOUR, PORTS(1, 2, 3));
    avoid_note(&avoid, &one, T0 + 21 * USEC_PER_HOUR); /* from the beginning */
    check_order(&avoid, T0 + 21 * USEC_PER_HOUR + 2 * USEC_PER_MINUTE, PORTS(1, 2, 3));
}
END_TEST

START_TEST(connections_that_fail_together_are_one_failure)
{
    struct sockaddr_storage one = loopback(1);
    AvoidList avoid = {0};

    for (unsigned i = 0; i < 20; i++)
        avoid_note(&avoid, &one, T0);
    check_order(&avoid, T0 + 2 * USEC_PER_MINUTE - 1, PORTS(2, 3, 1));
    check_order(&avoid, T0 + 2 * USEC_PER_MINUTE, PORTS(1, 2, 3));
}
END_TEST

START_TEST(the_newest_addresses_are_remembered)
{
    AvoidList avoid = {0};

    for (uint16_t port = 1; port <= AVOID_MAX + 1; port++) {
        struct sockaddr_storage address = loopback(port);

        avoid_note(&avoid, &address, T0 + port);
    }
    check_order(&avoid, T0 + 100, PORTS(1, 2, 3)); /* 1 is forgotten */
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("net socket");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_refusal_is_told);
    tcase_add_test(tests, silence_ends_after_the_time_allowed);
    tcase_add_test(tests, every_address_gets_a_chance);
    tcase_add_test(tests, attempts_overlap);
    tcase_add_test(tests, silent_addresses_end_together);
    tcase_add_test(tests, a_dial_goes_on_with_what_is_left);
    tcase_add_test(tests, a_lack_of_memory_ends_a_dial);
    tcase_add_test(tests, a_lack_of_descriptors_is_not_held_against_an_address);
    tcase_add_test(tests, the_source_address_is_that_of_the_settings);
    tcase_add_test(tests, addresses_that_failed_are_tried_last_for_a_while);
    tcase_add_test(tests, connections_that_fail_together_are_one_failure);
    tcase_add_test(tests, the_newest_addresses_are_remembered);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
