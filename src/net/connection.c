/* A session over a transport. Must never block, and never touch the socket more often than the
 * dialogue needs: one send() for all there is to say, one recv() for each time poll() calls. */
#include "net/connection.h"

#include <errno.h>

#include "base/errors.h"
#include "net/connection_time.h"
#include "net/fault.h"
#include "net/options.h"
#include "net/socket_options.h"
#include "net/transport.h"

#define MX_PORT 25 /* where servers keep those waiting whom they distrust */
#define CLEAR_TIME (10 * USEC_PER_MINUTE)
#define READ_BYTES ((size_t)16 * 1024) /* what one TLS record can hold */
#define CATCH_UP_READS 256             /* more than there are lines in any reply */

int connection_new(
    ConnectionShared *shared, SmtpTrace trace, void *trace_user, usec_t now, Connection **ret)
{
    Connection *c = calloc(1, sizeof(Connection));

    if (!c)
        return -ENOMEM;
    c->shared = connection_shared_ref(shared);
    c->relay = shared->relay;
    c->trace = trace;
    c->trace_user = trace_user;
    c->fd = c->socket_fd = c->tlsa_fd = c->policy_fd = -1;
    c->clear = now < shared->clear_until;
    c->rate.bytes = c->relay->max_transfer_rate;
    c->started = c->deadline = now; /* the first step is due at once */
    c->read_wait = POLLIN;
    proxied_name(c);
    *ret = c;
    return 0;
}

/* What was kept for the next address. */
static void forget_addresses(Connection *c)
{
    socket_dial_free(c->dial);
    c->dial = NULL;
    c->peer = NULL;
    address_list_done(&c->found.found);
    tries_done(&c->tries);
}

void connection_free(Connection *c)
{
    if (!c)
        return;
    smtp_session_free(c->session);
    transport_forget_tlsa(c);
    transport_forget_mta_sts(c);
    revocation_free(c->revocation);
    tls_stream_free(c->tls);
    proxied_reset(c, false);
    wire_done(&c->wire);
    free(c->tried);
    forget_addresses(c);
    lookup_free(c->lookup);
    lookup_result_done(&c->found);
    silence_end(&c->silence);
    socket_close(c->relay, &c->socket_fd);
    failure_done(&c->failure);
    (void)connection_shared_unref(c->shared);
    free(c);
}

/* ---- before the session ---- */

/* This host's name, or its address as the server sees it (RFC 5321, 4.1.4). */
static const char *choose_hello(Connection *c)
{
    struct sockaddr_storage local = {0};
    socklen_t n = sizeof(local);

    if (c->shared->hello)
        return c->shared->hello;
    if (c->found.host_name)
        return c->found.host_name;
    (void)getsockname(c->socket_fd, (struct sockaddr *)&local, &n);
    return address_format_literal(&local, c->literal);
}

/* The patience of the RFC is for the last address: the others have their turn before. */
static void limit_patience(Connection *c)
{
    if (!transport_can_start_again(c))
        return;
    c->options.timeout = transport_patience(c);
    c->options.timeout_by_stage = false;
}

static int start_session(Connection *c, usec_t now)
{
    const OptionsSource source = {
        .relay = c->relay,
        .host = c->shared->host,
        .without_tls = c->clear,
        .hello = choose_hello(c),
        .password = c->found.password,
        .gssapi = tickets_gssapi(c->found.tickets),
        .peer_is_loopback = c->peer_is_loopback,
        .began = c->started,
        .shows_secrets = c->shows_secrets,
        .trace = c->trace,
        .trace_user = c->trace_user,
    };
    int r;

    c->options = options_from_relay(&source);
    c->options.memory = &c->shared->memory;
    c->lessons = c->shared->memory.lessons;
    limit_patience(c);
    r = smtp_session_new(&c->options, now, &c->session);
    if (!c->tls)
        silence_begin(&c->silence, now);
    if (r >= 0 && c->tls)
        r = smtp_session_tls_started(c->session, tls_stream_info(c->tls), now);
    return r;
}

