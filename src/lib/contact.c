/* A client's connection: which relay, from connecting to QUIT, and what is waited for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/text.h"
#include "delivery/advice.h"
#include "lib/certificate.h"
#include "lib/client.h"

/* ---- What relays' connections share ---- */

static void drop(ConnectionShared **shared, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)connection_shared_unref(shared[i]);
    free(shared);
}

void contact_forget(OutboxClient *client)
{
    drop(client->shared, client->n_shared);
    client->shared = NULL;
    client->n_shared = 0;
    client->shared_config = config_unref(client->shared_config);
}

static int make_shared(OutboxClient *client, ConnectionShared **former, size_t n_former)
{
    Config *config = client->config;
    int r = 0;

    client->shared = calloc(config->n_relays, sizeof(ConnectionShared *));
    if (!client->shared)
        return -ENOMEM;
    while (r >= 0 && client->n_shared < config->n_relays) {
        ConnectionShared **shared = &client->shared[client->n_shared];

        r = connection_shared_new(config->relays[client->n_shared], client->worker, shared);
        client->n_shared += r >= 0;
        for (size_t i = 0; r >= 0 && i < n_former; i++)
            connection_shared_inherit(*shared, former[i]);
    }
    return r;
}

/* Sessions of TLS and what was learned of the relays are kept as long as the settings. */
static int share(OutboxClient *client)
{
    ConnectionShared **former = client->shared;
    size_t n_former = client->n_shared;
    int r = client->worker ? 0 : worker_new(&client->worker);

    if (r < 0 || client->shared_config == client->config)
        return r;
    client->shared = NULL;
    client->n_shared = 0;
    contact_forget(client);
    r = make_shared(client, former, n_former);
    drop(former, n_former);
    if (r < 0)
        contact_forget(client);
    else
        client->shared_config = config_ref(client->config);
    return r;
}

/* ---- Waiting ---- */

/* The descriptor is one of our own: a child between fork() and exec() that still has the
 * connection's would keep that one in the epoll set. */
static void watch_nothing(OutboxClient *client)
{
    if (client->watch_fd < 0)
        return;
    (void)epoll_ctl(client->poll_fd, EPOLL_CTL_DEL, client->watch_fd, NULL);
    close_p(&client->watch_fd);
}

static int watch(OutboxClient *client)
{
    int fd = connection_fd(client->connection);
    unsigned generation = connection_generation(client->connection);
    short events = connection_poll_events(client->connection);
    struct epoll_event wanted = {.events = (uint32_t)events};
    int operation = EPOLL_CTL_MOD;

    if (fd < 0 || generation != client->watch_generation)
        watch_nothing(client);
    if (fd < 0 || (client->watch_fd >= 0 && events == client->watch_events))
        return 0;
    if (client->watch_fd < 0) {
        client->watch_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        operation = EPOLL_CTL_ADD;
    }
    wanted.data.fd = client->watch_fd;
    if (client->watch_fd < 0 ||
        epoll_ctl(client->poll_fd, operation, client->watch_fd, &wanted) < 0)
        return failure_set_errno(&client->failure, -errno, "cannot wait for the relay");
    client->watch_generation = generation;
    client->watch_events = events;
    return 0;
}

/* ---- What the program is told of it ---- */

static void tell_progress(OutboxClient *client)
{
    const Connection *c = client->connection;
    DeliveryStage stage = connection_stage(c);
    const char *address = connection_address(c), *tls = connection_tls(c);
    bool connected = address[0] && stage > STAGE_CONNECT;

    if (!connected) {
        if (client->told.connected)
            notify_status(client, "Remote host disconnected", 0, "another address is tried");
        client->told = (Told){0};
        return;
    }
    if (!client->told.connected) {
        client->told.connected = true;
        notify_status(client, "Remote host connection complete", 0, address);
    }
    if (connection_proxy(c) && !client->told.proxy && stage > STAGE_PROXY) {
        client->told.proxy = true;
        notify_status(client, "Firewall connection complete", 0, connection_proxy(c));
    }
    if (tls && !client->told.tls && stage > STAGE_CERTIFICATE) {
        client->told.tls = true;
        notify_status(client, "SSL handshake complete", 0, tls);
    }
}

/* Once a connection, be it that the login fails: a refresh token may be lost with this process. */
static void tell_secrets(OutboxClient *client)
{
    const char *notice = connection_secrets_notice(client->connection);

    if (notice && !client->told_secrets)
        notify_error(client, ERROR_FILE, notice);
    client->told_secrets |= notice != NULL;
}

