/* Waiting for a server's TLSA records, which connections to it share. Must never keep one waiting
 * for ever. */
#include <errno.h>

#include "base/errors.h"
#include "net/job_tlsa.h"
#include "net/transport.h"

#define PATIENCE (20 * USEC_PER_SEC) /* more than a name server is asked again and again for */

void transport_forget_tlsa(Connection *c)
{
    close_p(&c->tlsa_fd);
    c->tlsa = answer_unref(c->tlsa);
}

static bool is_fresh(Answer *answer, usec_t now)
{
    const TlsaResult *result = job_tlsa_result(answer, now);

    return !result || now < usec_add(answer_seen(answer), result->lifetime);
}

/* 0, or a negative errno. */
static int start(Connection *c, usec_t now)
{
    ConnectionShared *shared = c->shared;
    int r = 0;

    if (shared->tlsa && !is_fresh(shared->tlsa, now))
        shared->tlsa = answer_unref(shared->tlsa);
    if (!shared->tlsa)
        r = job_tlsa_start(shared->worker, tls_stream_name(c->tls), c->relay->port, &shared->tlsa);
    if (r < 0)
        return r;
    c->tlsa = answer_ref(shared->tlsa);
    c->tlsa_until = usec_add(now, PATIENCE);
    if (job_tlsa_result(c->tlsa, now))
        return 0;
    c->tlsa_fd = answer_watch(c->tlsa);
    if (c->tlsa_fd < 0)
        return c->tlsa_fd;
    transport_trace(c, "asking for TLSA records");
    transport_use_fd(c, c->tlsa_fd);
    return 0;
}

static int no_thread(Connection *c, int error)
{
    if (error == -ENOMEM)
        return error;
    c->own = true;
    return failure_reason(&c->failure, REASON_NO_RESOURCES,
        failure_set_errno(
            &c->failure, error, "cannot ask for the TLSA records of %s", c->relay->host));
}

static int time_out(Connection *c)
{
    return failure_reason(&c->failure, REASON_NAME_SERVER_SILENT,
        failure_set(&c->failure, -ETIMEDOUT, ERROR_TIMEOUT,
            "the TLSA records of %s did not come in time: check /etc/resolv.conf and its name "
            "servers; tls_dane = \"off\" does without",
            c->relay->host));
}

static int take(Connection *c, const TlsaResult *result, const TlsaSet **ret)
{
    size_t n = tlsa_count_usable(&result->set);

    if (c->tlsa_fd >= 0) {
        transport_use_fd(c, c->socket_fd);
        close_p(&c->tlsa_fd);
    }
    if (result->error < 0) {
        (void)failure_set(&c->failure, result->error, result->failure.number, "%s",
            failure_text(&result->failure));
        c->failure.reason = result->failure.reason;
        return result->error;
    }
    transport_trace(c, "TLSA records: %zu of use", n);
    *ret = n > 0 ? &result->set : NULL;
    return 1;
}

int transport_find_tlsa(Connection *c, usec_t now, const TlsaSet **ret)
{
    int r = c->tlsa ? 0 : start(c, now);
    const TlsaResult *result;

    if (r < 0)
        return no_thread(c, r);
    result = job_tlsa_result(c->tlsa, now);
    if (result)
        return take(c, result, ret);
    if (now >= c->tlsa_until)
        return time_out(c);
    transport_wait_for(c, POLLIN, c->tlsa_until);
    return 0;
}