/* ---- over the session ---- */

static void lose(Connection *c, const DeliveryOutcome *why)
{
    c->lost = true;
    smtp_session_lost(c->session, why);
}

/* `how` the connection ended; the session adds what was under way. */
static void lose_connection(Connection *c, const Failure *how)
{
    bool greeting = smtp_session_stage(c->session) == STAGE_GREETING;
    _cleanup_failure_ Failure f = {0};
    DeliveryOutcome why;

    (void)failure_set(&f, -ECONNRESET, how->number, "%s (%s): %s%s", c->relay->host, c->address,
        failure_text(how),
        greeting && how->reason == REASON_NONE
            ? "; perhaps it takes no connections from this address"
            : "");
    f.reason = how->reason;
    why = fault_in_session(&f);
    lose(c, &why);
}

/* True when something went out, or was found not to. */
static bool write_output(Connection *c, usec_t now)
{
    Buffer *output;
    ssize_t n;

    c->throttled = now < rate_free_at(&c->rate);
    if (c->write_wait != 0 || c->write_failed || c->throttled)
        return false;
    output = smtp_session_output(c->session);
    if (buffer_size(output) == 0)
        return false;
    n = transport_write(
        c, buffer_data(output), rate_allows(&c->rate, buffer_size(output), now), &c->failure);
    if (n == -EAGAIN) {
        c->write_wait = transport_wants(c, POLLOUT);
        return false;
    }
    if (n < 0) {
        /* A server that hangs up often says why first: that may wait to be read. */
        c->write_failed = c->readable = true;
        return true;
    }
    rate_note_sent(&c->rate, (size_t)n, now);
    smtp_session_written(c->session, (size_t)n, now);
    return true;
}

/* When sending had failed before, that says more than an end of input. */
static void end_of_input(Connection *c, ssize_t result, Failure *f)
{
    const Failure *why = result == 0 || result == -EAGAIN ? &c->failure : f;

    if (result == 0 && !c->write_failed) {
        (void)failure_set(
            f, -ECONNRESET, ERROR_CONNECTION_DROPPED, "the server closed the connection");
        why = f;
    }
    lose_connection(c, why);
}

/* 1 when something came in, 0 when not, or -ENOMEM. Where nothing can be written any more, what has
 * come is still read, and what may come as long as a message's fate hangs on it. With that, memory
 * that is short is the connection's end: it has to be told that the relay may have the message. */
static int read_input(Connection *c, usec_t now)
{
    _cleanup_failure_ Failure f = {0};
    bool last_words = c->write_failed && !smtp_session_awaits_verdict(c->session);
    char *room;
    ssize_t n;

    if (!c->readable && !last_words)
        return 0;
    room = smtp_session_reserve(c->session, READ_BYTES);
    n = room ? transport_read(c, room, READ_BYTES, &f)
             : failure_set_errno(&f, -ENOMEM, "no memory for what it says");
    if (n == -ENOMEM && !smtp_session_awaits_verdict(c->session))
        return -ENOMEM;
    if (n == -EAGAIN && !last_words) {
        c->readable = false;
        c->read_wait = transport_wants(c, POLLIN);
        return 0;
    }
    if (n <= 0) {
        end_of_input(c, n, &f);
        return 1;
    }
    silence_end(&c->silence);
    smtp_session_received(c->session, (size_t)n, now);
    /* After a short read the rest has not come yet: poll() will tell. */
    c->readable = transport_pending(c) || (!c->tls && (size_t)n == READ_BYTES);
    return 1;
}

/* What the session said last, such as QUIT, goes out as far as it can without waiting. */
static void say_last_word(Connection *c, usec_t now)
{
    if (c->lost || !c->session)
        return;
    c->rate.free_at = 0;
    (void)write_output(c, now);
    if (c->tls && !c->write_failed)
        tls_stream_shutdown(c->tls);
    if (c->wire.tls && !c->write_failed)
        tls_stream_shutdown(c->wire.tls);
}

