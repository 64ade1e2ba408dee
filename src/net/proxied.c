/* Through a proxy. Must never let anything of the relay's go to the proxy instead, nor let a proxy
 * take longer than another address would get. */
#include "net/proxied.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "net/transport.h"

#define READ_BYTES 4096
#define CONNECTIONS_MAX 6 /* of one dialogue: a nonce that is too old costs one */

void proxied_name(Connection *c)
{
    if (relay_is_proxied(c->relay))
        snprintf(c->proxied.words, sizeof(c->proxied.words), "%s port %u", c->relay->proxy_host,
            c->relay->proxy_port);
}

/* ---- the targets ---- */

static size_t count_targets(const Connection *c)
{
    return MAX(c->found.found.n_targets, (size_t)1);
}

/* The next after `from`, or the number of all. */
static size_t find_target(const Connection *c, size_t from, unsigned done)
{
    while (from < count_targets(c) && (done & 1U << from))
        from++;
    return from;
}

static unsigned targets_done(const Connection *c)
{
    const Proxied *p = &c->proxied;

    return p->targets_done | (p->stands ? 1U << p->target : 0);
}

bool proxied_has_target(const Connection *c)
{
    return find_target(c, c->proxied.target + 1, c->proxied.targets_done) < count_targets(c);
}

bool proxied_can_go_on(const Connection *c)
{
    const Proxied *p = &c->proxied;

    if ((p->stands || p->is_about_target) && proxied_has_target(c))
        return true;
    return socket_dial_left(c->dial) > 0 && find_target(c, 0, targets_done(c)) < count_targets(c);
}

bool proxied_advance(Connection *c)
{
    Proxied *p = &c->proxied;
    bool same = (p->stands || p->is_about_target) && proxied_has_target(c);

    p->targets_done = targets_done(c);
    p->target = find_target(c, same ? p->target + 1 : 0, p->targets_done);
    if (p->target >= count_targets(c))
        p->target = 0;
    return same;
}

void proxied_reset(Connection *c, bool whole)
{
    Proxied *p = &c->proxied;

    proxy_dialogue_free(p->dialogue);
    p->dialogue = NULL;
    p->begun = p->judged = p->stands = p->is_about_target = false;
    if (whole) {
        p->target = 0;
        p->targets_done = 0;
    }
}

/* ---- TLS with the proxy ---- */

static int start_tls(Connection *c, usec_t now)
{
    int r = connection_shared_proxy_tls(c->shared, &c->failure);

    if (r >= 0)
        r = tls_stream_new(c->shared->proxy_tls, c->socket_fd, now, &c->wire.tls, &c->failure);
    c->own = r < 0;
    return r;
}

static int explain_tls(Connection *c, int error)
{
    bool spoken = c->failure.reason != REASON_TLS_NOT_SPOKEN;
    _cleanup_free_
    char *why = strdup(failure_text(&c->failure));

    if (error == -ENOMEM || !why)
        return -ENOMEM;
    return failure_reason(&c->failure, REASON_PROXY_TLS,
        spoken ? failure_set(&c->failure, error, ERROR_FIREWALL, "the proxy %s cannot be used: %s",
                     c->proxied.words, why)
               : failure_set(&c->failure, error, ERROR_FIREWALL,
                     "the proxy %s does not speak TLS at this port: check proxy_port, or leave "
                     "proxy_tls out",
                     c->proxied.words));
}

/* 1 when it stands, 0 to wait, or a negative errno. */
static int bring_up_tls(Connection *c, usec_t now)
{
    ssize_t r = 0;

    if (!c->relay->proxy_tls || c->proxied.judged)
        return 1;
    if (!c->wire.tls && start_tls(c, now) < 0)
        return c->failure.number != 0 ? -EINVAL : -ENOMEM;
    r = tls_stream_handshake(c->wire.tls, &c->failure);
    if (r == -EAGAIN) {
        c->events = tls_stream_wants(c->wire.tls);
        return 0;
    }
    if (r >= 0) {
        r = tls_stream_judge(c->wire.tls, &c->failure);
        tls_stream_decide(c->wire.tls, r > 0, r > 0);
    }
    if (r < 0) {
        connection_shared_forget_proxy_tls(c->shared);
        return explain_tls(c, (int)r);
    }
    transport_trace(c, "%s with the proxy", tls_stream_info(c->wire.tls)->description);
    proxy_dialogue_bind(c->proxied.dialogue, tls_stream_info(c->wire.tls)->binding_end_point,
        tls_stream_info(c->wire.tls)->binding_end_point_size);
    c->proxied.judged = true;
    return 1;
}

/* ---- the dialogue ---- */

static void trace(void *user, bool from_proxy, const char *line, size_t n)
{
    transport_trace(user, "proxy%c %.*s", from_proxy ? '<' : '>', (int)n, line);
}

