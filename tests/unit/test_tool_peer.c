/* tool/peer: whose connection it is, with the kernel's answer and by its table; and that nobody
 * else's, or nobody's at all, is taken for it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "tool/peer.h"
#include "unit.h"

static bool without_diag;  /* a kernel that does not tell whose a socket is */
static bool without_route; /* nor where a packet goes */

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);

int __wrap_socket(int domain, int type, int protocol)
{
    if (domain == AF_NETLINK && (protocol == NETLINK_ROUTE ? without_route : without_diag)) {
        errno = EPROTONOSUPPORT;
        return -1;
    }
    return __real_socket(domain, type, protocol);
}

/* The kinds of loopback connections: how the client and the server have them. */
static const struct Kind {
    int client, server;
    bool is_mapped; /* the client's IPv6 socket speaks IPv4 */
} kinds[] = {{AF_INET, AF_INET, false}, {AF_INET6, AF_INET6, false}, {AF_INET6, AF_INET, true},
    {AF_INET, AF_INET6, false}};

static int listen_at(int family, struct sockaddr_in6 *address)
{
    int fd = socket(family, SOCK_STREAM, 0), zero = 0;
    socklen_t n = sizeof(*address);

    if (family == AF_INET)
        *(struct sockaddr_in *)address =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    else
        *address = (struct sockaddr_in6){.sin6_family = AF_INET6};
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)address, n), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &n), 0);
    return fd;
}

static void dial(int fd, const struct Kind *kind, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port};

    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(
        inet_pton(AF_INET6, kind->is_mapped ? "::ffff:127.0.0.1" : "::1", &v6.sin6_addr), 1);
    if (kind->client == AF_INET)
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&v4, sizeof(v4)), 0);
    else
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&v6, sizeof(v6)), 0);
}

/* Both ends of a connection, and whose the first is by the second. */
static int join(const struct Kind *kind, int *ret_client, Peer *ret)
{
    struct sockaddr_in6 address;
    int listener = listen_at(kind->server, &address), server;

    *ret_client = socket(kind->client, SOCK_STREAM, 0);
    dial(*ret_client, kind, address.sin6_port);
    server = accept(listener, NULL, NULL);
    ck_assert_int_ge(server, 0);
    ck_assert(peer_look(server, ret));
    (void)close(listener);
    return server;
}

static void check_kind(const struct Kind *kind)
{
    int client, server;
    uid_t user = 12345;
    Peer peer;

    server = join(kind, &client, &peer);
    ck_assert(peer.is_own);
    ck_assert_str_eq(peer.text, kind->client == AF_INET6 && !kind->is_mapped ? "::1" : "127.0.0.1");
    ck_assert_int_eq(peer_user(&peer, &user, NULL), 0);
    ck_assert_uint_eq(user, getuid());
    /* Who has said all may still hear. */
    ck_assert_int_eq(shutdown(client, SHUT_WR), 0);
    ck_assert_int_eq(peer_user(&peer, &user, NULL), 0);
    /* Of what nobody has open any more, the kernel's tables have that it is root's. */
    (void)close(client);
    ck_assert_int_eq(peer_user(&peer, &user, NULL), -ENOENT);
    (void)close(server);
}

START_TEST(test_user)
{
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
        check_kind(&kinds[i]);
}
END_TEST

START_TEST(test_user_by_table)
{
    without_diag = true;
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
        check_kind(&kinds[i]);
    without_diag = false;
}
END_TEST

/* Connects from an address of this machine's to another of them: a loopback one, so that both can
 * be told apart. */
static void check_own(const struct sockaddr *from, socklen_t n_from)
{
    struct sockaddr_in6 address;
    int listener = listen_at(AF_INET, &address), client = socket(AF_INET, SOCK_STREAM, 0), server;
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = address.sin6_port, .sin_addr.s_addr = htonl(0x7f000001)};
    uid_t user = 12345;
    Peer peer;

    ck_assert_int_eq(bind(client, from, n_from), 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
    server = accept(listener, NULL, NULL);
    for (int way = 0; way < 2; way++) {
        without_route = way > 0;
        ck_assert(peer_look(server, &peer));
        ck_assert_msg(peer.is_own, "%s", peer.text);
        ck_assert_int_eq(peer_user(&peer, &user, NULL), 0);
        ck_assert_uint_eq(user, getuid());
    }
    without_route = false;
    (void)close(client);
    (void)close(server);
    (void)close(listener);
}