/* Of the connection that is there, for outbox_last_reply() when it is not any more. */
static int keep_reply(OutboxClient *client)
{
    SmtpSession *session = connection_session(client->connection);
    const SmtpReply *reply = session ? smtp_session_last_reply(session) : NULL;
    const char *at, *end, *next;
    int r = 0;

    if (!reply || reply->code == 0)
        return 0;
    buffer_clear(&client->last_reply);
    at = buffer_data(&reply->text);
    end = at + buffer_size(&reply->text);
    do {
        next = at < end ? memchr(at, '\n', (size_t)(end - at)) ?: end : end;
        r = buffer_appendf(&client->last_reply, "%d%c%s%s%.*s%s", reply->code,
            next + 1 < end ? '-' : ' ', reply->enhanced, reply->enhanced[0] ? " " : "",
            (int)(next - at), at, next + 1 < end ? "\n" : "");
        at = next + 1;
    } while (r >= 0 && at < end);
    return r;
}

/* Line by line, for the ends of lines are plain here. */
static int show_reply(const Buffer *reply, Buffer *shown)
{
    const char *at = buffer_data(reply), *end = at + buffer_size(reply), *next;
    int r = 0;

    buffer_clear(shown);
    for (; r >= 0 && at < end; at = next + 1) {
        _cleanup_free_
        char *line = NULL;

        next = memchr(at, '\n', (size_t)(end - at)) ?: end;
        line = text_printable_whole(at, (size_t)(next - at));
        r = line ? buffer_appendf(shown, "%s%s", line, next < end ? "\n" : "") : -ENOMEM;
    }
    return r < 0 ? r : buffer_append(shown, "", 1);
}

const char *outbox_last_reply(OutboxClient *client)
{
    Buffer *shown;

    if (!client_is_here(client))
        return "";
    shown = &client->reply_shown;
    if (client->connection)
        (void)keep_reply(client);
    return show_reply(&client->last_reply, shown) < 0 ? "" : buffer_data(shown);
}

const RelayConfig *client_relay(const OutboxClient *client)
{
    return client->relay < client->n_shared ? connection_shared_relay(client->shared[client->relay])
                                            : NULL;
}

const SmtpReply *client_last_reply(OutboxClient *client)
{
    return client->contact == CONTACT_READY
               ? smtp_session_last_reply(connection_session(client->connection))
               : NULL;
}

void client_use_relay(OutboxClient *client, size_t i)
{
    client->relay = i;
    client->one_relay = true;
}

void client_on_fault(OutboxClient *client, ClientFault callback, void *user)
{
    client->on_fault = callback;
    client->fault_user = user;
}

Connection *client_connection(OutboxClient *client)
{
    return client->connection;
}

int client_fault_status(const OutboxClient *client)
{
    return client->fault_status;
}

int contact_explain(OutboxClient *client, const DeliveryOutcome *fault)
{
    const RelayConfig *relay = client_relay(client);
    const char *advice = advice_on(fault, relay);
    char codes[DELIVERY_CODES_MAX];
    int number = fault->error != 0 ? fault->error : ERROR_COMMUNICATION;

    client->fault_status = advice_join_status(client->fault_status, advice_status(fault));
    client->fault_code = fault->code;
    client->fault_stage = fault->stage;
    memcpy(client->fault_enhanced, fault->enhanced, sizeof(client->fault_enhanced));
    (void)failure_set(&client->failure, -EIO, number, "relay %s, %s: %s%s%s%s", relay->name,
        delivery_stage_name(fault->stage), delivery_format_codes(fault, codes), fault->text,
        advice ? "; " : "", advice ?: "");
    return number;
}

/* ---- TLS ---- */

static void on_certificate(void *user, const Connection *connection,
    const ConnectionCertificate *certificate, bool *accept)
{
    OutboxClient *client = user;
    int accepts = *accept;

    client->certificate = certificate_free(client->certificate);
    if (certificate->x509)
        client->certificate = certificate_wrap(connection_certificate(connection));
    if (client->certificate)
        notify_certificate(client, client->certificate, certificate->status, &accepts);
    *accept = accepts != 0;
}

static void on_tls_status(void *user, const Connection *connection _unused_, const char *text)
{
    notify_tls_status(user, text);
}