/* The address that is asked for; the words of another one are the name. */
static void use_target(Connection *c, ProxyOptions *options)
{
    const struct sockaddr_storage *target = &c->found.found.targets[c->proxied.target];
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)target;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)target;
    bool is_mapped = target->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);

    options->address = c->proxied.address;
    options->address_bytes = target->ss_family == AF_INET6 && !is_mapped ? 16 : 4;
    if (options->address_bytes == 16)
        memcpy(c->proxied.address, &v6->sin6_addr, 16);
    else
        memcpy(c->proxied.address,
            is_mapped ? v6->sin6_addr.s6_addr + 12 : (const void *)&v4->sin_addr, 4);
}

static int new_dialogue(Connection *c)
{
    static const ProxyKind kinds[] = {[PROXY_MODE_TUNNEL] = PROXY_TUNNEL,
        [PROXY_MODE_SOCKS4] = PROXY_SOCKS4,
        [PROXY_MODE_SOCKS5] = PROXY_SOCKS5,
        [PROXY_MODE_SOCKS4A] = PROXY_SOCKS4A};
    static const ProxyLogin logins[] = {[PROXY_AUTH_AUTO] = PROXY_LOGIN_AUTO,
        [PROXY_AUTH_BASIC] = PROXY_LOGIN_BASIC,
        [PROXY_AUTH_DIGEST] = PROXY_LOGIN_DIGEST,
        [PROXY_AUTH_NTLM] = PROXY_LOGIN_NTLM,
        [PROXY_AUTH_GSSAPI] = PROXY_LOGIN_GSSAPI};
    const RelayConfig *relay = c->relay;
    ProxyOptions options = {
        .kind = kinds[relay->proxy_type],
        .proxy = c->proxied.words,
        .host = c->shared->host,
        .host_setting = relay->host_setting,
        .port = relay->port,
        .user = relay->proxy_user,
        .password = c->found.proxy_password,
        .data = relay->proxy_data,
        .login = logins[relay->proxy_auth],
        .gssapi = tickets_gssapi(c->found.proxy_tickets),
        .realtime = clock_realtime(),
        .trace = c->trace ? trace : NULL,
        .trace_user = c,
    };

    if (c->found.found.n_targets > 0)
        use_target(c, &options);
    c->proxied.connections = 0;
    return proxy_dialogue_new(&options, &c->proxied.dialogue, &c->failure);
}

/* Over a connection that has just been made. */
static int begin(Connection *c, usec_t now)
{
    Proxied *p = &c->proxied;
    int r = 0;

    c->wire.fd = c->socket_fd;
    p->begun = true;
    if (p->dialogue)
        r = proxy_dialogue_anew(p->dialogue, &c->failure);
    else {
        p->limit = transport_patience(c);
        p->deadline = p->limit > 0 ? usec_add(now, p->limit) : USEC_NEVER;
        r = new_dialogue(c);
    }
    p->connections++;
    return r;
}

/* A failure of writing is for the next reading to tell: the proxy may have said why. 0 when all has
 * gone out, or -EAGAIN. */
static int write_output(Connection *c)
{
    const Buffer *output = proxy_dialogue_output(c->proxied.dialogue);

    while (buffer_size(output) > 0) {
        ssize_t n = wire_write(&c->wire, buffer_data(output), buffer_size(output), NULL);

        if (n == -EAGAIN)
            return -EAGAIN;
        proxy_dialogue_written(c->proxied.dialogue, n < 0 ? buffer_size(output) : (size_t)n);
    }
    return 0;
}

/* As proxy_dialogue_receive(), and -EAGAIN. What is behind the proxy's words is kept. */
static int read_input(Connection *c)
{
    ProxyDialogue *dialogue = c->proxied.dialogue;
    char data[READ_BYTES];
    ssize_t n = wire_read(&c->wire, data, sizeof(data), NULL);
    size_t used;
    int r;

    if (n == -EAGAIN || n == -ENOMEM)
        return (int)n;
    if (n <= 0)
        return proxy_dialogue_closed(dialogue, &c->failure);
    r = proxy_dialogue_receive(dialogue, data, (size_t)n, &used, &c->failure);
    if (r == PROXY_STANDS && used < (size_t)n &&
        buffer_append(&c->wire.early, data + used, (size_t)n - used) < 0)
        return -ENOMEM;
    if (r == PROXY_MORE && used < (size_t)n)
        return failure_reason(&c->failure, REASON_PROXY_NOT_SPOKEN,
            failure_set(&c->failure, -EPROTO, ERROR_FIREWALL,
                "the proxy %s answers before it is asked: check proxy_type and proxy_port",
                c->proxied.words));
    return r;
}