static void say_goodbye(Connection *c, usec_t now)
{
    c->closed = true;
    say_last_word(c, now);
}

/* A process that was stopped, or a machine that was too busy, finds the time over before it is told
 * of what has come meanwhile: that counts first, all of it, for with TLS each line of a reply may
 * come by itself. 0 or -ENOMEM. */
static int catch_up(Connection *c, usec_t now)
{
    int r = 1;

    if (c->lost || now < smtp_session_deadline(c->session))
        return 0;
    connection_ready(c, POLLIN | POLLOUT);
    (void)write_output(c, now);
    for (int i = 0; r > 0 && !c->lost && i < CATCH_UP_READS; i++) {
        c->readable = true;
        r = read_input(c, now);
    }
    return MIN(r, 0);
}

/* As connection_step(), and 2 when TLS must come up first. */
static int step_session(Connection *c, usec_t now, SmtpEvent *ret)
{
    int r = catch_up(c, now);

    while (r >= 0) {
        bool written;

        r = smtp_session_step(c->session, now, ret);
        if (r < 0)
            return r;
        if (r > 0 && ret->type == SMTP_EVENT_NEED_TLS)
            return 2;
        if (r > 0)
            return 1;
        if (c->lost)
            return 0;
        written = write_output(c, now);
        r = read_input(c, now);
        if (!written && r == 0)
            return 0;
    }
    return r;
}

/* The transport stands: 0, or a negative errno. TLS may hold the server's first words already. */
static int use_transport(Connection *c, usec_t now)
{
    c->readable = transport_pending(c);
    if (c->session)
        return smtp_session_tls_started(c->session, tls_stream_info(c->tls), now);
    return start_session(c, now);
}

/* 1 when the session can go on, 0 when it must wait, or -ENOMEM. A failure is told to the session
 * where there is one, and is left to the caller (-ENOTCONN) where there is none. */
static int step_transport(Connection *c, usec_t now)
{
    int r;

    if (c->lost || transport_stage(c) == STAGE_NONE)
        return 1;
    r = transport_step(c, now);
    if (r == 0 && now >= connection_end_of_opening(c))
        r = connection_time_out(c);
    if (r == 0 || r == -ENOMEM)
        return r;
    if (r > 0) {
        r = use_transport(c, now);
        return r < 0 ? r : 1;
    }
    c->outcome = fault_of_transport(c, &c->failure);
    if (!c->session)
        return -ENOTCONN;
    lose(c, &c->outcome);
    return 1;
}

/* ---- one address after the other ---- */

/* The address is of use: from here on the connection is this one. */
static void settle(Connection *c)
{
    transport_settle(c);
    c->options.timeout = c->relay->timeout;
    c->options.timeout_by_stage = c->relay->timeout_by_stage && !c->relay->absolute_timeout;
    c->ready = true;
    c->tried = connection_describe_tries(c);
    forget_addresses(c);
}

/* Opportunistic TLS that fails is done without, as if it had not been offered, and for a while not
 * tried again; but not where a password is to be said. True when it is to be done without from now
 * on. */
static bool give_up_tls(Connection *c, const DeliveryOutcome *why, usec_t now)
{
    if (why->stage != STAGE_TLS || c->own || c->clear || c->relay->tls != TLS_MODE_OPPORTUNISTIC ||
        relay_logs_in(c->relay))
        return false;
    c->shared->clear_until = usec_add(now, CLEAR_TIME);
    return true;
}

/* Some servers stumble over a session that they gave out themselves: whatever ended the connection
 * before a reply is tried once more with a full handshake, before anybody hears of it. */
static bool blames_session(Connection *c, const DeliveryOutcome *why)
{
    if (c->fresh || c->own || !c->tls || !tls_stream_offered(c->tls) || why->code > 0 ||
        why->stage > STAGE_EHLO || why->cause == CAUSE_TIMEOUT)
        return false;
    c->fresh = true;
    return true;
}

