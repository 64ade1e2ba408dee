/* Bringing a transport up: a table of steps, each run until it is done. A proxy is one row more.
 * Must never block. */
#include "net/transport.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/errors.h"
#include "base/text.h"

#define COMMAND_TIMEOUT (40 * USEC_PER_SEC) /* more than a password command may take */

void transport_trace(Connection *c, const char *format, ...)
{
    va_list arguments;
    char line[512];
    int n;

    if (!c->trace)
        return;
    va_start(arguments, format);
    n = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (n > 0)
        c->trace(c->trace_user, SMTP_TRACE_INFO, line, MIN((size_t)n, sizeof(line) - 1));
}

static void wait_for(Connection *c, short events, usec_t deadline)
{
    c->events = events;
    c->deadline = deadline;
}

static void use_fd(Connection *c, int fd)
{
    c->fd = fd;
    c->generation++;
}

static int time_out(Connection *c, usec_t limit, const char *what)
{
    _cleanup_free_
    char *time = text_format_duration(limit);

    return failure_set(&c->failure, -ETIMEDOUT, ERROR_TIMEOUT, "%s %s took longer than %s", what,
        c->relay->host, time ?: "allowed");
}

/* ---- lookup ---- */

static usec_t lookup_limit(const RelayConfig *relay)
{
    bool runs_command = relay->password.command || relay->tls_key_password.command;

    return runs_command && relay->timeout > 0 ? MAX(relay->timeout, COMMAND_TIMEOUT)
                                              : relay->timeout;
}

static int start_lookup(Connection *c, usec_t now)
{
    const LookupRequest request = {
        .config = c->shared->config,
        .relay = c->relay,
        .tls_key_password = c->relay->tls != TLS_MODE_NONE && !c->shared->tls,
        .host_name = !c->relay->hello && !c->shared->has_host_name,
    };
    usec_t limit = lookup_limit(c->relay);
    int r = lookup_new(&request, &c->lookup, &c->failure);

    if (r < 0)
        return r;
    transport_trace(c, "looking up %s", c->relay->host);
    use_fd(c, lookup_fd(c->lookup));
    wait_for(c, POLLIN, limit > 0 ? usec_add(now, limit) : USEC_NEVER);
    return 0;
}

static int run_lookup(Connection *c, usec_t now)
{
    int r = c->lookup ? 0 : start_lookup(c, now);

    if (r < 0)
        return r;
    if (lookup_take(c->lookup, &c->found) == 0)
        return now < c->deadline ? 0 : time_out(c, lookup_limit(c->relay), "the name lookup of");
    use_fd(c, -1);
    lookup_free(c->lookup);
    c->lookup = NULL;
    if (c->found.error < 0) {
        c->failure = c->found.failure;
        c->found.failure = (Failure){0};
        return c->found.error;
    }
    if (!c->shared->has_host_name && !c->relay->hello) {
        c->shared->has_host_name = true;
        c->shared->host_name = TAKE_PTR(c->found.host_name);
    }
    return 1;
}

/* ---- connect ---- */

static int run_connect(Connection *c, usec_t now)
{
    unsigned attempts;
    int r = c->dial ? 0 : socket_dial_new(c->relay, &c->found, now, &c->dial);

    if (r < 0)
        return r;
    attempts = socket_dial_attempts(c->dial);
    r = socket_dial_step(c->dial, now, &c->failure);
    if (r < 0)
        return r;
    if (attempts != socket_dial_attempts(c->dial)) {
        use_fd(c, socket_dial_fd(c->dial));
        address_format(socket_dial_address(c->dial), c->address);
        transport_trace(c, "connecting to %s", c->address);
    }
    wait_for(c, POLLOUT, socket_dial_deadline(c->dial));
    if (r == 0)
        return 0;
    transport_trace(c, "connected to %s", c->address);
    c->peer_is_loopback = address_is_loopback(socket_dial_address(c->dial));
    c->socket_fd = socket_dial_take(c->dial);
    socket_dial_free(c->dial);
    c->dial = NULL;
    lookup_result_forget_addresses(&c->found);
    return 1;
}

/* ---- TLS ---- */

static int start_tls(Connection *c, usec_t now)
{
    usec_t limit = c->relay->timeout;
    int r = connection_shared_tls(c->shared, c->found.tls_key_password, &c->failure);

    if (r >= 0)
        r = tls_stream_new(c->shared->tls, c->socket_fd, &c->tls, &c->failure);
    wait_for(c, POLLIN, limit > 0 ? usec_add(now, limit) : USEC_NEVER);
    return r;
}

static int run_tls(Connection *c, usec_t now)
{
    ssize_t r = 0;

    if (!c->session && c->relay->tls != TLS_MODE_IMPLICIT)
        return 1; /* STARTTLS comes later, or never */
    if (!c->tls)
        r = start_tls(c, now);
    if (r >= 0)
        r = tls_stream_handshake(c->tls, &c->failure);
    if (r == -EAGAIN) {
        c->events = tls_stream_wants(c->tls);
        return now < c->deadline ? 0 : time_out(c, c->relay->timeout, "the TLS handshake with");
    }
    if (r < 0)
        return (int)r;
    transport_trace(c, "%s%s", tls_stream_info(c->tls)->description,
        tls_stream_resumed(c->tls) ? ", resumed" : "");
    return 1;
}

/* ---- the table ---- */

typedef struct TransportStep {
    DeliveryStage stage;
    int (*run)(Connection *c, usec_t now); /* starts or goes on: 1 done, 0 waits, or a failure */
} TransportStep;

static const TransportStep steps[] = {
    {STAGE_LOOKUP, run_lookup},
    {STAGE_CONNECT, run_connect},
    {STAGE_TLS, run_tls},
};

#define STEP_TLS 2

int transport_step(Connection *c, usec_t now)
{
    while (c->step < ELEMENTSOF(steps)) {
        int r = steps[c->step].run(c, now);

        if (r <= 0)
            return r;
        c->step++;
    }
    return 1;
}

DeliveryStage transport_stage(const Connection *c)
{
    return c->step < ELEMENTSOF(steps) ? steps[c->step].stage : STAGE_NONE;
}

void transport_start_tls(Connection *c)
{
    c->step = STEP_TLS;
}

/* ---- bytes ---- */

ssize_t transport_read(Connection *c, char *data, size_t n, Failure *f)
{
    ssize_t r;

    if (c->tls)
        return tls_stream_read(c->tls, data, n, f);
    do
        r = recv(c->socket_fd, data, n, 0);
    while (r < 0 && errno == EINTR);
    if (r >= 0 || errno == EAGAIN)
        return r >= 0 ? r : -EAGAIN;
    return failure_set_errno(f, -errno, "the connection broke");
}

ssize_t transport_write(Connection *c, const char *data, size_t n, Failure *f)
{
    ssize_t r;

    if (c->tls)
        return tls_stream_write(c->tls, data, n, f);
    do
        r = send(c->socket_fd, data, n, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    if (r >= 0 || errno == EAGAIN)
        return r >= 0 ? r : -EAGAIN;
    return failure_set_errno(f, -errno, "the connection broke");
}