/* As proxy_dialogue_receive(), and -EAGAIN. */
static int converse(Connection *c)
{
    int r = PROXY_MORE;

    while (r == PROXY_MORE) {
        r = write_output(c);
        if (r == 0)
            r = read_input(c);
    }
    return r;
}

/* The bytes are the relay's from here on. */
static int use_way(Connection *c)
{
    Proxied *p = &c->proxied;
    const struct sockaddr_storage *target =
        c->found.found.n_targets > 0 ? &c->found.found.targets[p->target] : NULL;

    c->wire.wrap = proxy_dialogue_take_wrap(p->dialogue);
    proxy_dialogue_free(p->dialogue);
    p->dialogue = NULL;
    p->stands = true;
    if (target)
        address_format(target, c->address);
    else
        snprintf(c->address, sizeof(c->address), "%.60s:%u", c->shared->host, c->relay->port);
    /* A proxy of this host's that goes to this host. */
    c->peer_is_loopback = c->peer_is_loopback && target && address_is_loopback(target);
    transport_trace(c, "connected to %s through the proxy", c->address);
    return 1;
}

/* What is waited for there, of a proxy: a place in the way, what it has not done, and the remedy.
 */
typedef struct Place {
    const char *waits, *failed, *remedy;
    bool names_relay; /* behind these words comes the relay */
} Place;

static const Place *find_place(const Connection *c)
{
    static const Place reach = {"a connection to the proxy ", "took no connection",
        "check proxy_host and proxy_port, and the firewalls on the way to it", false};
    static const Place tls = {"the TLS handshake with the proxy ",
        "did not come to the end of the TLS handshake",
        "check proxy_port, and whether it speaks TLS there (proxy_tls)", false};
    static const Place phases[] = {
        [PROXY_IS_GREETED] = {"the first answer of the proxy ", "did not answer to the greeting",
            "check proxy_type and proxy_port", false},
        [PROXY_LOGS_IN] = {"the login at the proxy ", "did not answer to the login",
            "the proxy's log may say more", false},
        [PROXY_CONNECTS] = {"the way to the relay, by the proxy ", "did not connect to ",
            "check proxy_type and proxy_port, and that it can get there", true},
    };
    const Proxied *p = &c->proxied;

    if (!p->begun)
        return &reach;
    return c->relay->proxy_tls && !p->judged ? &tls : &phases[proxy_dialogue_phase(p->dialogue)];
}

void proxied_waits_for(const Connection *c, char *what, size_t size, const char **remedy)
{
    const Place *place = find_place(c);

    snprintf(what, size, "%s%s", place->waits, c->proxied.words);
    *remedy = place->remedy;
}

static int time_out(Connection *c)
{
    const Place *place = find_place(c);
    _cleanup_free_
    char *time = text_format_duration(c->proxied.limit);
    char relay[PROXIED_WORDS_MAX] = "";

    if (place->names_relay)
        snprintf(relay, sizeof(relay), "%s port %u", c->relay->host, c->relay->port);
    return failure_reason(&c->failure, REASON_PROXY_TIMEOUT,
        failure_set(&c->failure, -ETIMEDOUT, ERROR_FIREWALL, "the proxy %s %s%s within %s: %s",
            c->proxied.words, place->failed, relay, time ?: "the time allowed", place->remedy));
}

static int fail(Connection *c, int error)
{
    FaultReason reason = c->failure.reason;

    c->proxied.is_about_target = reason == REASON_PROXY_TARGET || reason == REASON_PROXY_REFUSED;
    return error;
}

static int go_on(Connection *c)
{
    int r = converse(c);

    if (r == PROXY_STANDS)
        return use_way(c);
    if (r == -EAGAIN) {
        c->events = c->wire.wants;
        return 0;
    }
    if (r == PROXY_ANEW && c->proxied.connections >= CONNECTIONS_MAX)
        r = failure_reason(&c->failure, REASON_PROXY_CLOSED,
            failure_set(&c->failure, -ECONNRESET, ERROR_FIREWALL,
                "the proxy %s closed the connection again and again: look into its log",
                c->proxied.words));
    if (r == PROXY_ANEW) {
        c->proxied.begun = c->proxied.judged = false;
        return 2;
    }
    return fail(c, r);
}

int proxied_step(Connection *c, usec_t now)
{
    int r;

    if (!relay_is_proxied(c->relay) || c->proxied.stands)
        return 1;
    r = c->proxied.begun ? 0 : begin(c, now);
    if (r < 0)
        return fail(c, r);
    c->deadline = c->proxied.deadline;
    r = bring_up_tls(c, now);
    if (r > 0)
        r = go_on(c);
    return r == 0 && now >= c->deadline ? time_out(c) : r;
}
