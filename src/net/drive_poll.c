/* A connection driven by poll(), one at a time. */
#include "net/drive_poll.h"

#include <errno.h>
#include <limits.h>

/* Rounded up, so that the deadline has passed when poll() comes back. */
static int milliseconds_until(usec_t deadline, usec_t now)
{
    usec_t wait;

    if (deadline == USEC_NEVER)
        return -1;
    wait = deadline > now ? (deadline - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC : 0;
    return (int)MIN(wait, (usec_t)INT_MAX);
}

int connection_wait(Connection *connection, bool interruptible, SmtpEvent *ret)
{
    for (;;) {
        usec_t now = clock_monotonic();
        int r = connection_step(connection, now, ret);
        struct pollfd p;

        if (r != 0)
            return r;
        p = (struct pollfd){
            .fd = connection_fd(connection), .events = connection_poll_events(connection)};
        r = milliseconds_until(connection_deadline(connection), now);
        if (p.fd < 0 && r < 0)
            return -ENOTCONN;
        r = poll(&p, 1, r);
        if (r < 0 && (errno != EINTR || interruptible))
            return -errno;
        if (r > 0)
            connection_ready(connection, p.revents);
    }
}
