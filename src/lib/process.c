/* Delivering what is in a queue, once: what of it a program is told. */
#include <errno.h>
#include <outbox/queue.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/errors.h"
#include "lib/client.h"
#include "lib/emptying.h"

typedef struct Processing {
    OutboxClient *client;
    Emptying emptying;
    unsigned interrupts;
    int number; /* of what ended it; 0: nothing did */
    char *text;
} Processing;

/* The first one is the result. */
static void note(Processing *p, int number, char *text)
{
    notify_error(p->client, number, text ?: "no memory is left");
    if (p->number == 0 && text) {
        p->number = number;
        p->text = text;
    } else
        free(text);
}

/* ---- What the engine reports ---- */

static void on_outcome(void *user, const OutcomeReport *report)
{
    Processing *p = user;
    const DeliveryOutcome *o = report->outcome;
    OutboxOutcome outcome = {
        .kind = send_kind(o),
        .error = o->error,
        .code = o->code,
        .enhanced = o->enhanced,
        .stage = delivery_stage_name(o->stage),
        .text = o->text,
        .relay = report->relay,
        .id = report->id,
    };

    for (size_t i = 0; i < report->n_recipients; i++) {
        outcome.recipient = report->recipients[i];
        notify_recipient(p->client, &outcome);
    }
}

static void on_message(void *user, const MessageReport *report)
{
    Processing *p = user;
    _cleanup_free_
    char *text = NULL;

    if (report->change != MESSAGE_FAILED && report->change != MESSAGE_ABANDONED)
        return;
    if (asprintf(&text, "%s: %s: %s", report->id,
            report->change == MESSAGE_FAILED ? "failed" : "left as .sending",
            report->text ?: "no reason is known") < 0)
        text = NULL;
    notify_error(p->client, report->change == MESSAGE_FAILED ? report->error : ERROR_SPOOL,
        text ?: "no memory is left");
}

static void on_relay_held(void *user, const RelayReport *report, bool ends)
{
    Processing *p = user;
    const DeliveryOutcome *o = report->outcome;
    char codes[DELIVERY_CODES_MAX], *text;

    if (!ends && !report->news)
        return;
    if (asprintf(&text, "relay %s, %s: %s%s%s%s", report->relay, delivery_stage_name(o->stage),
            delivery_format_codes(o, codes), o->text, report->hint ? "; " : "",
            report->hint ?: "") < 0)
        text = NULL;
    if (ends) {
        note(p, o->error, text);
        return;
    }
    notify_error(p->client, o->error, text ?: "no memory is left");
    free(text);
}

static void on_problem(void *user, const ProblemReport *report)
{
    Processing *p = user;
    char *text;

    if (asprintf(&text, "%s%s%s", report->id ?: "", report->id ? ": " : "",
            failure_text(report->failure)) < 0)
        text = NULL;
    note(p, report->failure->number, text);
}

/* outbox_interrupt(): the first lets what is in flight end, for whoever cuts it off may deliver it
 * twice; the second does not wait. */
static int on_interrupt(
    sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *user)
{
    Processing *p = user;
    uint64_t n;

    (void)!read(fd, &n, sizeof(n));
    if (!__atomic_exchange_n(&p->client->interrupted, false, __ATOMIC_ACQ_REL))
        return 0;
    if (p->interrupts++ == 0)
        note(p, ERROR_INTERRUPTED, strdup("interrupted: what is left stays queued"));
    emptying_stop(&p->emptying, p->interrupts == 1 ? p->emptying.stop_timeout : 0);
    return 0;
}

/* ---- The run ---- */

static void on_trace(void *user, SmtpTraceDirection direction, const char *line, size_t n)
{
    notify_trace(((Processing *)user)->client, direction, line, n);
}

static const EmptyingObserver observer = {
    .program = "liboutbox",
    .outcome = on_outcome,
    .message = on_message,
    .relay_held = on_relay_held,
    .problem = on_problem,
    .trace = on_trace,
    .quiet = true, /* the program hears of them */
};

static int run(Processing *p, const char *path, Failure *f)
{
    int r = emptying_init(&p->emptying, path, p->client->config, &observer, p, f);

    if (r < 0)
        return r;
    r = sd_event_add_io(p->emptying.loop, NULL, p->client->wake_fd, EPOLLIN, on_interrupt, p);
    if (r < 0)
        return failure_set_errno(f, r, "cannot empty the queue");
    return emptying_run(&p->emptying, f);
}

/* What there is to say in the end. */
static int result(Processing *p)
{
    OutboxClient *client = p->client;

    if (p->number != 0)
        return client_fail(client, p->number, "%s", p->text);
    if (p->emptying.deferred > 0)
        return client_fail(client, ERROR_COMMUNICATION,
            "not everything could be delivered now: what is deferred is to be tried again");
    if (p->emptying.failed > 0)
        return client_fail(client, ERROR_SMTP_PROTOCOL, "not every recipient was accepted");
    return client_succeed(client);
}

int outbox_process_queue(OutboxClient *client, const char *directory)
{
    Processing p = {.client = client};
    int r = client_check(client);

    if (r == 0)
        r = settings_prepare(client);
    if (r != 0)
        return r;
    failure_done(&client->failure);
    client->interrupted = false;
    __atomic_store_n(&client->call, CALL_PROCESS, __ATOMIC_RELEASE);
    r = run(&p, directory, &client->failure);
    emptying_done(&p.emptying);
    __atomic_store_n(&client->call, CALL_NONE, __ATOMIC_RELEASE);
    r = r < 0 ? client_fail_errno(client, r) : result(&p);
    free(p.text);
    return r;
}
