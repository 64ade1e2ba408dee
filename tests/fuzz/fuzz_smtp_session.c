/* Feeds a session whatever a server may say. The first two bytes make the options and say how the
 * rest is cut into reads; two transactions are kept under way. What must hold for every dialogue is
 * asserted: one outcome a recipient, one end a transaction, one end of the session. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/session.h"
#include "target.h"

#define RECIPIENTS 3
#define TRANSACTIONS_MAX 8

typedef struct Submitted {
    SmtpTransaction transaction;
    unsigned events[RECIPIENTS];
    bool done;
} Submitted;

typedef struct Fuzz {
    SmtpSession *session;
    Submitted submitted[TRANSACTIONS_MAX];
    size_t n_submitted;
    usec_t now;
    bool lost, closed, writes;
} Fuzz;

static const SmtpRecipient recipients[RECIPIENTS] = {
    {.address = "b@example.com"},
    {.address = "j\xc3\xbcrgen@b\xc3\xbc"
                "cher.example"},
    {.address = "c@example.com", .parameters = "NOTIFY=NEVER"},
};

static int enough_memory(int r)
{
    if (r < 0)
        abort();
    return r;
}

static void submit(Fuzz *fuzz)
{
    while (fuzz->n_submitted < TRANSACTIONS_MAX && smtp_session_can_submit(fuzz->session)) {
        Submitted *next = &fuzz->submitted[fuzz->n_submitted++];

        next->transaction = (SmtpTransaction){
            .sender = "a@example.org",
            .recipients = recipients,
            .n_recipients = RECIPIENTS,
            .size = fuzz->n_submitted % 3 == 0 ? 100000 : 10,
            .user = next,
        };
        enough_memory(smtp_session_submit(fuzz->session, &next->transaction, fuzz->now));
    }
}

static void on_recipient(Fuzz *fuzz, const SmtpEvent *event)
{
    Submitted *submitted = event->transaction->user;

    assert(event->recipient < RECIPIENTS && !submitted->done);
    submitted->events[event->recipient]++;
    assert(submitted->events[event->recipient] == 1);
    assert(event->outcome->text && strlen(event->outcome->text) < 4096);
    if (event->outcome->kind == DELIVERY_DELIVERED)
        assert(!fuzz->lost && fuzz->writes && event->outcome->code / 100 == 2 &&
               event->outcome->stage == STAGE_CONTENT);
    /* Or MAIL was refused before, which stands. */
    if (fuzz->lost)
        assert(event->outcome->kind == DELIVERY_CUT_OFF ||
               (event->outcome->cause == CAUSE_REPLY && event->outcome->stage == STAGE_MAIL));
    if (event->outcome->perhaps)
        assert(fuzz->writes && event->outcome->under_way);
}

static void on_done(const SmtpEvent *event)
{
    Submitted *submitted = event->transaction->user;

    assert(!submitted->done);
    submitted->done = true;
    for (size_t i = 0; i < RECIPIENTS; i++)
        assert(submitted->events[i] == 1);
}

static void on_event(Fuzz *fuzz, const SmtpEvent *event)
{
    static const SmtpTlsInfo tls = {.active = true, .description = "TLSv1.3"};

    assert(!fuzz->closed);
    switch (event->type) {
    case SMTP_EVENT_NEED_TLS:
        enough_memory(smtp_session_tls_started(fuzz->session, &tls, fuzz->now));
        break;
    case SMTP_EVENT_NEED_CONTENT:
        enough_memory(smtp_session_content(fuzz->session, ".x\ny", 4));
        enough_memory(smtp_session_content_end(fuzz->session, fuzz->now));
        break;
    case SMTP_EVENT_RECIPIENT: on_recipient(fuzz, event); break;
    case SMTP_EVENT_TRANSACTION_DONE: on_done(event); break;
    case SMTP_EVENT_CLOSED:
        fuzz->closed = true;
        for (size_t i = 0; i < fuzz->n_submitted; i++)
            assert(fuzz->submitted[i].done);
        break;
    case SMTP_EVENT_READY:
    case SMTP_EVENT_REPLY: break;
    }
    submit(fuzz);
}

static void settle(Fuzz *fuzz)
{
    SmtpEvent event;
    Buffer *output;

    while (enough_memory(smtp_session_step(fuzz->session, fuzz->now, &event)) > 0)
        on_event(fuzz, &event);
    output = smtp_session_output(fuzz->session);
    if (fuzz->writes)
        smtp_session_written(fuzz->session, buffer_size(output), fuzz->now);
    assert(smtp_session_deadline(fuzz->session) > fuzz->now);
}

static void feed(Fuzz *fuzz, const uint8_t *data, size_t n)
{
    char *to = smtp_session_reserve(fuzz->session, n);

    if (!to)
        abort();
    memcpy(to, data, n);
    smtp_session_received(fuzz->session, n, fuzz->now);
    settle(fuzz);
}

const FuzzBudget fuzz_budget = {.steps = 100000, .steps_per_byte = 200};

void fuzz_input(const uint8_t *data, size_t size)
{
    static const DeliveryOutcome gone = {.cause = CAUSE_LOST, .text = "end of file"};
    unsigned flags = size > 0 ? data[0] : 0;
    size_t piece = size > 1 && data[1] > 0 ? data[1] : SIZE_MAX;
    Secret *secret = secret_new("secret", strlen("secret"));
    SmtpOptions options = {
        .hello = "client.example",
        .extensions = !(flags & 1),
        .pipelining = !(flags & 2),
        .chunking = !(flags & 4),
        .send_rset = flags & 8,
        .tls = (SmtpTls)(flags >> 4 & 3),
        .auth = {.user = flags & 64 ? "joe" : NULL, .secret = secret, .clear_allowed = true},
        .max_line_bytes = 512,
        .lmtp = size > 1 && data[1] & 128,
    };
    Fuzz fuzz = {.now = 1, .writes = !(flags & 128)};

    if (!secret || smtp_session_new(&options, fuzz.now, &fuzz.session) < 0)
        abort();
    for (size_t i = MIN(size, (size_t)2); i < size; i += MIN(piece, size - i))
        feed(&fuzz, data + i, MIN(piece, size - i));
    settle(&fuzz);
    fuzz.lost = true;
    smtp_session_lost(fuzz.session, &gone);
    settle(&fuzz);
    assert(fuzz.closed);
    smtp_session_free(fuzz.session);
    secret_unref(secret);
}
