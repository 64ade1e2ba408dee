/* Bringing a transport up: a table of steps, each run until it is done.
 * Must never block. */
#include "net/transport.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/errors.h"
#include "base/text.h"
#include "net/job_secrets.h"
#include "net/socket_options.h"

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

void transport_wait_for(Connection *c, short events, usec_t deadline)
{
    c->events = events;
    c->deadline = deadline;
}

void transport_use_fd(Connection *c, int fd)
{
    c->fd = fd;
    c->generation++;
}

#define STEP_CONNECT 1 /* rows of the table */
#define STEP_TLS 3

/* ---- lookup ---- */

/* Of the addresses that are connected to. */
static AvoidList *avoid_list(Connection *c)
{
    return relay_is_proxied(c->relay) ? &c->shared->avoid_proxy : &c->shared->avoid;
}

static int end_lookup(Connection *c)
{
    AddressList *found = &c->found.found;

    if (c->found.notice)
        transport_trace(c, "warning: %s", c->found.notice);
    if (c->found.error >= 0) {
        c->shared->n_addresses = relay_is_proxied(c->relay) ? found->n_targets : found->n_addresses;
        avoid_sort(avoid_list(c), found->addresses, found->n_addresses, c->begun);
        avoid_sort(&c->shared->avoid, found->targets, found->n_targets, c->begun);
        return 1;
    }
    c->failure = c->found.failure;
    c->found.failure = (Failure){0};
    c->own = c->found.own;
    return c->found.error;
}

static int run_lookup(Connection *c, usec_t now)
{
    unsigned watches;
    int r = 0;

    if (!c->lookup) {
        transport_trace(c, "looking up %s", resolve_name(c->relay));
        c->begun = now;
        r = lookup_new(c->shared, now, &c->lookup);
    }
    if (r < 0)
        return r;
    watches = lookup_watches(c->lookup);
    r = lookup_step(c->lookup, now, &c->found);
    if (r == 0) {
        if (watches != lookup_watches(c->lookup))
            transport_use_fd(c, lookup_fd(c->lookup));
        transport_wait_for(c, POLLIN, lookup_deadline(c->lookup));
        return 0;
    }
    if (c->fd >= 0)
        transport_use_fd(c, -1);
    lookup_free(c->lookup);
    c->lookup = NULL;
    return end_lookup(c);
}

int transport_look_up(Connection *c, usec_t now)
{
    LookupResult *found = &c->found;
    SecretsResult secrets = {0};
    int r;

    c->begun = now;
    found->error = resolve_relay(c->relay, &found->found, &found->failure);
    if (found->error >= 0) {
        secrets_fetch(c->shared->relay, NULL, false, NULL, NULL, &secrets);
        found->proxy_password = TAKE_PTR(secrets.proxy);
        found->proxy_tickets = TAKE_PTR(secrets.proxy_tickets);
        found->error = secrets.error;
        found->own = secrets.error < 0;
        if (secrets.error < 0) {
            found->failure = secrets.failure;
            secrets.failure = (Failure){0};
        }
        secrets_done(&secrets);
    }
    r = end_lookup(c);
    if (r > 0)
        c->step = STEP_CONNECT;
    return r;
}

/* ---- connect ---- */

static void trace_attempt(void *user, const struct sockaddr_storage *address)
{
    Connection *c = user;

    address_format(address, c->address);
    transport_trace(
        c, "connecting to %s%s", relay_is_proxied(c->relay) ? "the proxy " : "", c->address);
}

static int start_dial(Connection *c, usec_t now)
{
    const SocketDialOptions options = {
        .relay = c->relay,
        .found = &c->found.found,
        .avoid = avoid_list(c),
        .to_proxy = relay_is_proxied(c->relay),
        .begun = trace_attempt,
        .user = c,
    };

    return socket_dial_new(&options, now, &c->dial);
}

static void use_connected(Connection *c)
{
    c->socket_fd = socket_dial_take(c->dial, &c->peer);
    transport_use_fd(c, c->socket_fd);
    c->wire.fd = c->socket_fd;
    address_format(c->peer, c->address);
    transport_trace(c, "connected to %s", c->address);
    c->peer_is_loopback = address_is_loopback(c->peer);
}

