/* outbox process: empties a queue directory once, as the daemon would. Must never leave what is in
 * flight on its own: whatever ends it early lets that end first. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <systemd/sd-event.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "base/worker.h"
#include "delivery/advice.h"
#include "delivery/engine.h"
#include "delivery/limits.h"
#include "queue/directory.h"
#include "spool/closer.h"
#include "tool/command.h"
#include "tool/dialogue.h"
#include "tool/terminal.h"

#define SHOWN_MAX 2000        /* bytes of what a stranger wrote */
#define READER_LIMIT_MSEC 100 /* for whoever reads the output, once a signal has come */

typedef struct Processing {
    sd_event *loop;
    Directory *directory;
    Engine *engine;
    usec_t stop_timeout;
    usec_t deadline; /* monotonic, of the stop; USEC_NEVER: it goes on */
    int signal_fd;   /* readable while a signal waits for the loop */
    unsigned signals;
    size_t sent, deferred, failed;
    bool fails_at_once; /* retry.max_attempts = 1: what waits ends in .failed, not in .queued */
    int fault_status;   /* to exit with, where a relay or a signal ended it; 0: none did */
    int trouble_status; /* of what stands in the way on this machine; EX_OK: nothing did */
    bool output_lost, errors_lost; /* nobody reads standard output, or standard error */
} Processing;

/* ---- Ending early ---- */

/* Nothing more is claimed, and what is in flight has so long to end. An earlier end stays. */
static void stop(Processing *p, usec_t timeout)
{
    p->deadline = MIN(p->deadline, usec_add(clock_monotonic(), timeout));
    engine_stop(p->engine, p->deadline);
}

/* ---- What is printed ---- */

/* Whether the stream takes a line. Waits until it does, or a signal comes: with a reader that has
 * stopped, the next one would not be heard either, and what is in flight could not end. Then, and
 * after a signal, a reader that does not read now is not written to any more. Where that cannot be
 * told, it takes one. */
static bool may_print(Processing *p, int fd)
{
    struct pollfd wanted[] = {{fd, POLLOUT, 0}, {p->signal_fd, POLLIN, 0}};
    bool *lost = fd == STDOUT_FILENO ? &p->output_lost : &p->errors_lost;
    int r;

    if (*lost)
        return false;
    do
        r = poll(wanted, ELEMENTSOF(wanted), p->signals > 0 ? READER_LIMIT_MSEC : -1);
    while (r < 0 && errno == EINTR);
    *lost = r >= 0 && wanted[0].revents == 0;
    return !*lost;
}

static void check_output(Processing *p)
{
    int error = errno;

    if (p->output_lost || !ferror(stdout))
        return;
    clearerr(stdout); /* said here */
    p->output_lost = true;
    p->trouble_status = EX_IOERR;
    if (may_print(p, STDERR_FILENO))
        (void)tool_fail_number(ERROR_FILE,
            "cannot write to standard output: %s; no more messages are taken, and those in flight "
            "may end",
            strerror(error));
    stop(p, p->stop_timeout);
}

static void print_dialogue(void *user, SmtpTraceDirection direction, const char *line, size_t n)
{
    if (may_print(user, STDERR_FILENO))
        dialogue_print(NULL, direction, line, n);
}

static void print_delivered(Processing *p, const OutcomeReport *report, const char *recipient)
{
    char codes[DELIVERY_CODES_MAX];

    if (!may_print(p, STDOUT_FILENO))
        return;
    (void)terminal_print(stdout, report->id, SHOWN_MAX);
    fputs(": ", stdout);
    (void)terminal_print(stdout, recipient, SHOWN_MAX);
    printf(" delivered by %s: %s", report->relay, delivery_format_codes(report->outcome, codes));
    (void)terminal_print(stdout, report->outcome->text, SHOWN_MAX);
    putchar('\n');
    check_output(p);
}

static void print_not_delivered(Processing *p, const OutcomeReport *report, const char *recipient)
{
    const DeliveryOutcome *o = report->outcome;
    const char *kind = o->kind == DELIVERY_REFUSED ? "refused" : "deferred";
    char codes[DELIVERY_CODES_MAX];

    if (may_print(p, STDERR_FILENO))
        (void)tool_fail_number(o->error, "%s: %s %s by %s at %s: %s%s%s%s", report->id, recipient,
            kind, report->relay, delivery_stage_name(o->stage), delivery_format_codes(o, codes),
            o->text, report->hint ? "; " : "", report->hint ?: "");
}

