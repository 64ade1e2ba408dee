/* outbox process: empties a queue directory once, as the daemon would. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-event.h>

#include "base/errors.h"
#include "delivery/engine.h"
#include "tool/command.h"
#include "tool/dialogue.h"

typedef struct Processing {
    sd_event *loop;
    Engine *engine;
    size_t sent, deferred, failed;
    bool fails_at_once; /* retry.max_attempts = 1: what waits ends in .failed, not in .queued */
    int fault_error;    /* of the relay that ended it; 0: none did */
    bool trouble;
} Processing;

static void on_outcome(void *user _unused_, const OutcomeReport *report)
{
    const DeliveryOutcome *o = report->outcome;
    char codes[DELIVERY_CODES_MAX];

    delivery_format_codes(o, codes);
    for (size_t i = 0; i < report->n_recipients; i++)
        if (o->kind == DELIVERY_DELIVERED)
            printf("%s: %s delivered by %s: %s%s\n", report->id, report->recipients[i],
                report->relay, codes, o->text);
        else
            (void)tool_fail_number(o->error, "%s: %s %s by %s at %s: %s%s", report->id,
                report->recipients[i], delivery_kind_name(o->kind), report->relay,
                delivery_stage_name(o->stage), codes, o->text);
}

static void on_message(void *user, const MessageReport *report)
{
    Processing *p = user;

    p->sent += report->change == MESSAGE_SENT;
    p->deferred += report->change == MESSAGE_DEFERRED;
    p->failed += report->change == MESSAGE_FAILED;
    if (report->change == MESSAGE_FAILED)
        (void)tool_fail_number(
            report->error, "%s failed: %s", report->id, report->text ?: "no reason is known");
}

/* There is no coming back for a relay that does not answer: with the last one held, what is left
 * stays queued. */
static void on_relay(void *user, const RelayReport *report)
{
    Processing *p = user;
    EngineStatistics statistics;
    char codes[DELIVERY_CODES_MAX];

    if (report->change != RELAY_HELD)
        return;
    (void)tool_fail_number(report->outcome->error, "relay %s, %s: %s%s%s%s", report->relay,
        delivery_stage_name(report->outcome->stage), delivery_format_codes(report->outcome, codes),
        report->outcome->text, report->outcome->code > 0 ? "; " : "",
        report->outcome->code > 0 ? report->hint : "");
    engine_statistics(p->engine, &statistics);
    if (statistics.relays_held < statistics.relays || p->fails_at_once)
        return;
    p->fault_error = report->outcome->error;
    engine_stop(p->engine, clock_monotonic());
}

static void on_problem(void *user, const ProblemReport *report)
{
    Processing *p = user;

    if (report->id)
        (void)tool_fail_about(report->id, report->failure);
    else
        (void)tool_fail(report->failure);
    p->trouble = true;
    if (report->pauses)
        engine_stop(p->engine, clock_monotonic());
}

static void on_idle(void *user)
{
    Processing *p = user;

    (void)sd_event_exit(p->loop, 0);
}

static int on_signal(
    sd_event_source *source _unused_, const struct signalfd_siginfo *info _unused_, void *user)
{
    Processing *p = user;

    p->fault_error = ERROR_INTERRUPTED;
    (void)tool_fail_number(ERROR_INTERRUPTED, "interrupted");
    engine_stop(p->engine, clock_monotonic());
    return 0;
}

static int add_signals(Processing *p)
{
    sigset_t set;
    int r;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    r = sd_event_add_signal(p->loop, NULL, SIGINT, on_signal, p);
    return r < 0 ? r : sd_event_add_signal(p->loop, NULL, SIGTERM, on_signal, p);
}

static int exit_status(const Processing *p)
{
    if (p->fault_error != 0)
        return error_status(p->fault_error);
    if (p->trouble)
        return EX_IOERR;
    if (p->deferred > 0)
        return EX_TEMPFAIL;
    return p->failed > 0 ? EX_UNAVAILABLE : EX_OK;
}

static int process(Config *config, Spool *spool, bool verbose)
{
    static const EngineObserver observer = {
        .outcome = on_outcome,
        .message = on_message,
        .relay = on_relay,
        .problem = on_problem,
        .idle = on_idle,
    };
    Processing p = {.fails_at_once = config->retry.max_attempts == 1};
    int r;

    r = sd_event_new(&p.loop);
    if (r >= 0)
        r = engine_new(p.loop, spool, config, &observer, &p, &p.engine);
    if (r >= 0)
        r = add_signals(&p);
    if (r >= 0) {
        if (verbose)
            engine_trace(p.engine, dialogue_print, NULL);
        engine_start(p.engine);
        r = sd_event_loop(p.loop);
    }
    engine_free(p.engine);
    sd_event_unref(p.loop);
    if (r < 0)
        return tool_fail_number(
            error_from_errno(r), "cannot process %s: %s", spool_path(spool), strerror(-r));
    printf("%zu sent, %zu deferred, %zu failed%s\n", p.sent, p.deferred, p.failed,
        p.fault_error != 0 ? "; what is left stays queued" : "");
    return exit_status(&p);
}

static int run_process(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const struct option options[] = {
        {"verbose", no_argument, NULL, 'v'}, TOOL_OPTION_HELP, {0}};
    _cleanup_(spool_free_p) Spool *spool = NULL;
    _cleanup_config_ Config *config = NULL;
    _cleanup_failure_ Failure f = {0};
    bool verbose = false;
    int c, status;

    while ((c = tool_getopt(command, argc, argv, ":vh", options)) >= 0)
        switch (c) {
        case 'v': verbose = true; break;
        case 'h': return tool_help(command);
        default: return EX_USAGE;
        }
    if (argc - optind > 1)
        return tool_usage(command, "%s: one directory at most is wanted", argv[optind + 1]);
    status = tool_load(tool, &config);
    if (status != 0)
        return status;
    if (spool_open(argv[optind] ?: config->spool.directory, &spool, &f) < 0)
        return tool_fail(&f);
    return process(config, spool, verbose);
}

const Command command_process = {
    .name = "process",
    .synopsis = "[OPTION...] [DIRECTORY]",
    .summary = "Deliver what is in a queue directory, once, and end",
    .help = "  -v, --verbose  print the dialogue with the relays\n"
            "  -h, --help     print this\n\n"
            "Deferred messages are tried when their time has come. A daemon may work on the same\n"
            "directory. Exit statuses: 0 all delivered, 69 some failed, 75 try again later.\n",
    .run = run_process,
};
