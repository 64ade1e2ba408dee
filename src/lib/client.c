/* A client's life, and what can be asked of it. */
#include "lib/client.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/errors.h"
#include "lib/certificate.h"
#include "lib/message.h"

bool client_is_here(const OutboxClient *client)
{
    return client && client->process == getpid();
}

static int open_descriptors(OutboxClient *client)
{
    struct epoll_event wanted = {.events = EPOLLIN};

    client->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    wanted.data.fd = client->wake_fd;
    if (client->poll_fd < 0 || client->wake_fd < 0 ||
        epoll_ctl(client->poll_fd, EPOLL_CTL_ADD, client->wake_fd, &wanted) < 0)
        return -errno;
    return 0;
}

OutboxClient *outbox_client_new(void)
{
    OutboxClient *client = calloc(1, sizeof(OutboxClient));

    if (!client)
        return NULL;
    client->process = getpid();
    client->blocking = true;
    client->poll_fd = client->wake_fd = client->watch_fd = -1;
    client->message = outbox_message_new();
    if (client->message)
        client->message->is_clients = true;
    if (client->message && open_descriptors(client) == 0)
        return client;
    outbox_client_free(client);
    return NULL;
}

OutboxClient *client_new_by(Config *config)
{
    OutboxClient *client = outbox_client_new();

    if (!client)
        return NULL;
    client->config = config_ref(config);
    client->values = config_ref(config);
    client->is_given = true;
    return client;
}

/* What another process may have in use is left alone: its threads are not here, and what they had
 * locked stays locked. */
static void free_inherited(OutboxClient *client)
{
    if (client->connection) {
        int fd = connection_fd(client->connection);

        close_p(&fd);
    }
    close_p(&client->watch_fd);
    close_p(&client->poll_fd);
    close_p(&client->wake_fd);
}

void outbox_client_free(OutboxClient *client)
{
    if (!client || client->in_event > 0)
        return;
    if (client->process != getpid()) {
        free_inherited(client);
        return;
    }
    client->events = (OutboxEvents){0};
    if (client->call == CALL_SEND)
        send_abandon(client);
    contact_close(client, 0, NULL);
    contact_forget(client);
    client->worker = worker_unref(client->worker);
    settings_done(client);
    send_forget(client);
    say_done(client);
    if (client->message)
        client->message->is_clients = false;
    outbox_message_free(client->message);
    client->certificate = certificate_free(client->certificate);
    buffer_done(&client->last_reply);
    buffer_done(&client->reply_shown);
    failure_done(&client->failure);
    close_p(&client->poll_fd);
    close_p(&client->wake_fd);
    free(client);
}

int outbox_reset(OutboxClient *client)
{
    int r = client_check(client);

    if (r != 0)
        return r;
    contact_close(client, 0, NULL);
    /* What was learned of the relays stays for those that come: a refresh token may be in it that
     * could not be written yet. */
    settings_done(client);
    send_forget(client);
    buffer_clear(&client->last_reply);
    outbox_message_reset(client->message);
    return client_succeed(client);
}

int outbox_set_blocking(OutboxClient *client, int blocking)
{
    int r = client_check(client);

    if (r == 0)
        client->blocking = blocking != 0;
    return r;
}

OutboxMessage *outbox_client_message(OutboxClient *client)
{
    return client_is_here(client) ? client->message : NULL;
}

const char *outbox_error_text(const OutboxClient *client)
{
    if (!client)
        return "there is no client: memory was short when it was made";
    return client->error == 0 ? "" : failure_text(&client->failure);
}

int outbox_error(const OutboxClient *client)
{
    return client ? client->error : ERROR_USAGE;
}

int outbox_is_connected(const OutboxClient *client)
{
    return client_is_here(client) && client->contact == CONTACT_READY;
}

int outbox_is_idle(const OutboxClient *client)
{
    return !client_is_here(client) || __atomic_load_n(&client->call, __ATOMIC_ACQUIRE) == CALL_NONE;
}

/* ---- Calls without much of their own ---- */

int outbox_connect(OutboxClient *client)
{
    int r;

    if (client_is_here(client) && client->call == CALL_CONNECT)
        return ERROR_CONNECTING;
    r = client_check(client);
    if (r == 0 && client->contact == CONTACT_READY)
        return client_fail(client, ERROR_ALREADY_CONNECTED,
            "already connected to %s: disconnect first", connection_address(client->connection));
    if (r == 0)
        r = settings_prepare(client);
    return r != 0 ? r : client_call(client, CALL_CONNECT);
}

int outbox_disconnect(OutboxClient *client)
{
    int r = client_check(client);

    return r != 0 ? r : client_call(client, CALL_DISCONNECT);
}

const OutboxCertificate *outbox_server_certificate(const OutboxClient *client)
{
    return client_is_here(client) ? client->certificate : NULL;
}