/* ---- What the engine reports ---- */

static void on_outcome(void *user, const OutcomeReport *report)
{
    if (report->outcome->kind == DELIVERY_POSTPONED)
        return;
    for (size_t i = 0; i < report->n_recipients; i++)
        if (report->outcome->kind == DELIVERY_DELIVERED)
            print_delivered(user, report, report->recipients[i]);
        else
            print_not_delivered(user, report, report->recipients[i]);
}

static void on_message(void *user, const MessageReport *report)
{
    Processing *p = user;

    p->sent += report->change == MESSAGE_SENT;
    p->deferred += report->change == MESSAGE_DEFERRED;
    p->failed += report->change == MESSAGE_FAILED;
    if (report->change == MESSAGE_ABANDONED && may_print(p, STDERR_FILENO))
        (void)tool_fail_number(ERROR_SPOOL, "%s: left as .sending: %s", report->id, report->text);
    if (report->change == MESSAGE_FAILED && may_print(p, STDERR_FILENO))
        (void)tool_fail_number(report->error, "%s%s%s%s failed: %s", report->id,
            report->old_id ? " (was " : "", report->old_id ?: "", report->old_id ? ")" : "",
            report->text ?: "no reason is known");
}

/* Three messages, or one three times: then it is not a message that the relay stumbles over. */
#define HOLDS_MAX 3

/* There is no coming back for a relay that does not answer: with the last one held, what is left
 * stays queued. One that may have stumbled over a message is given another chance, with another
 * message. */
static void on_relay(void *user, const RelayReport *report)
{
    Processing *p = user;
    EngineStatistics statistics;
    char codes[DELIVERY_CODES_MAX];

    if (report->change != RELAY_HELD)
        return;
    if (report->news && may_print(p, STDERR_FILENO))
        (void)tool_fail_number(report->outcome->error, "relay %s, %s: %s%s%s%s", report->relay,
            delivery_stage_name(report->outcome->stage),
            delivery_format_codes(report->outcome, codes), report->outcome->text,
            report->hint ? "; " : "", report->hint ?: "");
    engine_statistics(p->engine, &statistics);
    if (statistics.relays_held < statistics.relays || p->fails_at_once)
        return;
    if (!delivery_stage_is_relay(report->outcome->stage) && report->holds < HOLDS_MAX)
        return;
    p->fault_status = advice_status(report->outcome);
    stop(p, p->stop_timeout);
}

static void on_problem(void *user, const ProblemReport *report)
{
    Processing *p = user;

    p->trouble_status =
        error_status(report->failure->number) == EX_TEMPFAIL ? EX_TEMPFAIL : EX_IOERR;
    /* A message that waits would keep the process for ever: another run goes on with it. */
    if (report->pauses || report->waits)
        stop(p, p->stop_timeout);
    if (!may_print(p, STDERR_FILENO))
        return;
    if (report->id)
        (void)tool_fail_about(report->id, report->failure);
    else
        (void)tool_fail(report->failure);
}

static void on_idle(void *user)
{
    Processing *p = user;

    (void)sd_event_exit(p->loop, 0);
}

/* ---- Signals ---- */

static void tell_interrupted(Processing *p)
{
    EngineStatistics statistics;
    _cleanup_free_
    char *timeout = text_format_duration(p->stop_timeout);

    if (!may_print(p, STDERR_FILENO))
        return;
    engine_statistics(p->engine, &statistics);
    if (p->signals > 1)
        (void)tool_fail_number(ERROR_INTERRUPTED, "interrupted again: not waiting any longer");
    else if (statistics.in_flight == 0)
        (void)tool_fail_number(ERROR_INTERRUPTED, "interrupted");
    else
        (void)tool_fail_number(ERROR_INTERRUPTED,
            "interrupted: no more messages are taken; those in flight (%zu) have %s to end, or "
            "until the next signal",
            statistics.in_flight, timeout ?: "some time");
}

/* The first one lets what is in flight end, for whoever cuts it off may deliver it twice; the
 * second does not wait; and the third is for an engine that cannot let go. */
