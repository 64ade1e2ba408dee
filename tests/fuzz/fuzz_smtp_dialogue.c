/* A whole session with the server of tests/fuzz/server.h: what the server took is known as taken,
 * and nothing else is; each recipient's outcome is what a reply to its transaction said. The first
 * four bytes make the options, the others the server's choices. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"
#include "target.h"

#define OPTION_BYTES 4
#define OFFERS 511 /* the keywords that may be switched off */

typedef struct Submitted {
    SmtpTransaction transaction;
    unsigned events[SERVER_RECIPIENTS];
    bool done;
} Submitted;

typedef struct Dialogue {
    SmtpSession *session;
    Server server;
    Submitted submitted[SERVER_TRANSACTIONS];
    size_t n_submitted;
    SmtpRecipient recipients[SERVER_RECIPIENTS];
    size_t piece; /* bytes of content that are given at a time */
    bool is_8bit, lost, closed;
} Dialogue;

static const SmtpRecipient recipients[SERVER_RECIPIENTS] = {
    {.address = "0@example.com"},
    {.address = "1@b\xc3\xbc"
                "cher.example"},
    {.address = "2@example.com", .parameters = "NOTIFY=NEVER"},
};

static void must(int r)
{
    if (r < 0)
        abort();
}

static void submit(Dialogue *d)
{
    static const char *const senders[SERVER_TRANSACTIONS] = {
        "0@example.org", "1@example.org", "2@example.org", "3@example.org"};

    while (d->n_submitted < SERVER_TRANSACTIONS && smtp_session_can_submit(d->session)) {
        Submitted *next = &d->submitted[d->n_submitted];

        next->transaction = (SmtpTransaction){
            .sender = senders[d->n_submitted],
            .sender_parameters = "RET=HDRS ENVID=1",
            .recipients = d->recipients,
            .n_recipients = SERVER_RECIPIENTS,
            .size = 10,
            .is_8bit = d->is_8bit,
            .user = next,
        };
        d->n_submitted++;
        must(smtp_session_submit(d->session, &next->transaction, 1));
    }
}

static bool was_said(const ServerTransaction *truth, int code)
{
    for (size_t i = 0; i < truth->n_codes; i++)
        if (truth->codes[i] == code)
            return true;
    return false;
}

/* A reply that says nothing of the message (RFC 5321, 4.2.2; 1869, 4.5): it may be tried again. */
static bool is_about_command(int code)
{
    return (code >= 500 && code <= 504) || code == 555;
}

static void on_recipient(Dialogue *d, const SmtpEvent *event)
{
    Submitted *submitted = event->transaction->user;
    const ServerTransaction *truth = &d->server.transactions[submitted - d->submitted];
    const DeliveryOutcome *outcome = event->outcome;
    bool is_taken = truth->taken && truth->accepted[event->recipient];

    assert(event->recipient < SERVER_RECIPIENTS && !submitted->done);
    submitted->events[event->recipient]++;
    assert(submitted->events[event->recipient] == 1);
    assert((outcome->kind == DELIVERY_DELIVERED) == is_taken);
    assert(outcome->cause != CAUSE_PROTOCOL && outcome->cause != CAUSE_TIMEOUT);
    if (outcome->cause == CAUSE_REPLY && outcome->kind != DELIVERY_CUT_OFF)
        assert(was_said(truth, outcome->code));
    if (outcome->cause == CAUSE_REPLY && outcome->kind == DELIVERY_REFUSED)
        assert(outcome->code / 100 == 5);
    if (outcome->cause == CAUSE_REPLY && outcome->kind == DELIVERY_DEFERRED)
        assert(outcome->code / 100 == 4 || outcome->code == 552 || is_about_command(outcome->code));
}

/* Nobody has the message where one has not that it was not to go without. */
static void on_done(const Dialogue *d, const SmtpEvent *event)
{
    Submitted *submitted = event->transaction->user;
    const ServerTransaction *truth = &d->server.transactions[submitted - d->submitted];

    assert(!submitted->done);
    submitted->done = true;
    for (size_t i = 0; i < SERVER_RECIPIENTS; i++) {
        assert(submitted->events[i] == 1);
        assert(!truth->taken || truth->accepted[i] || !d->recipients[i].required);
    }
}

