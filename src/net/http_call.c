/* A request and its response over a relay's transport, waited for with poll(2). Must never be
 * called in an event loop, nor wait longer than it is told or wanted, but for the lookup of names.
 */
#include "net/http_call.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "base/url.h"
#include "net/connection_time.h"
#include "net/http_url.h"
#include "net/transport.h"

#define READ_BYTES 16384

typedef struct Talk {
    const HttpCall *call;
    HttpUrl url;
    RelayConfig *peer; /* the server, as if it were a relay */
    ConnectionShared *shared;
    Connection *connection;
    usec_t deadline;
    usec_t awake; /* since the last wait: by this time it is judged, for the process may be stopped
                     anywhere */
    Lateness late;
    int stop_fd; /* borrowed; -1: nothing ends it but the deadline */
    bool asked;  /* the request has gone out */
} Talk;

static void talk_done(Talk *talk)
{
    connection_free(talk->connection);
    (void)connection_shared_unref(talk->shared);
    (void)relay_config_unref(talk->peer);
    http_url_done(&talk->url);
}

/* ---- the way there ---- */

static int make_peer(Talk *talk)
{
    const HttpCall *call = talk->call;
    RelayConfig *peer = talk->peer = relay_config_new();

    if (!peer)
        return -ENOMEM;
    peer->host = strdup(talk->url.host);
    peer->host_setting = call->url_setting ?: "";
    peer->port = (uint16_t)talk->url.port;
    peer->hello = strdup("localhost"); /* nobody is greeted */
    peer->tls = talk->url.tls ? TLS_MODE_IMPLICIT : TLS_MODE_NONE;
    peer->tls_verify = true;
    peer->tls_protocols = strdup("TLSv1.2 TLSv1.3");
    peer->tls_ca_file = call->ca_file ? strdup(call->ca_file) : NULL;
    peer->tls_ca_setting = call->ca_setting;
    peer->ip_version = IP_VERSION_ANY;
    peer->tcp_nodelay = true;
    peer->timeout = call->limit;
    if (!peer->host || !peer->hello || !peer->tls_protocols ||
        (call->ca_file && !peer->tls_ca_file))
        return -ENOMEM;
    return call->way ? relay_take_proxy(peer, call->way) : 0;
}

/* 0: it goes on; -ETIMEDOUT when the time is over, -ECANCELED when nobody wants it any more. */
static int look_at_time(Talk *talk, usec_t now)
{
    if (talk->stop_fd >= 0 && command_is_stopped(talk->call->stop)) {
        if (talk->call->grace == 0 || !talk->asked)
            return -ECANCELED;
        talk->stop_fd = -1;
        talk->deadline = MIN(talk->deadline, usec_add(now, talk->call->grace));
    }
    return now >= talk->deadline ? -ETIMEDOUT : 0;
}

/* Of a process that was stopped. */
static void excuse_lateness(Talk *talk, bool found)
{
    usec_t now = clock_monotonic(), time = lateness_excuse(&talk->late, now, found);

    talk->awake = now;
    if (time == 0)
        return;
    lateness_put_off(&talk->deadline, time);
    connection_put_off(talk->connection, time);
    if (talk->call->late)
        *talk->call->late += time;
}

/* 0, or a negative errno. What has come counts before the time does. */
static int wait_for(Talk *talk, short events, usec_t until)
{
    usec_t now = clock_monotonic();
    int r = look_at_time(talk, talk->awake), found, ms;
    struct pollfd polls[] = {{talk->connection->fd, events, 0}, {talk->stop_fd, POLLIN, 0}};

    if (r < 0)
        return r;
    until = MIN(until, talk->deadline);
    ms = until > now ? (int)MIN((until - now) / USEC_PER_MSEC + 1, (usec_t)INT_MAX) : 0;
    lateness_wait(&talk->late, talk->awake, until);
    found = poll(polls, ELEMENTSOF(polls), ms);
    if (found < 0 && errno != EINTR)
        return -errno;
    excuse_lateness(talk, found > 0);
    return look_at_time(talk, talk->awake) == -ECANCELED ? -ECANCELED : 0;
}