static int on_signal(
    sd_event_source *source _unused_, const struct signalfd_siginfo *info _unused_, void *user)
{
    Processing *p = user;

    p->signals++;
    p->fault_status = error_status(ERROR_INTERRUPTED);
    tell_interrupted(p);
    stop(p, p->signals == 1 ? p->stop_timeout : 0);
    return p->signals > 2 ? sd_event_exit(p->loop, 0) : 0;
}

static bool is_ignored(int number)
{
    struct sigaction action;

    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* One that is ignored, by nohup or for a job in the background, stays so. */
static int add_signals(Processing *p)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t set;
    int r = 0;

    (void)signal(SIGPIPE, SIG_IGN); /* the write says so as well */
    sigemptyset(&set);
    for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
        if (!is_ignored(numbers[i]))
            sigaddset(&set, numbers[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (p->signal_fd < 0)
        return -errno;
    for (size_t i = 0; r >= 0 && i < ELEMENTSOF(numbers); i++)
        if (sigismember(&set, numbers[i]) == 1)
            r = sd_event_add_signal(p->loop, NULL, numbers[i], on_signal, p);
    return r;
}

/* ---- The run ---- */

static int exit_status(const Processing *p)
{
    if (p->fault_status != 0)
        return p->fault_status;
    if (p->trouble_status != EX_OK)
        return p->trouble_status;
    if (p->deferred > 0)
        return EX_TEMPFAIL;
    return p->failed > 0 ? EX_UNAVAILABLE : EX_OK;
}

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

/* 0, or a negative errno with a Failure. */
static int open_engine(Processing *p, const char *path, Config *config, Failure *f)
{
    const DirectoryOptions options = {.path = path, .config = config};
    _cleanup_worker_ Worker *worker = NULL;
    int r;

    r = sd_event_new(&p->loop);
    if (r >= 0)
        r = add_signals(p); /* before there are threads, which inherit the mask */
    if (r >= 0)
        r = worker_new(&worker);
    if (r < 0)
        return failure_set_errno(f, r, "cannot process %s", path);
    r = directory_new(p->loop, worker, &options, &p->directory, f);
    if (r < 0)
        return r;
    r = engine_new(
        p->loop, directory_source(p->directory), worker, config, &observer, p, &p->engine);
    if (r < 0)
        return failure_set_errno(f, r, "cannot process %s", path);
    limit_connections(p, config);
    return 0;
}

static void close_engine(Processing *p)
{
    engine_free(p->engine);
    directory_free(p->directory);
    sd_event_unref(p->loop);
}

static int run_engine(Processing *p, const char *path, bool verbose)
{
    int r;

    if (verbose)
        engine_trace(p->engine, print_dialogue, p);
    engine_start(p->engine);
    r = sd_event_loop(p->loop);
    if (r < 0)
        return tool_fail_number(
            error_from_errno(r), "cannot process %s: %s", path, strerrordesc_np(-r));
    if (may_print(p, STDOUT_FILENO))
        printf("%zu sent, %zu deferred, %zu failed%s\n", p->sent, p->deferred, p->failed,
            p->fault_status != 0 ? "; what is left stays queued" : "");
    return exit_status(p);
}

static int process(Config *config, const char *path, bool verbose)
{
    _cleanup_failure_ Failure f = {0};
    Processing p = {
        .stop_timeout = config->daemon.stop_timeout,
        .deadline = USEC_NEVER,
        .signal_fd = -1,
        .fails_at_once = config->retry.max_attempts == 1,
    };
    int status;

    status = open_engine(&p, path, config, &f) < 0 ? tool_fail(&f) : run_engine(&p, path, verbose);
    close_engine(&p);
    close_p(&p.signal_fd);
    return status;
}

int run_process(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_config_ Config *config = NULL;
    bool verbose = false;
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'v': verbose = true; break;
        case 'h': return tool_help(command);
        default: return EX_USAGE;
        }
    if (argc - optind > 1)
        return tool_usage(command, "%s: one directory at most is wanted", argv[optind + 1]);
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* a line when it happens, and room for it looked for */
    status = tool_load(tool, &config);
    if (status != 0)
        return status;
    return process(config, argv[optind] ?: config->spool.directory, verbose);
}
