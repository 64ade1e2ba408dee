/* Delivering what is in a queue directory, once. Must never leave what is in flight on its own:
 * whatever ends it early lets that end first. */
#include <errno.h>
#include <outbox/queue.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "delivery/engine.h"
#include "delivery/limits.h"
#include "lib/client.h"
#include "queue/directory.h"
#include "spool/closer.h"

/* Three messages, or one three times: then it is not a message that the relay stumbles over. */
#define HOLDS_MAX 3

typedef struct Processing {
    OutboxClient *client;
    sd_event *loop;
    Directory *directory;
    Engine *engine;
    usec_t stop_timeout;
    usec_t deadline; /* monotonic, of the stop */
    unsigned interrupts;
    bool fails_at_once;
    bool deferred, failed;
    int number; /* of what ended it; 0: nothing did */
    char *text;
} Processing;

/* Nothing more is claimed, and what is in flight has so long to end. */
static void stop(Processing *p, usec_t timeout)
{
    p->deadline = MIN(p->deadline, usec_add(clock_monotonic(), timeout));
    engine_stop(p->engine, p->deadline);
}

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

    if (o->kind == DELIVERY_POSTPONED)
        return;
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

    p->deferred |= report->change == MESSAGE_DEFERRED;
    p->failed |= report->change == MESSAGE_FAILED;
    if (report->change != MESSAGE_FAILED && report->change != MESSAGE_ABANDONED)
        return;
    if (asprintf(&text, "%s: %s: %s", report->id,
            report->change == MESSAGE_FAILED ? "failed" : "left as .sending",
            report->text ?: "no reason is known") < 0)
        text = NULL;
    notify_error(p->client, report->change == MESSAGE_FAILED ? report->error : ERROR_SPOOL,
        text ?: "no memory is left");
}

/* There is no coming back for a relay that does not answer: with the last one held, what is left
 * stays queued. */
static void on_relay(void *user, const RelayReport *report)
{
    Processing *p = user;
    const DeliveryOutcome *o = report->outcome;
    EngineStatistics statistics;
    char codes[DELIVERY_CODES_MAX], *text;

    if (report->change != RELAY_HELD)
        return;
    if (asprintf(&text, "relay %s, %s: %s%s%s%s", report->relay, delivery_stage_name(o->stage),
            delivery_format_codes(o, codes), o->text, report->hint ? "; " : "",
            report->hint ?: "") < 0)
        text = NULL;
    engine_statistics(p->engine, &statistics);
    if (statistics.relays_held < statistics.relays || p->fails_at_once ||
        (!delivery_stage_is_relay(o->stage) && report->holds < HOLDS_MAX)) {
        notify_error(p->client, o->error, text ?: "no memory is left");
        free(text);
        return;
    }
    note(p, o->error, text);
    stop(p, p->stop_timeout);
}

static void on_problem(void *user, const ProblemReport *report)
{
    Processing *p = user;
    char *text;

    if (asprintf(&text, "%s%s%s", report->id ?: "", report->id ? ": " : "",
            failure_text(report->failure)) < 0)
        text = NULL;
    note(p, report->failure->number, text);
    /* A message that waits would keep the call for ever: another one goes on with it. */
    if (report->pauses || report->waits)
        stop(p, p->stop_timeout);
}

static void on_idle(void *user)
{
    Processing *p = user;

    (void)sd_event_exit(p->loop, 0);
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
    stop(p, p->interrupts == 1 ? p->stop_timeout : 0);
    return 0;
}

/* ---- The run ---- */

static const EngineObserver observer = {
    .outcome = on_outcome,
    .message = on_message,
    .relay = on_relay,
    .problem = on_problem,
    .idle = on_idle,
};

/* Connections are held to what the limit of open files allows. */
static void limit_connections(Processing *p, const Config *config)
{
    Limits limits;

    limits_compute(file_descriptors_max(), CLOSER_KEPT_MAX, config, &limits);
    engine_limit_connections(p->engine, limits.bearable);
}

static int run(Processing *p, const char *path, Config *config, Failure *f)
{
    const DirectoryOptions options = {.path = path, .config = config};
    _cleanup_worker_ Worker *worker = NULL;
    int r = sd_event_new(&p->loop);

    if (r >= 0)
        r = sd_event_add_io(p->loop, NULL, p->client->wake_fd, EPOLLIN, on_interrupt, p);
    if (r >= 0)
        r = worker_new(&worker);
    if (r < 0)
        return failure_set_errno(f, r, "cannot process %s", path);
    r = directory_new(p->loop, worker, &options, &p->directory, f);
    if (r < 0)
        return r;
    r = engine_new(
        p->loop, directory_source(p->directory), worker, config, &observer, p, &p->engine);
    if (r >= 0) {
        limit_connections(p, config);
        engine_trace(p->engine, notify_trace, p->client);
        engine_start(p->engine);
        r = sd_event_loop(p->loop);
    }
    return r < 0 ? failure_set_errno(f, r, "cannot process %s", path) : 0;
}

/* What there is to say in the end. */
static int result(Processing *p)
{
    OutboxClient *client = p->client;

    if (p->number != 0)
        return client_fail(client, p->number, "%s", p->text);
    if (p->deferred)
        return client_fail(client, ERROR_COMMUNICATION,
            "not everything could be delivered now: what is deferred is to be tried again");
    if (p->failed)
        return client_fail(client, ERROR_SMTP_PROTOCOL, "not every recipient was accepted");
    return client_succeed(client);
}

int outbox_process_queue(OutboxClient *client, const char *directory)
{
    Processing p = {.client = client, .deadline = USEC_NEVER};
    int r = client_check(client);

    if (r == 0)
        r = settings_prepare(client);
    if (r != 0)
        return r;
    failure_done(&client->failure);
    client->interrupted = false;
    p.stop_timeout = client->config->daemon.stop_timeout;
    p.fails_at_once = client->config->retry.max_attempts == 1;
    __atomic_store_n(&client->call, CALL_PROCESS, __ATOMIC_RELEASE);
    r = run(&p, directory ?: client->config->spool.directory, client->config, &client->failure);
    engine_free(p.engine);
    directory_free(p.directory);
    sd_event_unref(p.loop);
    __atomic_store_n(&client->call, CALL_NONE, __ATOMIC_RELEASE);
    r = r < 0 ? client_fail_errno(client, r) : result(&p);
    free(p.text);
    return r;
}