static void give_content(Dialogue *d, const SmtpEvent *event)
{
    const Submitted *submitted = event->transaction->user;
    const char *text = server_content((size_t)(submitted - d->submitted));
    size_t n = strlen(text);

    for (size_t at = 0; at < n; at += d->piece)
        must(smtp_session_content(d->session, text + at, MIN(d->piece, n - at)));
    must(smtp_session_content_end(d->session, 1));
}

static void on_event(Dialogue *d, const SmtpEvent *event)
{
    static const SmtpTlsInfo tls = {.active = true, .description = "TLSv1.3"};

    assert(!d->closed);
    switch (event->type) {
    case SMTP_EVENT_NEED_TLS:
        server_start_tls(&d->server);
        must(smtp_session_tls_started(d->session, &tls, 1));
        break;
    case SMTP_EVENT_NEED_CONTENT: give_content(d, event); break;
    case SMTP_EVENT_RECIPIENT: on_recipient(d, event); break;
    case SMTP_EVENT_TRANSACTION_DONE: on_done(d, event); break;
    case SMTP_EVENT_CLOSED:
        d->closed = true;
        for (size_t i = 0; i < d->n_submitted; i++)
            assert(d->submitted[i].done);
        break;
    case SMTP_EVENT_READY:
    case SMTP_EVENT_REPLY: break;
    }
    submit(d);
}

static void step(Dialogue *d)
{
    SmtpEvent event;

    while (smtp_session_step(d->session, 1, &event) > 0)
        on_event(d, &event);
}

/* Whether anything moved: the client said something, or was told something. */
static bool turn(Dialogue *d)
{
    Buffer *said, *told = &d->server.output;
    size_t n, n_told;
    char *to;

    step(d);
    said = smtp_session_output(d->session);
    n = buffer_size(said);
    server_receive(&d->server, buffer_data(said), n);
    smtp_session_written(d->session, n, 1);
    n_told = buffer_size(told);
    to = n_told > 0 ? smtp_session_reserve(d->session, n_told) : NULL;
    if (to) {
        memcpy(to, buffer_data(told), n_told);
        smtp_session_received(d->session, n_told, 1);
        buffer_clear(told);
    }
    return n > 0 || n_told > 0;
}

static void converse(Dialogue *d)
{
    static const DeliveryOutcome gone = {.cause = CAUSE_LOST, .text = "end of file"};

    server_start(&d->server);
    while (turn(d) && !d->closed && !d->server.closing)
        if (d->n_submitted == SERVER_TRANSACTIONS && smtp_session_is_idle(d->session))
            smtp_session_quit(d->session, 1);
    if (!d->closed) {
        d->lost = true;
        smtp_session_lost(d->session, &gone);
        step(d);
    }
    assert(d->closed);
}

const FuzzBudget fuzz_budget = {.steps = 200000, .steps_per_byte = 100};

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_secret_ Secret *secret = secret_new("secret", strlen("secret"));
    Dialogue d = {0};
    SmtpOptions options = {.hello = "client.example", .max_line_bytes = 512};

    if (size < OPTION_BYTES)
        return;
    options.extensions = !(data[0] & 1);
    options.pipelining = !(data[0] & 2);
    options.chunking = !(data[0] & 4);
    options.send_rset = data[0] & 8;
    options.tls = (SmtpTls)(data[0] >> 4 & 3);
    options.auth = (SmtpAuthOptions){
        .user = data[0] & 64 ? "joe" : NULL, .secret = secret, .clear_allowed = data[0] & 128};
    options.discarded = (unsigned)(data[1] | data[2] << 8) & OFFERS;
    d.piece = 1 + (data[3] & 15);
    d.is_8bit = data[3] & 16;
    for (size_t i = 0; i < SERVER_RECIPIENTS; i++) {
        d.recipients[i] = recipients[i];
        d.recipients[i].required = data[3] & 32 << i;
    }
    d.server = (Server){.options = &options,
        .choices = data + OPTION_BYTES,
        .choices_end = data + size,
        .tls = options.tls == SMTP_TLS_ACTIVE};
    if (!secret || smtp_session_new(&options, 1, &d.session) < 0)
        abort();
    converse(&d);
    smtp_session_free(d.session);
    server_done(&d.server);
}
