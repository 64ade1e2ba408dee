/* Options of sockets. Must never make close() wait, as SO_LINGER with a time does on Linux, of
 * non-blocking sockets too: the loop would stand still. */
#include "net/socket_options.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/macros.h"

int socket_set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int seconds(usec_t usec)
{
    return (int)MIN(MAX(usec / USEC_PER_SEC, (usec_t)1), (usec_t)32767);
}

static int set_keepalive(const RelayConfig *relay, int fd)
{
    int r = socket_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);

    if (r >= 0 && relay->keepalive_time > 0)
        r = socket_set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds(relay->keepalive_time));
    if (r >= 0 && relay->keepalive_interval > 0)
        r = socket_set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds(relay->keepalive_interval));
    return r;
}

/* Without a time this never waits: it drops what was not sent, and resets. */
static int reset_at_close(int fd)
{
    const struct linger now = {.l_onoff = 1};

    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) < 0 ? -errno : 0;
}

int socket_set_options(const RelayConfig *relay, int fd, int family)
{
    bool tcp = family == AF_INET || family == AF_INET6;
    int r = 0;

    if (tcp && relay->tcp_nodelay)
        r = socket_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (r >= 0 && relay->receive_buffer > 0)
        r = socket_set_option(
            fd, SOL_SOCKET, SO_RCVBUF, (int)MIN(relay->receive_buffer, (size_t)INT_MAX));
    if (r >= 0 && relay->send_buffer > 0)
        r = socket_set_option(
            fd, SOL_SOCKET, SO_SNDBUF, (int)MIN(relay->send_buffer, (size_t)INT_MAX));
    if (r >= 0 && tcp && relay->keepalive)
        r = set_keepalive(relay, fd);
    if (r >= 0 && tcp && !relay->linger)
        r = reset_at_close(fd);
    return r;
}

/* The time is that of data that nobody confirms (RFC 5482): the system gives up the connection
 * then, also one that no process has any more. It is set this late because it would hold for the
 * whole dialogue otherwise. */
void socket_close(const RelayConfig *relay, int *fd)
{
    usec_t time = relay->linger_time / USEC_PER_MSEC;

    if (*fd >= 0 && relay->linger && time > 0)
        (void)socket_set_option(
            *fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)MIN(time, (usec_t)INT_MAX));
    close_p(fd);
}