/* ---- Its life ---- */

/* For somebody who watches. */
static void on_silence(void *user, const Connection *connection)
{
    OutboxClient *client = user;
    _cleanup_free_
    char *text = NULL;

    if (asprintf(&text,
            "relay %s (%s) has taken the connection and says nothing yet; a port that expects TLS "
            "at "
            "once wants tls = \"implicit\", and some servers keep newcomers waiting",
            client_relay(client)->name, connection_address(connection)) < 0)
        text = NULL;
    if (text)
        notify_error(client, 0, text);
}

/* Whoever passes the dialogue on is to know what is in it. */
static void show_secrets(OutboxClient *client)
{
    static const char warning[] =
        "mask_secrets is false: what follows may hold the password, which base64 does not hide";

    connection_show_secrets(client->connection);
    if (!client_relay(client)->mask_secrets)
        notify_trace(client, SMTP_TRACE_INFO, warning, strlen(warning));
}

static int open_connection(OutboxClient *client)
{
    int r = connection_new(client->shared[client->relay], notify_trace, client, client_now(client),
        &client->connection);

    if (r < 0)
        return r;
    client->contact = CONTACT_CONNECTING;
    client->told_secrets = false;
    connection_on_certificate(client->connection, on_certificate, client);
    connection_on_tls_status(client->connection, on_tls_status, client);
    connection_on_silence(client->connection, on_silence, client);
    show_secrets(client);
    return 0;
}

int contact_begin(OutboxClient *client)
{
    int r = share(client);

    client->way_place = 0;
    if (client->call != CALL_SEND)
        client->way = NULL;
    if (!client->one_relay)
        client->relay = client->way ? client->way->relays[0] : 0;
    buffer_clear(&client->last_reply);
    client->certificate = certificate_free(client->certificate);
    return r < 0 ? r : open_connection(client);
}

void contact_look(OutboxClient *client)
{
    struct epoll_event found[2];
    int n = epoll_wait(client->poll_fd, found, ELEMENTSOF(found), 0);

    for (int i = 0; i < n; i++) {
        uint64_t count;

        if (found[i].data.fd == client->wake_fd)
            (void)!read(client->wake_fd, &count, sizeof(count));
        else if (client->connection)
            connection_ready(client->connection, (short)found[i].events);
    }
}

bool contact_stands(OutboxClient *client)
{
    SmtpEvent event = {0};
    int r = 1;

    if (client->contact != CONTACT_READY)
        return false;
    contact_look(client);
    while (r > 0 && event.type != SMTP_EVENT_CLOSED)
        r = connection_step(client->connection, client_now(client), &event);
    if (r == 0)
        return true;
    contact_close(client, ERROR_CONNECTION_DROPPED, "the server closed it meanwhile");
    return false;
}

bool contact_has_next(const OutboxClient *client)
{
    if (client->way && !client->one_relay)
        return client->way_place + 1 < client->way->n_relays;
    return !client->one_relay && client->relay + 1 < client->n_shared;
}

int contact_next(OutboxClient *client)
{
    if (!contact_has_next(client))
        return -ENOENT;
    notify_error(client, client->failure.number, failure_text(&client->failure));
    client->relay = client->way ? client->way->relays[++client->way_place] : client->relay + 1;
    return open_connection(client);
}

int contact_again(OutboxClient *client)
{
    return open_connection(client);
}

int contact_step(OutboxClient *client, SmtpEvent *ret)
{
    int r = connection_step(client->connection, client_now(client), ret);

    tell_progress(client);
    tell_secrets(client);
    if (r == 0)
        r = watch(client);
    return r;
}

void contact_quit(OutboxClient *client)
{
    client->contact = CONTACT_ENDING;
    smtp_session_quit(connection_session(client->connection), client_now(client));
}

void contact_close(OutboxClient *client, int error, const char *why)
{
    Told told = client->told;

    if (!client->connection)
        return;
    (void)keep_reply(client);
    watch_nothing(client);
    connection_free(client->connection);
    client->connection = NULL;
    client->contact = CONTACT_NONE;
    client->told = (Told){0};
    if (told.tls)
        notify_status(client, "SSL connection broken", error, why ?: "the connection is closed");
    if (told.proxy)
        notify_status(
            client, "Firewall host disconnected", error, why ?: "the connection is closed");
    if (told.connected)
        notify_status(client, "Remote host disconnected", error, why ?: "the connection is closed");
}
