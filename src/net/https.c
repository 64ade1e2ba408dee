/* HTTPS with what the relays have: lookup, dialling, TLS and the judging of certificates, waited
 * for with poll(2). Must never be called in an event loop. */
#include "net/https.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "net/socket.h"
#include "net/tls.h"

#define HTTPS_PORT 443

/* ---- where ---- */

/* "host", "host:port" or "[address]:port". */
static int parse_authority(char *text, HttpsUrl *ret)
{
    char *end = *text == '[' ? strchr(text, ']') : text + strcspn(text, ":"), *colon;
    unsigned port = 0;

    if (!end)
        return -EINVAL;
    colon = *text == '[' ? end + 1 : end;
    ret->port = HTTPS_PORT;
    if (*colon == ':') {
        for (const char *c = colon + 1; *c; c++) {
            if (*c < '0' || *c > '9' || port > 65535)
                return -EINVAL;
            port = port * 10 + (unsigned)(*c - '0');
        }
        ret->port = port;
    } else if (*colon)
        return -EINVAL;
    *end = '\0';
    if (*text == '[')
        text++;
    if (!*text || ret->port == 0 || ret->port > 65535 || strchr(text, '@'))
        return -EINVAL;
    ret->host = strdup(text);
    return ret->host ? 0 : -ENOMEM;
}

static bool has_odd_character(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f || *text == '#')
            return true;
    return false;
}

int https_url_parse(const char *text, HttpsUrl *ret)
{
    _cleanup_free_
    char *authority = NULL;
    size_t n;
    int r;

    *ret = (HttpsUrl){0};
    if (!text_starts_nocase(text, "https://") || has_odd_character(text))
        return -EINVAL;
    text += strlen("https://");
    n = strcspn(text, "/?");
    authority = strndup(text, n);
    if (!authority)
        return -ENOMEM;
    r = parse_authority(authority, ret);
    if (r >= 0 && asprintf(&ret->path, "%s%s", text[n] == '/' ? "" : "/", text + n) < 0) {
        ret->path = NULL;
        r = -ENOMEM;
    }
    if (r < 0)
        https_url_done(ret);
    return r;
}

void https_url_done(HttpsUrl *url)
{
    free(url->host);
    free(url->path);
    *url = (HttpsUrl){0};
}

/* ---- one call ---- */

typedef struct Call {
    HttpsUrl url;
    RelayConfig *peer; /* the server, as if it were a relay */
    AddressList found;
    SocketDial *dial;
    TlsContext *context;
    TlsStream *tls;
    int fd;
    usec_t deadline, limit;
} Call;

static void call_done(Call *call)
{
    tls_stream_free(call->tls);
    (void)tls_context_unref(call->context);
    close_p(&call->fd);
    socket_dial_free(call->dial);
    address_list_done(&call->found);
    (void)relay_config_unref(call->peer);
    https_url_done(&call->url);
}

static int make_peer(Call *call, const char *ca_file)
{
    RelayConfig *peer = call->peer = relay_config_new();

    if (!peer)
        return -ENOMEM;
    peer->host = strdup(call->url.host);
    peer->port = (uint16_t)call->url.port;
    peer->tls = TLS_MODE_IMPLICIT;
    peer->tls_verify = true;
    peer->tls_protocols = strdup("TLSv1.2 TLSv1.3");
    peer->tls_ca_file = ca_file ? strdup(ca_file) : NULL;
    peer->tls_ca_setting = "oauth_ca_file";
    peer->ip_version = IP_VERSION_ANY;
    peer->tcp_nodelay = true;
    peer->timeout = call->limit;
    return peer->host && peer->tls_protocols && (!ca_file || peer->tls_ca_file) ? 0 : -ENOMEM;
}

/* 0, or a negative errno; -ETIMEDOUT when the time is over. */
static int wait_for(const Call *call, int fd, short events, usec_t until)
{
    struct pollfd poll_fd = {fd, events, 0};
    usec_t now = clock_monotonic();

    if (now >= call->deadline)
        return -ETIMEDOUT;
    until = MIN(until, call->deadline);
    if (until <= now)
        return 0;
    if (poll(&poll_fd, 1, (int)MIN((until - now) / USEC_PER_MSEC + 1, (usec_t)INT_MAX)) < 0 &&
        errno != EINTR)
        return -errno;
    return 0;
}

static int connect_to(Call *call, Failure *f)
{
    const SocketDialOptions options = {.relay = call->peer, .found = &call->found};
    const struct sockaddr_storage *address;
    int r = resolve_relay(call->peer, &call->found, f);

    if (r >= 0)
        r = socket_dial_new(&options, clock_monotonic(), &call->dial);
    while (r >= 0) {
        r = socket_dial_step(call->dial, clock_monotonic(), f);
        if (r != 0)
            break;
        r = wait_for(call, socket_dial_fd(call->dial), socket_dial_events(call->dial),
            socket_dial_deadline(call->dial));
    }
    if (r > 0)
        call->fd = socket_dial_take(call->dial, &address);
    return MIN(r, 0);
}

