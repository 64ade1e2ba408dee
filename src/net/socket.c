/* Opening TCP connections. Must never block, and never give up while an address is untried. */
#include "net/socket.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/text.h"
#include "net/address.h"

struct SocketDial {
    const RelayConfig *relay;
    const LookupResult *found;
    size_t next;     /* the address to try when the current one fails */
    int fd;          /* the current attempt, or -1 */
    usec_t deadline; /* of the current attempt */
    usec_t end;      /* of all attempts */
    int error;       /* the most telling one so far, negative */
    Buffer tried;    /* "192.0.2.1: Connection refused, ..." */
};

int socket_dial_new(
    const RelayConfig *relay, const LookupResult *found, usec_t now, SocketDial **ret)
{
    usec_t limit = relay->connect_timeout > 0 ? relay->connect_timeout : relay->timeout;
    SocketDial *dial = calloc(1, sizeof(SocketDial));

    if (!dial)
        return -ENOMEM;
    dial->relay = relay;
    dial->found = found;
    dial->fd = -1;
    dial->deadline = USEC_NEVER;
    dial->end = limit > 0 ? usec_add(now, limit) : USEC_NEVER;
    *ret = dial;
    return 0;
}

void socket_dial_free(SocketDial *dial)
{
    if (!dial)
        return;
    close_p(&dial->fd);
    buffer_done(&dial->tried);
    free(dial);
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int seconds(usec_t usec)
{
    return (int)MIN(MAX(usec / USEC_PER_SEC, (usec_t)1), (usec_t)32767);
}

static int set_options(const RelayConfig *relay, int fd)
{
    int r = 0;

    if (relay->tcp_nodelay)
        r = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (r >= 0 && relay->receive_buffer > 0)
        r = set_option(fd, SOL_SOCKET, SO_RCVBUF, (int)MIN(relay->receive_buffer, (size_t)INT_MAX));
    if (r >= 0 && relay->send_buffer > 0)
        r = set_option(fd, SOL_SOCKET, SO_SNDBUF, (int)MIN(relay->send_buffer, (size_t)INT_MAX));
    if (r < 0 || !relay->keepalive)
        return r;
    r = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (r >= 0 && relay->keepalive_time > 0)
        r = set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds(relay->keepalive_time));
    if (r >= 0 && relay->keepalive_interval > 0)
        r = set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds(relay->keepalive_interval));
    return r;
}

/* The port to come from may be set without an address: then any address of the family. */
static int bind_local(const SocketDial *dial, int fd, int family)
{
    struct sockaddr_storage any = {.ss_family = (sa_family_t)family};
    const struct sockaddr_storage *local = NULL;
    uint16_t port = dial->relay->local_port;
    int r;

    for (size_t i = 0; i < dial->found->n_local && !local; i++)
        if (dial->found->local[i].ss_family == family)
            local = &dial->found->local[i];
    if (!local && dial->found->n_local > 0)
        return -EAFNOSUPPORT;
    if (!local && port == 0)
        return 0;
    if (!local) {
        ((struct sockaddr_in *)&any)->sin_port = htons(port); /* the same place in sockaddr_in6 */
        local = &any;
    }
    /* A fixed port may still wait in TIME_WAIT; a free one is chosen when connecting, so that it
     * need be free for this peer only. */
    r = port > 0 ? set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1)
                 : set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (r < 0)
        return r;
    return bind(fd, (const struct sockaddr *)local, address_size(local)) < 0 ? -errno : 0;
}

/* 1 connected, 0 under way, or a negative errno. */
static int start(SocketDial *dial, const struct sockaddr_storage *address)
{
    int r;

    dial->fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0)
        return -errno;
    r = set_options(dial->relay, dial->fd);
    if (r >= 0)
        r = bind_local(dial, dial->fd, address->ss_family);
    if (r < 0)
        return r;
    if (connect(dial->fd, (const struct sockaddr *)address, address_size(address)) >= 0)
        return 1;
    return errno == EINPROGRESS ? 0 : -errno;
}

