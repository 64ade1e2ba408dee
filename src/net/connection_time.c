/* A connection's time. Must never end a message's: that is the session's. */
#include "net/connection_time.h"

#include <errno.h>

#include "base/errors.h"
#include "base/text.h"
#include "net/job_revocation.h"

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

void connection_put_off(Connection *c, usec_t time)
{
    usec_t *const deadlines[] = {&c->started, &c->deadline, &c->tell_at, &c->tlsa_until,
        &c->policy_until, &c->proxied.deadline, &c->silence.next, &c->silence.end};

    for (size_t i = 0; i < ELEMENTSOF(deadlines); i++)
        lateness_put_off(deadlines[i], time);
    if (c->revocation)
        revocation_put_off(c->revocation, time);
    if (c->lookup)
        lookup_put_off(c->lookup, time);
    if (c->dial)
        socket_dial_put_off(c->dial, time);
    if (c->session)
        smtp_session_put_off(c->session, time);
}

void connection_excuse_lateness(Connection *c, usec_t now)
{
    usec_t time = lateness_excuse(&c->late, now, c->stirred);

    if (time > 0)
        connection_put_off(c, time);
}

void connection_note_wait(Connection *c, usec_t now)
{
    c->stirred = false;
    lateness_wait(&c->late, now, connection_deadline(c));
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