/* Every address of this machine is its own. */
START_TEST(test_own_addresses)
{
    struct ifaddrs *all;

    ck_assert_int_eq(getifaddrs(&all), 0);
    for (const struct ifaddrs *one = all; one; one = one->ifa_next)
        if (one->ifa_addr && one->ifa_addr->sa_family == AF_INET)
            check_own(one->ifa_addr, sizeof(struct sockaddr_in));
    freeifaddrs(all);
}
END_TEST

/* Sent, and gone before anybody looks. */
START_TEST(test_gone_with_data)
{
    for (int table = 0; table < 2; table++) {
        int client, server;
        bool has_sent;
        uid_t user;
        Peer peer;

        without_diag = table > 0;
        server = join(&kinds[0], &client, &peer);
        ck_assert_int_eq(write(client, "EHLO x\r\n", 8), 8);
        ck_assert(!peer_has_closed(server, &has_sent));
        (void)close(client);
        ck_assert(peer_has_closed(server, &has_sent));
        ck_assert(has_sent);
        ck_assert_int_eq(peer_user(&peer, &user, NULL), -ENOENT);
        (void)close(server);
    }
    without_diag = false;
}
END_TEST

/* What was reset is of the Internet still, though it is connected to nobody. */
START_TEST(test_reset)
{
    for (int sends = 0; sends < 2; sends++) {
        struct linger none = {.l_onoff = 1};
        int client, server;
        bool has_sent;
        Peer peer;

        server = join(&kinds[sends], &client, &peer);
        ck_assert(!peer.is_gone);
        ck_assert_int_eq(write(client, "x", (size_t)sends), sends);
        ck_assert_int_eq(setsockopt(client, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
        (void)close(client);
        ck_assert(peer_look(server, &peer));
        ck_assert(peer.is_gone);
        ck_assert(peer_has_closed(server, &has_sent));
        ck_assert_int_eq(has_sent, sends);
        (void)close(server);
    }
}
END_TEST

/* A child that has become another user connects: the user is the one who made the socket. */
START_TEST(test_another_user)
{
    struct sockaddr_in6 address;
    int listener = listen_at(AF_INET, &address), server, status;
    uid_t user;
    pid_t child;
    Peer peer;

    if (getuid() != 0)
        return;
    child = fork();
    if (child == 0) {
        _cleanup_failure_ Failure f = {0};
        int fd;

        if (peer_become(64102, &f) < 0 || getuid() != 64102 || setuid(0) == 0)
            _exit(1);
        fd = socket(AF_INET, SOCK_STREAM, 0);
        dial(fd, &kinds[0], address.sin6_port);
        _exit(read(fd, &status, 1) == 0 ? 0 : 2);
    }
    server = accept(listener, NULL, NULL);
    ck_assert(peer_look(server, &peer));
    ck_assert_int_eq(peer_user(&peer, &user, NULL), 0);
    ck_assert_uint_eq(user, 64102);
    without_diag = true;
    ck_assert_int_eq(peer_user(&peer, &user, NULL), 0);
    ck_assert_uint_eq(user, 64102);
    without_diag = false;
    (void)close(server);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(test_no_connection)
{
    int pair[2], listener;
    struct sockaddr_in6 address;
    Peer peer;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ck_assert(!peer_look(pair[0], &peer));
    listener = listen_at(AF_INET, &address);
    ck_assert(!peer_look(listener, &peer));
    ck_assert_int_eq(pipe(pair), 0);
    ck_assert(!peer_look(pair[0], &peer));
}
END_TEST

/* One user's places are taken one by one, those of another are others. */
START_TEST(test_places)
{
    char directory[] = "/tmp/outbox-places-XXXXXX";

    ck_assert_ptr_nonnull(mkdtemp(directory));
    for (int i = 0; i < 64; i++)
        ck_assert_int_eq(peer_take_place(directory, 7), 0);
    ck_assert_int_eq(peer_take_place(directory, 7), -EBUSY);
    ck_assert_int_eq(peer_take_place(directory, 8), 0);
    ck_assert_int_eq(peer_take_place("/nowhere", 8), -ENOENT);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("tool_peer");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, test_user);
    tcase_add_test(tcase, test_user_by_table);
    tcase_add_test(tcase, test_own_addresses);
    tcase_add_test(tcase, test_gone_with_data);
    tcase_add_test(tcase, test_reset);
    tcase_add_test(tcase, test_another_user);
    tcase_add_test(tcase, test_no_connection);
    tcase_add_test(tcase, test_places);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
