/* Whole connections for a test: a client that delivers messages over a relay of the test's, with
 * both drivers, and certificates for it. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "certificates.h"
#include "delivery/drive_event.h"
#include "net/connection.h"
#include "server.h"
#include "settings/load.h"
#include "unit.h"

#define EHLO "C: EHLO client.test\nS: 250-server.test\nS: 250 PIPELINING\n"
#define EHLO_STARTTLS "C: EHLO client.test\nS: 250-server.test\nS: 250 STARTTLS\n"
#define STARTTLS EHLO_STARTTLS "C: STARTTLS\nS: 220 go ahead\nTLS\n"
#define ENVELOPE "C: MAIL FROM:<ann@client.test>\nC: RCPT TO:<bob@server.test>\nC: DATA\n"
#define ACCEPTED "S: 250 sender\nS: 250 recipient\nS: 354 go ahead\nM:\nS: 250 taken\n"
#define QUIT "C: QUIT\nS: 221 bye\nEOF\n"
#define MESSAGE ENVELOPE ACCEPTED

static char directory[] = "/tmp/outbox-test-XXXXXX";
static char authority_setting[64];
static char authority_path[48];
static TestCertificate authority, certificate, expired;

static inline void make_certificates(void)
{
    const TestCertificateSpec spec_authority = {"Test Authority", NULL, 0, 0, true};
    const TestCertificateSpec spec = {"server", "IP:127.0.0.1,DNS:relay.test", 0, 0, false};
    const TestCertificateSpec spec_expired = {
        "server", "IP:127.0.0.1,DNS:relay.test", -7200, -3600, false};

    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(authority_path, sizeof(authority_path), "%s/ca.pem", directory);
    snprintf(authority_setting, sizeof(authority_setting), "tls_ca_file=%s", authority_path);
    authority = test_certificate_new(&spec_authority, NULL);
    certificate = test_certificate_new(&spec, &authority);
    expired = test_certificate_new(&spec_expired, &authority);
    test_certificate_save(&authority, authority_path, NULL, NULL);
}

static inline void remove_certificates(void)
{
    (void)unlink(authority_path);
    (void)rmdir(directory);
    test_certificate_done(&authority);
    test_certificate_done(&certificate);
    test_certificate_done(&expired);
}

/* A port that answers nothing: its queue of connections is full. */
static inline int fill_queue(const char *address, uint16_t port)
{
    int listening = test_listen_at(address, port, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

    ck_assert_int_ge(listening, 0);
    ck_assert_int_eq(inet_pton(AF_INET, address, &to.sin_addr), 1);
    for (unsigned i = 0; i < 4; i++) { /* they end with the process */
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        (void)connect(fd, (struct sockaddr *)&to, sizeof(to));
    }
    return listening;
}

/* ---- a client that delivers messages and leaves ---- */

typedef struct Client {
    Config *config;
    ConnectionShared *shared;
    unsigned messages;    /* to deliver */
    size_t message_bytes; /* of each */

    Connection *connection;
    SmtpRecipient recipient;
    SmtpTransaction transaction;
    size_t given; /* of the content */

    unsigned delivered, cut_off, perhaps;
    bool ready, closed, resumed;
    DeliveryOutcome outcome; /* of CLOSED */
    char text[1000];         /* its text */
    char tls[100];
    char trace[4000]; /* what the transport and the client said */
} Client;

static inline void on_trace(void *user, SmtpTraceDirection direction, const char *line, size_t n)
{
    Client *client = user;
    size_t used = strlen(client->trace);

    if (direction != SMTP_TRACE_SERVER)
        snprintf(client->trace + used, sizeof(client->trace) - used, "%.*s\n", (int)n, line);
}

static inline void submit(Client *client)
{
    client->recipient = (SmtpRecipient){.address = "bob@server.test"};
    client->transaction = (SmtpTransaction){
        .sender = "ann@client.test",
        .recipients = &client->recipient,
        .n_recipients = 1,
        .size = client->message_bytes,
    };
    client->given = 0;
    ck_assert_int_eq(smtp_session_submit(connection_session(client->connection),
                         &client->transaction, clock_monotonic()),
        0);
}

static inline void give_content(Client *client)
{
    static const char line[] = "0123456789012345678901234567890123456789012345678901234567890\n";
    SmtpSession *session = connection_session(client->connection);

    if (client->given >= client->message_bytes) {
        ck_assert_int_eq(smtp_session_content_end(session, clock_monotonic()), 0);
        return;
    }
    for (unsigned i = 0; i < 500 && client->given < client->message_bytes; i++) {
        ck_assert_int_eq(smtp_session_content(session, line, strlen(line)), 0);
        client->given += strlen(line);
    }
}

static inline void note_closed(Client *client, const DeliveryOutcome *outcome)
{
    client->closed = true;
    client->outcome = *outcome;
    snprintf(client->text, sizeof(client->text), "%s", outcome->text);
    snprintf(client->tls, sizeof(client->tls), "%s", connection_tls(client->connection) ?: "");
    client->resumed = connection_tls_resumed(client->connection);
}

static inline int on_event(void *user, Connection *connection, const SmtpEvent *event)
{
    Client *client = user;

    switch (event->type) {
    case SMTP_EVENT_NEED_TLS: ck_abort_msg("NEED_TLS is the connection's own"); break;
    case SMTP_EVENT_REPLY: ck_abort_msg("nobody asked for a reply"); break;
    case SMTP_EVENT_READY:
        client->ready = true;
        submit(client);
        break;
    case SMTP_EVENT_NEED_CONTENT: give_content(client); break;
    case SMTP_EVENT_RECIPIENT:
        client->delivered += event->outcome->kind == DELIVERY_DELIVERED;
        client->cut_off += event->outcome->kind == DELIVERY_CUT_OFF;
        client->perhaps += event->outcome->perhaps;
        break;
    case SMTP_EVENT_TRANSACTION_DONE:
        if (!smtp_session_can_submit(connection_session(connection)))
            break;
        if (client->delivered < client->messages)
            submit(client);
        else
            smtp_session_quit(connection_session(connection), clock_monotonic());
        break;
    case SMTP_EVENT_CLOSED: note_closed(client, event->outcome); break;
    }
    return 0;
}

/* Waits as long as it takes for the next event: 1, or a negative errno; -ENOTCONN behind
 * SMTP_EVENT_CLOSED. */
static inline int connection_wait(Connection *connection, SmtpEvent *ret)
{
    for (;;) {
        usec_t now = clock_monotonic(), deadline;
        int r = connection_step(connection, now, ret);
        struct pollfd p;

        if (r != 0)
            return r;
        p = (struct pollfd){
            .fd = connection_fd(connection), .events = connection_poll_events(connection)};
        deadline = connection_deadline(connection);
        if (p.fd < 0 && deadline == USEC_NEVER)
            return -ENOTCONN;
        r = poll(&p, 1, deadline == USEC_NEVER ? -1 : (int)((deadline - now) / USEC_PER_MSEC) + 1);
        if (r < 0 && errno != EINTR)
            return -errno;
        if (r > 0)
            connection_ready(connection, p.revents);
    }
}

static inline void run_by_poll(Client *client)
{
    SmtpEvent event;

    while (!client->closed) {
        ck_assert_int_eq(connection_wait(client->connection, &event), 1);
        ck_assert_int_eq(on_event(client, client->connection, &event), 0);
    }
    ck_assert_int_eq(connection_wait(client->connection, &event), -ENOTCONN);
}

typedef struct Loop {
    sd_event *event;
    Client *client;
    ConnectionSource *source;
} Loop;

static inline int loop_event(void *user, Connection *connection, const SmtpEvent *event)
{
    Loop *loop = user;

    ck_assert(!loop->client->closed);
    return on_event(loop->client, connection, event);
}

static inline void loop_settled(void *user, _unused_ Connection *connection, int result)
{
    Loop *loop = user;

    ck_assert_int_eq(result, 0);
    if (!loop->client->closed)
        return;
    connection_source_free(loop->source);
    loop->source = NULL;
    (void)sd_event_exit(loop->event, 0);
}

static inline void run_by_event(Client *client)
{
    Loop loop = {.client = client};

    ck_assert_int_ge(sd_event_new(&loop.event), 0);
    ck_assert_int_ge(connection_source_new(loop.event, client->connection, loop_event, loop_settled,
                         &loop, &loop.source),
        0);
    ck_assert_int_eq(sd_event_loop(loop.event), 0);
    ck_assert_ptr_null(loop.source);
    (void)sd_event_unref(loop.event);
}

static inline Client client_for(uint16_t port, const char *const *settings)
{
    char port_setting[32];
    const char *overrides[16] = {
        "host=127.0.0.1", "hello=client.test", "timeout=60s", authority_setting, port_setting};
    _cleanup_worker_ Worker *worker = NULL;
    _cleanup_failure_ Failure f = {0};
    Client client = {.messages = 1, .message_bytes = 100};

    snprintf(port_setting, sizeof(port_setting), "port=%u", port);
    for (size_t i = 0; settings && settings[i]; i++)
        overrides[5 + i] = settings[i];
    ck_assert_msg(
        config_load("/dev/null", overrides, &client.config, &f) == 0, "%s", failure_text(&f));
    ck_assert_int_eq(worker_new(&worker), 0);
    ck_assert_int_eq(connection_shared_new(client.config->relays[0], worker, &client.shared), 0);
    return client;
}

static inline void client_done(Client *client)
{
    (void)connection_shared_unref(client->shared);
    (void)config_unref(client->config);
}

/* One connection to its end; `driver` 0 is poll(), 1 the event loop. */
static inline void client_run(Client *client, int driver)
{
    client->closed = client->ready = false;
    client->delivered = client->cut_off = client->perhaps = 0;
    ck_assert_int_eq(
        connection_new(client->shared, on_trace, client, clock_monotonic(), &client->connection),
        0);
    if (driver == 0)
        run_by_poll(client);
    else
        run_by_event(client);
    connection_free(client->connection);
}

static inline void check_outcome(
    const Client *client, DeliveryKind kind, DeliveryStage stage, int error)
{
    ck_assert_msg(client->outcome.kind == kind && client->outcome.stage == stage &&
                      client->outcome.error == error,
        "%s in %s, %d: %s", delivery_kind_name(client->outcome.kind),
        delivery_stage_name(client->outcome.stage), client->outcome.error, client->text);
}

#define SCRIPTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SETTINGS(...) ((const char *const[]){__VA_ARGS__, NULL})