static int run_connect(Connection *c, usec_t now)
{
    unsigned watches;
    int r = c->dial ? 0 : start_dial(c, now);

    if (r < 0)
        return r;
    watches = socket_dial_watches(c->dial);
    r = socket_dial_step(c->dial, now, &c->failure);
    if (r < 0) {
        c->own = socket_dial_is_own(c->dial);
        return r;
    }
    if (r > 0) {
        use_connected(c);
        return 1;
    }
    if (watches != socket_dial_watches(c->dial))
        transport_use_fd(c, socket_dial_fd(c->dial));
    transport_wait_for(c, socket_dial_events(c->dial), socket_dial_deadline(c->dial));
    return 0;
}

/* ---- TLS ---- */

static int start_tls(Connection *c, usec_t now)
{
    const TlsCarrier *carrier = wire_carrier(&c->wire);
    int r = connection_shared_tls(c->shared, c->found.client, &c->failure);

    if (r >= 0)
        r = carrier ? tls_stream_new_over(c->shared->tls, carrier, now, &c->tls, &c->failure)
                    : tls_stream_new(c->shared->tls, c->socket_fd, now, &c->tls, &c->failure);
    c->own = r < 0;
    if (r >= 0)
        tls_stream_sign_beside(c->tls, c->shared->worker);
    if (r >= 0 && (c->on_tls_status || c->relay->tls_log_packets))
        tls_stream_watch(c->tls, transport_tell_tls, c->relay->tls_log_packets, c);
    c->limit = transport_patience(c);
    transport_wait_for(c, POLLIN, c->limit > 0 ? usec_add(now, c->limit) : USEC_NEVER);
    return r;
}

static int time_out(Connection *c)
{
    _cleanup_free_
    char *time = text_format_duration(c->limit);

    c->own = tls_stream_signing_fd(c->tls) >= 0;
    if (c->own)
        return failure_reason(&c->failure, REASON_TLS_CLIENT_KEY,
            failure_set(&c->failure, -ETIMEDOUT, ERROR_TIMEOUT,
                "the token that has the key did not sign for %s within %s: check that it answers, "
                "or set a longer timeout",
                c->relay->host, time ?: "the time allowed"));
    return failure_reason(&c->failure, REASON_TLS_TIMEOUT,
        failure_set(&c->failure, -ETIMEDOUT, ERROR_TIMEOUT,
            "the TLS handshake with %s took longer than %s: try again, then see whether the server "
            "is overloaded, or large packets get lost on the way to it%s",
            c->relay->host, time ?: "allowed",
            c->relay->host_setting ? "" : " (see tls13_groups)"));
}

/* It is no matter of ports where the server itself has just said 220 to STARTTLS. */
static int explain_broken_starttls(Connection *c, int error)
{
    return failure_reason(&c->failure, REASON_TLS_BROKEN,
        failure_set(&c->failure, error, ERROR_TLS_HANDSHAKE,
            "%s offers STARTTLS, and what it says then is no TLS: its owner must mend that; until "
            "then "
            "try tls = \"implicit\" on port 465",
            c->relay->host));
}

/* A step of the handshake; what is waited for may be a thread, which signs. */
static ssize_t shake_hands(Connection *c)
{
    unsigned before = tls_stream_signings(c->tls);
    ssize_t r = tls_stream_handshake(c->tls, &c->failure);
    int fd = tls_stream_signing_fd(c->tls);

    if (before != tls_stream_signings(c->tls) || (fd < 0 && c->fd != c->socket_fd))
        transport_use_fd(c, fd >= 0 ? fd : c->socket_fd);
    if (r == -EAGAIN)
        c->events = fd >= 0 ? POLLIN : transport_wants(c, POLLIN);
    else if (r < 0)
        c->own = c->failure.reason == REASON_TLS_CLIENT_KEY;
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
        r = shake_hands(c);
    if (r == -EAGAIN)
        return now < c->deadline ? 0 : time_out(c);
    if (r < 0) {
        connection_shared_forget_tls(c->shared);
        return c->session && c->failure.reason == REASON_TLS_NOT_SPOKEN
                   ? explain_broken_starttls(c, (int)r)
                   : (int)r;
    }
    c->shared->clear_until = 0;
    transport_trace(c, "%s%s", tls_stream_info(c->tls)->description,
        tls_stream_resumed(c->tls) ? ", resumed" : "");
    return 1;
}

/* ---- proxy ---- */

static void close_address(Connection *c)
{
    revocation_free(c->revocation);
    c->revocation = NULL;
    tls_stream_free(c->tls);
    c->tls = NULL;
    wire_done(&c->wire);
    socket_close(c->relay, &c->socket_fd);
    transport_use_fd(c, -1);
    c->peer = NULL;
}

