/* A connection's time. Must never end a message's: that is the session's. */
#include "net/connection_time.h"

#include <errno.h>

#include "base/errors.h"
#include "base/text.h"

usec_t connection_end_of_opening(const Connection *c)
{
    if (c->ready || !c->relay->absolute_timeout || c->relay->timeout == 0)
        return USEC_NEVER;
    return usec_add(c->started, c->relay->timeout);
}

usec_t connection_transport_deadline(const Connection *c)
{
    return MIN(c->deadline, connection_end_of_opening(c));
}

int connection_time_out(Connection *c)
{
    _cleanup_free_
    char *time = text_format_duration(c->relay->timeout);

    failure_done(&c->failure);
    return failure_set(&c->failure, -ETIMEDOUT, ERROR_TIMEOUT,
        "connecting to %s took longer than %s in all, which absolute_timeout does not allow: raise "
        "timeout, or see what is slow with `outbox -v check`",
        c->relay->host, time ?: "allowed");
}
