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
    usec_t deadline = MIN(c->deadline, connection_end_of_opening(c));

    return c->tell_at > 0 ? MIN(deadline, c->tell_at) : deadline;
}

#define LATE USEC_PER_SEC /* no loop that only serves connections is */

static void put_off(usec_t *deadline, usec_t time)
{
    if (*deadline > 0)
        *deadline = usec_add(*deadline, time);
}

static void excuse(Connection *c, usec_t time)
{
    put_off(&c->started, time);
    put_off(&c->deadline, time);
    put_off(&c->tell_at, time);
    put_off(&c->tlsa_until, time);
    put_off(&c->proxied.deadline, time);
    put_off(&c->silence.next, time);
    put_off(&c->silence.end, time);
    if (c->lookup)
        lookup_put_off(c->lookup, time);
    if (c->dial)
        socket_dial_put_off(c->dial, time);
    if (c->session)
        smtp_session_put_off(c->session, time);
}

void connection_excuse_lateness(Connection *c, usec_t now)
{
    bool late = c->due > 0 && now > usec_add(c->due, LATE);

    if (late && (c->stirred || !c->excused))
        excuse(c, now - c->waited);
    c->excused = late;
    c->due = 0;
}

void connection_note_wait(Connection *c, usec_t now)
{
    c->waited = now;
    c->stirred = false;
    c->due = connection_deadline(c);
}

int connection_time_out(Connection *c)
{
    _cleanup_free_
    char *time = text_format_duration(c->relay->timeout);

    ConnectionWait wait = connection_waits_for(c);

    failure_done(&c->failure);
    c->found.secret_failed = wait.stage == STAGE_AUTH;
    return failure_set(&c->failure, -ETIMEDOUT, ERROR_TIMEOUT,
        "connecting to %s took longer than %s in all, which absolute_timeout does not allow%s%s: "
        "raise timeout, or %s",
        c->relay->host, time ?: "allowed", *wait.what ? "; it still waited for " : "", wait.what,
        wait.remedy ?: "see what is slow with `outbox -v check`");
}