/* What is left of the time is shared by the addresses that are left. */
static void set_deadline(SocketDial *dial, usec_t now)
{
    size_t left = dial->found->n_addresses - dial->next;

    dial->deadline = USEC_NEVER;
    if (dial->end == USEC_NEVER)
        return;
    dial->deadline = now + (dial->end > now ? (dial->end - now) / left : 0);
}

/* 1 connected, 0 under way, or a negative errno. */
static int check(SocketDial *dial, usec_t now)
{
    struct pollfd p = {.fd = dial->fd, .events = POLLOUT};
    int error = 0;
    socklen_t n = sizeof(error);

    if (poll(&p, 1, 0) <= 0)
        return now >= dial->deadline ? -ETIMEDOUT : 0;
    if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
        return -errno;
    return error != 0 ? -error : 1;
}

/* How much an error says of what is wrong: a host that refuses is there, and a silent one may be.
 */
static unsigned telling(int error)
{
    static const int order[] = {-EHOSTUNREACH, -ETIMEDOUT, -EACCES, -EPERM, -EADDRNOTAVAIL,
        -EADDRINUSE, -ECONNRESET, -ECONNREFUSED};

    for (unsigned i = 0; i < ELEMENTSOF(order); i++)
        if (order[i] == error)
            return i + 1;
    return 0;
}

static int note_failed(SocketDial *dial, int error)
{
    char text[ADDRESS_TEXT_MAX];

    close_p(&dial->fd);
    dial->fd = -1;
    if (dial->error == 0 || telling(error) > telling(dial->error))
        dial->error = error;
    address_format_host(socket_dial_address(dial), text);
    return buffer_appendf(&dial->tried, "%s%s: %s", buffer_size(&dial->tried) > 0 ? ", " : "", text,
        error == -EAFNOSUPPORT && dial->found->n_local > 0 ? "local_host is of another family"
                                                           : strerrordesc_np(-error));
}

static const char *advice(int error)
{
    switch (error) {
    case -ECONNREFUSED:
        return "nothing listens there: check host and port, and that the server runs";
    case -ETIMEDOUT:
        return "no answer came: check host and port, and whether a firewall drops the packets";
    case -ENETUNREACH:
    case -EHOSTUNREACH: return "there is no way there: check the network, routes and ip_version";
    case -EADDRNOTAVAIL:
    case -EADDRINUSE: return "check the settings local_host and local_port";
    case -EACCES:
    case -EPERM: return "this machine forbids it: check its firewall and the service's sandbox";
    case -EMFILE:
    case -ENFILE: return "raise the limit of open files";
    default: return "check host, port and the network";
    }
}

static int give_up(const SocketDial *dial, Failure *f)
{
    return failure_set(f, dial->error, error_from_errno(dial->error),
        "cannot connect to %s port %u (%.*s); %s", dial->relay->host, dial->relay->port,
        (int)buffer_size(&dial->tried), buffer_data(&dial->tried), advice(dial->error));
}

int socket_dial_step(SocketDial *dial, usec_t now, Failure *f)
{
    for (;;) {
        int r;

        if (dial->fd >= 0)
            r = check(dial, now);
        else if (dial->next < dial->found->n_addresses) {
            set_deadline(dial, now);
            r = start(dial, &dial->found->addresses[dial->next++]);
        } else
            return give_up(dial, f);
        if (r >= 0)
            return r;
        r = note_failed(dial, r);
        if (r < 0)
            return r;
    }
}

unsigned socket_dial_attempts(const SocketDial *dial)
{
    return (unsigned)dial->next;
}

int socket_dial_fd(const SocketDial *dial)
{
    return dial->fd;
}

usec_t socket_dial_deadline(const SocketDial *dial)
{
    return dial->deadline;
}

const struct sockaddr_storage *socket_dial_address(const SocketDial *dial)
{
    return &dial->found->addresses[dial->next - 1];
}

int socket_dial_take(SocketDial *dial)
{
    return TAKE_FD(dial->fd);
}
