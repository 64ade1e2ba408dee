/* Telling the program what happens. Must never call it twice at a time, nor with what is not there
 * any more. */
#include <string.h>

#include "base/text.h"
#include "lib/client.h"

/* Whether the program's table has that event. */
#define HAS(client, event)                                                                      \
    (offsetof(OutboxEvents, event) + sizeof((client)->events.event) <= (client)->events.size && \
        (client)->events.event)

#define TELL(client, event, ...)                                          \
    do {                                                                  \
        if (HAS(client, event)) {                                         \
            usec_t began = clock_monotonic();                             \
                                                                          \
            (client)->in_event++;                                         \
            (client)->events.event((client)->events.user, ##__VA_ARGS__); \
            (client)->in_event--;                                         \
            (client)->in_events += clock_monotonic() - began;             \
        }                                                                 \
    } while (0)

usec_t client_now(const OutboxClient *client)
{
    return clock_monotonic() - client->in_events;
}

int outbox_set_events(OutboxClient *client, const OutboxEvents *events)
{
    int r = client_check(client);

    if (r != 0)
        return r;
    client->events = (OutboxEvents){0};
    if (events)
        memcpy(&client->events, events, MIN(events->size, sizeof(OutboxEvents)));
    return client_succeed(client);
}

void notify_status(OutboxClient *client, const char *event, int code, const char *text)
{
    TELL(client, connection_status, event, code, text);
}

void notify_start(OutboxClient *client)
{
    TELL(client, start_transfer, OUTBOX_DIRECTION_CLIENT);
}

void notify_transfer(
    OutboxClient *client, uint64_t bytes, uint64_t total, const char *data, size_t n)
{
    int percent = total > 0 ? (int)(MIN(bytes, total) * 100 / total) : -1;

    TELL(client, transfer, OUTBOX_DIRECTION_CLIENT, bytes, total, percent, data, n);
}

void notify_end(OutboxClient *client)
{
    TELL(client, end_transfer, OUTBOX_DIRECTION_CLIENT);
}

void notify_error(OutboxClient *client, int error, const char *text)
{
    TELL(client, error, error, text);
}

void notify_recipient(OutboxClient *client, const OutboxOutcome *outcome)
{
    TELL(client, recipient, outcome);
}

void notify_expand(OutboxClient *client, const char *address)
{
    TELL(client, expand, address);
}

void notify_certificate(
    OutboxClient *client, const OutboxCertificate *certificate, const char *status, int *accept)
{
    TELL(client, server_certificate, certificate, status, accept);
}

void notify_tls_status(OutboxClient *client, const char *text)
{
    TELL(client, tls_status, text);
}

void notify_fault(OutboxClient *client, const DeliveryOutcome *fault)
{
    if (!client->on_fault)
        return;
    client->in_event++;
    client->on_fault(client->fault_user, client, fault);
    client->in_event--;
}

void notify_trace(void *user, SmtpTraceDirection direction, const char *line, size_t n)
{
    OutboxClient *client = user;
    _cleanup_free_
    char *text = HAS(client, trace) ? text_printable_whole(line, n) : NULL;

    if (text)
        TELL(client, trace, (int)direction, text, strlen(text));
}