static void drop_session(Connection *c, usec_t now)
{
    say_last_word(c, now);
    smtp_session_free(c->session);
    c->session = NULL;
    silence_end(&c->silence);
    c->readable = c->write_failed = c->lost = false;
    c->read_wait = POLLIN;
    c->write_wait = 0;
}

static void start_over(Connection *c, usec_t now, const char *how)
{
    transport_trace(c, "again, %s", how);
    drop_session(c, now);
    transport_start_over(c);
}

/* A token that the relay refuses is not used again; where it was there before, it may be that the
 * relay was told so, and the connection goes on once with a new one. */
static bool renew_token(Connection *c, const DeliveryOutcome *why, usec_t now)
{
    if (!c->shared->oauth || why->stage != STAGE_AUTH || why->code != 535 || !c->found.password)
        return false;
    oauth_tokens_refuse(c->shared->oauth, c->found.password);
    if (c->renewed || !c->found.kept)
        return false;
    c->renewed = true;
    transport_trace(c, "again, with a new token: %s", why->text);
    drop_session(c, now);
    transport_look_again(c);
    return true;
}

/* Whether no other address can do better. A login that was refused is not repeated: that locks
 * accounts. */
static bool is_final(const Connection *c, const DeliveryOutcome *why, usec_t now)
{
    return c->own || !transport_can_start_again(c) || now >= connection_end_of_opening(c) ||
           (why->stage == STAGE_AUTH && why->code >= 500) || why->reason == REASON_PROXY_LOGIN;
}

/* The address in use, or all that were left, failed before READY. True when the connection goes on
 * with another; else `outcome` is its end. */
static bool try_next(Connection *c, const DeliveryOutcome *why, usec_t now)
{
    bool refused_login = why->stage == STAGE_AUTH && why->code >= 500;
    bool without_tls;

    if (connection_has_learned(c) && c->dial && tries_note(&c->tries, c->address, why) >= 0) {
        transport_trace(c, "%s once more: %s", c->address, why->text);
        drop_session(c, now);
        transport_start_anew(c, now);
        return true;
    }
    if (renew_token(c, why, now))
        return true;
    if (blames_session(c, why)) {
        start_over(c, now, "with a full handshake of TLS");
        return true;
    }
    without_tls = give_up_tls(c, why, now);
    if (c->peer && !c->own && !refused_login)
        transport_blame_address(c, now);
    if (c->dial && tries_note(&c->tries, c->peer ? c->address : "", why) < 0) {
        c->outcome = *why;
        return false;
    }
    if (is_final(c, why, now) && !without_tls) {
        c->outcome = tries_conclude(&c->tries, why, c->peer ? socket_dial_tried(c->dial) : "");
        return false;
    }
    transport_trace(c, "%s failed: %s", c->address, why->text);
    if (is_final(c, why, now)) {
        c->clear = true;
        start_over(c, now, "without TLS");
        return true;
    }
    drop_session(c, now);
    transport_start_again(c, now);
    return true;
}

/* Nothing has come for a while, where the server has to speak first. True where that ended the
 * connection. */
static bool hear_silence(Connection *c, usec_t now)
{
    bool may_probe = c->peer && c->relay->port != MX_PORT && c->peer->ss_family != AF_UNIX &&
                     !relay_is_proxied(c->relay);
    _cleanup_failure_ Failure f = {0};
    DeliveryOutcome why;

    switch (silence_step(&c->silence, c->peer, may_probe, now)) {
    case SILENCE_LASTS:
        transport_trace(c, "no greeting from %s yet", c->address);
        if (c->on_silence)
            c->on_silence(c->silence_user, c);
        break;
    case SILENCE_IS_TLS:
        (void)failure_set(&f, -EPROTO, ERROR_TLS_HANDSHAKE,
            "%s (%s) sends no greeting, for it waits for TLS to begin: set tls = \"implicit\", or "
            "the port that goes with STARTTLS, 587 as a rule",
            c->relay->host, c->address);
        why = (DeliveryOutcome){
            .cause = CAUSE_PROTOCOL,
            .stage = STAGE_GREETING,
            .error = f.number,
            .reason = REASON_TLS_FIRST,
            .text = failure_text(&f),
        };
        lose(c, &why);
        return true;
    case SILENCE_NOTHING: break;
    }
    return false;
}