static int run_proxy(Connection *c, usec_t now)
{
    int r = proxied_step(c, now);

    if (r != 2)
        return r;
    /* The same address once more. */
    close_address(c);
    socket_dial_again(c->dial);
    socket_dial_resume(c->dial, now);
    c->step = STEP_CONNECT;
    return 2;
}

/* ---- the table ---- */

typedef struct TransportStep {
    DeliveryStage stage;
    /* Starts or goes on: 1 done, 2 another step was set, 0 waits, or a failure. */
    int (*run)(Connection *c, usec_t now);
} TransportStep;

static const TransportStep steps[] = {
    {STAGE_LOOKUP, run_lookup},
    {STAGE_CONNECT, run_connect},
    {STAGE_PROXY, run_proxy},
    {STAGE_TLS, run_tls},
    {STAGE_CERTIFICATE, transport_run_certificate},
};

int transport_step(Connection *c, usec_t now)
{
    while (c->step < ELEMENTSOF(steps)) {
        int r = steps[c->step].run(c, now);

        if (r == 0)
            transport_tell_wait(c, now);
        if (r <= 0)
            return r;
        c->tell_at = 0;
        if (r == 1)
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

static void give_up_address(Connection *c)
{
    transport_forget_tlsa(c);
    transport_forget_mta_sts(c);
    close_address(c);
    c->own = false;
    failure_done(&c->failure);
    c->step = STEP_CONNECT;
}

static void start_again(Connection *c, usec_t now)
{
    proxied_reset(c, false);
    give_up_address(c);
    socket_dial_resume(c->dial, now);
}

void transport_start_again(Connection *c, usec_t now)
{
    if (relay_is_proxied(c->relay) && proxied_advance(c))
        socket_dial_again(c->dial);
    start_again(c, now);
}

void transport_start_over(Connection *c)
{
    proxied_reset(c, true);
    give_up_address(c);
    socket_dial_free(c->dial);
    c->dial = NULL;
}

void transport_look_again(Connection *c)
{
    transport_start_over(c);
    lookup_result_done(&c->found);
    c->step = 0;
}

void transport_start_anew(Connection *c, usec_t now)
{
    socket_dial_again(c->dial);
    start_again(c, now);
}

bool transport_can_start_again(const Connection *c)
{
    if (!c->dial)
        return false;
    return relay_is_proxied(c->relay) ? proxied_can_go_on(c) : socket_dial_left(c->dial) > 0;
}

usec_t transport_patience(const Connection *c)
{
    usec_t timeout = c->relay->timeout;
    bool behind = c->dial && relay_is_proxied(c->relay) && proxied_has_target(c);

    if (!behind && !transport_can_start_again(c))
        return timeout;
    return timeout > 0 ? MIN(timeout, TRANSPORT_SHARE) : TRANSPORT_SHARE;
}

void transport_blame_address(Connection *c, usec_t now)
{
    const AddressList *found = &c->found.found;
    bool behind = c->proxied.stands || c->proxied.is_about_target;

    if (!behind)
        avoid_note(avoid_list(c), c->peer, now);
    else if (found->n_targets > 0)
        avoid_note(&c->shared->avoid, &found->targets[c->proxied.target], now);
}

void transport_settle(Connection *c)
{
    const AddressList *found = &c->found.found;

    c->used = *c->peer;
    if (!relay_is_proxied(c->relay))
        return;
    avoid_forget(&c->shared->avoid_proxy, c->peer);
    c->used = found->n_targets > 0 ? found->targets[c->proxied.target]
                                   : (struct sockaddr_storage){.ss_family = AF_UNSPEC};
}

/* ---- bytes ---- */

short transport_wants(const Connection *c, short plain)
{
    if (c->wire.tls || c->wire.wrap)
        return c->wire.wants;
    return c->tls ? tls_stream_wants(c->tls) : plain;
}

bool transport_pending(const Connection *c)
{
    return (c->tls && tls_stream_pending(c->tls)) || wire_pending(&c->wire);
}

ssize_t transport_read(Connection *c, char *data, size_t n, Failure *f)
{
    return c->tls ? tls_stream_read(c->tls, data, n, f) : wire_read(&c->wire, data, n, f);
}

ssize_t transport_write(Connection *c, const char *data, size_t n, Failure *f)
{
    return c->tls ? tls_stream_write(c->tls, data, n, f) : wire_write(&c->wire, data, n, f);
}