static int start_tls(Call *call, Failure *f)
{
    int r = tls_context_new(call->peer, NULL, &call->context, f);

    if (r >= 0)
        r = tls_stream_new(call->context, call->fd, clock_monotonic(), &call->tls, f);
    while (r >= 0) {
        r = (int)tls_stream_handshake(call->tls, f);
        if (r != -EAGAIN)
            break;
        r = wait_for(call, call->fd, tls_stream_wants(call->tls), USEC_NEVER);
    }
    if (r >= 0)
        r = MIN(tls_stream_judge(call->tls, f), 0);
    if (r >= 0)
        tls_stream_decide(call->tls, true, true);
    return r;
}

static int write_all(Call *call, const Buffer *request, Failure *f)
{
    size_t done = 0;

    while (done < buffer_size(request)) {
        ssize_t n =
            tls_stream_write(call->tls, buffer_at(request, done), buffer_size(request) - done, f);

        if (n > 0)
            done += (size_t)n;
        else if (n == -EAGAIN)
            n = wait_for(call, call->fd, tls_stream_wants(call->tls), USEC_NEVER);
        if (n < 0)
            return (int)n;
    }
    return 0;
}

static int read_response(Call *call, HttpResponse *response, Failure *f)
{
    char data[4096];
    int r = 0;

    while (r == 0) {
        ssize_t n = tls_stream_read(call->tls, data, sizeof(data), f);

        if (n > 0)
            r = http_response_feed(response, data, (size_t)n);
        else if (n == -EAGAIN)
            r = wait_for(call, call->fd, tls_stream_wants(call->tls), USEC_NEVER);
        else
            return n < 0 ? (int)n : http_response_end(response);
    }
    explicit_bzero(data, sizeof(data));
    return MIN(r, 0);
}

static int make_request(const Call *call, const Buffer *form, Buffer *out)
{
    const HttpsUrl *url = &call->url;
    bool bracketed = strchr(url->host, ':');
    char port[16] = "";

    if (url->port != HTTPS_PORT)
        snprintf(port, sizeof(port), ":%u", url->port);
    if (!buffer_reserve(out, buffer_size(form) + strlen(url->path) + strlen(url->host) + 512))
        return -ENOMEM;
    return buffer_appendf(out,
               "POST %s HTTP/1.1\r\n"
               "Host: %s%s%s%s\r\n"
               "User-Agent: outbox\r\n"
               "Accept: application/json\r\n"
               "Content-Type: application/x-www-form-urlencoded\r\n"
               "Content-Length: %zu\r\n"
               "Connection: close\r\n\r\n",
               url->path, bracketed ? "[" : "", url->host, bracketed ? "]" : "", port,
               buffer_size(form))
               ?: buffer_append(out, buffer_data(form), buffer_size(form));
}

static int exchange(Call *call, const Buffer *form, HttpResponse *ret, Failure *f)
{
    Buffer request = {0};
    int r = connect_to(call, f);

    r = r ?: start_tls(call, f) ?: make_request(call, form, &request) ?: write_all(call, &request, f);
    if (request.memory)
        explicit_bzero(request.memory, request.allocated);
    buffer_done(&request);
    return r ?: read_response(call, ret, f);
}

static int explain(const Call *call, int r, Failure *f)
{
    char what[300];
    _cleanup_free_
    char *time = NULL;

    switch (r) {
    case -ETIMEDOUT:
        if (f && f->number != 0)
            break;
        time = text_format_duration(call->limit);
        (void)failure_set(f, r, ERROR_TIMEOUT, "no answer within %s", time ?: "its time");
        break;
    case -EBADMSG:
    case -EMSGSIZE:
        if (f && f->number != 0)
            break;
        (void)failure_set(f, r, ERROR_AUTHENTICATION,
            r == -EBADMSG ? "what it answers is not HTTP, or breaks off"
                          : "it answers more than any token has");
        break;
    case -ENOMEM: return r;
    default:
        if (f && f->number == 0)
            (void)failure_set_errno(f, r, "the connection failed");
    }
    snprintf(what, sizeof(what), "https://%.250s", call->url.host);
    return failure_prefix(f, r, what);
}

int https_post(const char *url, const char *ca_file, const Buffer *form, usec_t limit,
    HttpResponse *ret, Failure *f)
{
    _cleanup_(call_done)
        Call call = {.fd = -1, .limit = limit, .deadline = usec_add(clock_monotonic(), limit)};
    _cleanup_failure_ Failure own = {0};
    int r = https_url_parse(url, &call.url);

    if (r == -EINVAL)
        return failure_set(f, r, ERROR_CONFIGURATION, "\"%s\" is no URL of HTTPS", url);
    r = r ?: make_peer(&call, ca_file) ?: http_response_init(ret);
    if (r < 0)
        return r;
    r = exchange(&call, form, ret, f ?: &own);
    if (r == 0)
        return 0;
    http_response_done(ret);
    return explain(&call, r, f ?: &own);
}