/* A session that was resumed and comes to nothing is not resumed again. */
static void judge_session(Connection *c, const DeliveryOutcome *end)
{
    if (c->tls && end->kind == DELIVERY_CUT_OFF && end->cause != CAUSE_OWN &&
        end->stage != STAGE_IDLE)
        tls_stream_distrust(c->tls);
}

/* As connection_step(), and 2 when there is no event but something to go on with. */
static int step_once(Connection *c, usec_t now, SmtpEvent *ret)
{
    int r = step_transport(c, now);
    bool ends;

    if (r == -ENOTCONN)
        *ret = (SmtpEvent){.type = SMTP_EVENT_CLOSED, .outcome = &c->outcome};
    else if (r > 0) {
        r = step_session(c, now, ret);
        if (r == 0 && hear_silence(c, now))
            r = step_session(c, now, ret);
    }
    if (r == 2)
        transport_start_tls(c);
    if (r != 1 && r != -ENOTCONN)
        return r;
    ends = ret->type == SMTP_EVENT_CLOSED;
    if (ends)
        judge_session(c, ret->outcome);
    if (ends && !c->ready) {
        if (try_next(c, ret->outcome, now))
            return 2;
        ret->outcome = &c->outcome;
    }
    if (ret->type == SMTP_EVENT_READY)
        settle(c);
    if (ends)
        say_goodbye(c, now);
    return 1;
}

int connection_step(Connection *c, usec_t now, SmtpEvent *ret)
{
    int r = 2;

    connection_excuse_lateness(c, now);
    while (!c->closed && r == 2)
        r = step_once(c, now, ret);
    if (r == 0)
        connection_note_wait(c, now);
    return r == 2 ? 0 : r;
}

/* ---- what a driver asks ---- */

int connection_fd(const Connection *c)
{
    return c->closed ? -1 : c->fd;
}

unsigned connection_generation(const Connection *c)
{
    return c->closed ? c->generation + 1 : c->generation;
}

short connection_poll_events(const Connection *c)
{
    return transport_stage(c) != STAGE_NONE ? c->events : (short)(c->read_wait | c->write_wait);
}

usec_t connection_deadline(const Connection *c)
{
    usec_t deadline;

    if (c->closed)
        return USEC_NEVER;
    if (transport_stage(c) != STAGE_NONE)
        return connection_transport_deadline(c);
    deadline = MIN(smtp_session_deadline(c->session), silence_deadline(&c->silence));
    return c->throttled ? MIN(deadline, rate_free_at(&c->rate)) : deadline;
}

void connection_ready(Connection *c, short events)
{
    if (events & (POLLERR | POLLHUP | POLLNVAL))
        events |= POLLIN | POLLOUT;
    c->stirred = true;
    if (events & c->read_wait)
        c->readable = true;
    if (events & c->write_wait)
        c->write_wait = 0;
}

DeliveryStage connection_stage(const Connection *c)
{
    DeliveryStage stage = transport_stage(c);

    return stage == STAGE_NONE && c->session ? smtp_session_stage(c->session) : stage;
}

void connection_trust_address(Connection *c)
{
    avoid_forget(&c->shared->avoid, &c->used);
}

bool connection_doubt_address(Connection *c, usec_t now)
{
    if (c->used.ss_family == AF_UNSPEC)
        return false;
    avoid_note(&c->shared->avoid, &c->used, now);
    return avoid_count(&c->shared->avoid) < c->shared->n_addresses;
}

bool connection_has_learned(const Connection *c)
{
    return c->session && c->lessons != c->shared->memory.lessons;
}

bool connection_has_more(const Connection *c)
{
    return c->session && !c->closed && (smtp_session_has_input(c->session) || transport_pending(c));
}