static int take_failure(Connection *c, int error, Failure *f)
{
    failure_done(f);
    *f = c->failure;
    c->failure = (Failure){0};
    return error;
}

/* The host alone: a path and a query may have secrets in them. */
static void note_wait(const Talk *talk)
{
    const HttpCall *call = talk->call;
    bool bracketed = strchr(talk->url.host, ':'),
         proxied = call->way && relay_is_proxied(call->way);
    char port[16] = "";

    if (talk->url.port != (talk->url.tls ? 443 : 80))
        snprintf(port, sizeof(port), ":%u", (unsigned)talk->url.port);
    command_stop_waits(call->stop, call->remedy, "%s http%s://%s%.150s%s%s%s",
        call->server ?: "the server", talk->url.tls ? "s" : "", bracketed ? "[" : "",
        talk->url.host, bracketed ? "]" : "", port, proxied ? " through the proxy" : "");
}

/* Whether another address is tried after this failure. */
static bool goes_on(const Talk *talk, usec_t now)
{
    const Connection *c = talk->connection;

    return !c->own && now < talk->deadline && c->failure.reason != REASON_PROXY_LOGIN &&
           transport_can_start_again(c);
}

static int connect_to(Talk *talk, Failure *f)
{
    usec_t now = clock_monotonic();
    Connection *c;
    int r = connection_shared_new(talk->peer, NULL, &talk->shared);

    r = r ?: connection_new(talk->shared, NULL, NULL, now, &talk->connection);
    if (r < 0)
        return r;
    c = talk->connection;
    command_stop_waits(talk->call->stop, "check /etc/resolv.conf and its name servers",
        "the name servers, which are asked for %.180s", resolve_name(c->relay));
    r = transport_look_up(c, now);
    if (r < 0)
        return take_failure(c, r, f);
    note_wait(talk);
    talk->awake = now = clock_monotonic();
    while ((r = transport_step(c, now)) <= 0 && r != -ENOMEM) {
        if (r < 0 && !goes_on(talk, now))
            return take_failure(c, r, f);
        if (r < 0)
            transport_start_again(c, now);
        else
            r = wait_for(talk, c->events, c->deadline);
        if (r == -ETIMEDOUT || r == -ECANCELED)
            return r;
        now = talk->awake;
    }
    return MIN(r, 0);
}

/* ---- request and response ---- */

static int make_request(const Talk *talk, Buffer *out)
{
    const HttpCall *call = talk->call;
    const HttpUrl *url = &talk->url;
    bool bracketed = strchr(url->host, ':');
    char port[16] = "", length[40] = "";
    size_t n = call->body ? buffer_size(call->body) : 0;

    if (url->port != (url->tls ? HTTPS_PORT : HTTP_PORT))
        snprintf(port, sizeof(port), ":%u", url->port);
    if (call->body)
        snprintf(length, sizeof(length), "Content-Length: %zu\r\n", n);
    if (!buffer_reserve(out, n + strlen(url->path) + strlen(url->host) + 512))
        return -ENOMEM;
    return buffer_appendf(out,
               "%s %s HTTP/1.1\r\n"
               "Host: %s%s%s%s\r\n"
               "User-Agent: outbox\r\n"
               "Accept: %s\r\n"
               "%s%s%s%s"
               "Connection: close\r\n\r\n",
               call->body ? "POST" : "GET", url->path, bracketed ? "[" : "", url->host,
               bracketed ? "]" : "", port, call->accept ?: "*/*",
               call->body ? "Content-Type: " : "", call->body ? call->body_type : "",
               call->body ? "\r\n" : "", length)
               ?: (n > 0 ? buffer_append(out, buffer_data(call->body), n) : 0);
}

static int write_all(Talk *talk, const Buffer *request, Failure *f)
{
    size_t done = 0;

    while (done < buffer_size(request)) {
        ssize_t n = transport_write(
            talk->connection, buffer_at(request, done), buffer_size(request) - done, f);

        if (n > 0)
            done += (size_t)n;
        else if (n == -EAGAIN)
            n = wait_for(talk, transport_wants(talk->connection, POLLOUT), USEC_NEVER);
        if (n < 0)
            return (int)n;
    }
    talk->asked = true;
    return 0;
}

static int read_response(Talk *talk, HttpResponse *response, Failure *f)
{
    char data[READ_BYTES];
    int r = 0;

    while (r == 0) {
        ssize_t n = transport_read(talk->connection, data, sizeof(data), f);

        if (n > 0)
            r = http_response_feed(response, data, (size_t)n);
        else if (n == -EAGAIN)
            r = wait_for(talk, transport_wants(talk->connection, POLLIN), USEC_NEVER);
        else
            r = n < 0 ? (int)n : http_response_end(response) ?: 1;
        r = r ?: look_at_time(talk, talk->awake);
    }
    explicit_bzero(data, sizeof(data));
    return MIN(r, 0);
}

static int exchange(Talk *talk, HttpResponse *ret, Failure *f)
{
    Buffer request = {0};
    int r = connect_to(talk, f) ?: make_request(talk, &request) ?: write_all(talk, &request, f);

    if (request.memory)
        explicit_bzero(request.memory, request.allocated);
    buffer_done(&request);
    return r ?: read_response(talk, ret, f);
}

static int explain(const Talk *talk, int r, Failure *f)
{
    _cleanup_free_
    char *time = NULL;

    if (r == -ENOMEM || f->number != 0)
        return r;
    switch (r) {
    case -ECANCELED:
        return failure_set(f, r, ERROR_INTERRUPTED, "the answer is not wanted any more");
    case -ETIMEDOUT:
        time = text_format_duration(
            MAX((talk->call->limit + USEC_PER_SEC / 2) / USEC_PER_SEC, (usec_t)1) * USEC_PER_SEC);
        return failure_set(f, r, ERROR_TIMEOUT, "no answer within %s", time ?: "its time");
    case -EBADMSG: return failure_set(f, r, ERROR_COMMUNICATION, "what it answers is not HTTP");
    case -ENODATA:
        return failure_set(f, r, ERROR_COMMUNICATION, "it closed the connection without an answer");
    case -ECONNRESET:
        return failure_set(
            f, r, ERROR_COMMUNICATION, "it closed the connection before the end of its answer");
    case -EMSGSIZE:
        return failure_set(f, r, ERROR_COMMUNICATION,
            "it answers more than such an answer has (%zu bytes at most)", talk->call->max);
    default: return failure_set_errno(f, r, "the connection failed");
    }
}

static int refuse_url(const HttpCall *call, Failure *f)
{
    _cleanup_free_
    char *shown = url_shown(call->url);

    return shown ? failure_set(f, -EINVAL, ERROR_CONFIGURATION, "\"%s\" is no URL of HTTP%s", shown,
                       call->clear ? "" : "S")
                 : -ENOMEM;
}

int http_call(const HttpCall *call, HttpResponse *ret, Failure *f)
{
    _cleanup_(talk_done) Talk talk = {
        .call = call, .deadline = usec_add(clock_monotonic(), call->limit), .stop_fd = -1};
    _cleanup_failure_ Failure own = {0};
    int r = http_url_parse(call->url, &talk.url);

    if (f)
        failure_done(f); /* of an earlier call */
    if (r == -EINVAL || (r >= 0 && !talk.url.tls && !call->clear))
        return refuse_url(call, f);
    if (r >= 0 && call->stop)
        talk.stop_fd = r = command_stop_fd(call->stop);
    if (r < 0)
        return r == -ENOMEM ? r : failure_set_errno(f, r, "the connection cannot be made");
    r = make_peer(&talk) ?: http_response_init(ret, call->max);
    if (r < 0)
        return r;
    r = exchange(&talk, ret, f ?: &own);
    if (r == 0)
        return 0;
    http_response_done(ret);
    return explain(&talk, r, f ?: &own);
}
