/* outbox process: what is printed while a queue is emptied, signals, and the exit status.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "delivery/advice.h"
#include "lib/emptying.h"
#include "tool/command.h"
#include "tool/dialogue.h"
#include "tool/terminal.h"

#define SHOWN_MAX 2000        /* bytes of what a stranger wrote */
#define READER_LIMIT_MSEC 100 /* for whoever reads the output, once a signal has come */

typedef struct Processing {
    Emptying emptying;
    int signal_fd; /* readable while a signal waits for the loop */
    sigset_t signal_set;
    unsigned signals;
    int relays_status;  /* that goes with the faults of the relays, of all that had one */
    int fault_status;   /* to exit with, where a relay or a signal ended it; 0: none did */
    int trouble_status; /* of what stands in the way on this machine; EX_OK: nothing did */
    bool output_lost, errors_lost; /* nobody reads standard output, or standard error */
} Processing;

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
    emptying_stop(&p->emptying, p->emptying.stop_timeout);
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
    for (size_t i = 0; i < report->n_recipients; i++)
        if (report->outcome->kind == DELIVERY_DELIVERED)
            print_delivered(user, report, report->recipients[i]);
        else
            print_not_delivered(user, report, report->recipients[i]);
}

/* Why recipients were refused is told with each of them, so that nothing is left to say of a single
 * one. */
static void print_failed(Processing *p, const MessageReport *report)
{
    bool told = report->error == ERROR_REFUSED && report->refused > 0;
    const char *text = report->text ?: "no reason is known";
    char number[80];

    if ((told && report->recipients == 1 && !report->old_id) || !may_print(p, STDERR_FILENO))
        return;
    snprintf(number, sizeof(number), "%zu of %zu recipients refused",
        report->recipients - report->delivered, report->recipients);
    (void)tool_fail_number(report->error, "%s%s%s%s failed: %s", report->id,
        report->old_id ? " (was " : "", report->old_id ?: "", report->old_id ? ")" : "",
        told ? number : text);
}

static void on_message(void *user, const MessageReport *report)
{
    Processing *p = user;

    if (report->change == MESSAGE_ABANDONED && may_print(p, STDERR_FILENO))
        (void)tool_fail_number(p->emptying.database ? ERROR_DATABASE : ERROR_SPOOL,
            "%s: left as %ssending: %s", report->id, p->emptying.database ? "" : ".", report->text);
    if (report->change == MESSAGE_FAILED)
        print_failed(p, report);
}

static void on_relay_held(void *user, const RelayReport *report, bool ends)
{
    Processing *p = user;
    const DeliveryOutcome *o = report->outcome;
    char codes[DELIVERY_CODES_MAX];

    if (report->news && may_print(p, STDERR_FILENO))
        (void)tool_fail_number(o->error, "relay %s, %s: %s%s%s%s", report->relay,
            delivery_stage_name(o->stage), delivery_format_codes(o, codes), o->text,
            report->hint ? "; " : "", report->hint ?: "");
    p->relays_status = advice_join_status(p->relays_status, advice_status(o));
    if (ends)
        p->fault_status = p->relays_status;
}

static void on_problem(void *user, const ProblemReport *report)
{
    Processing *p = user;

    p->trouble_status =
        error_status(report->failure->number) == EX_TEMPFAIL ? EX_TEMPFAIL : EX_IOERR;
    if (!may_print(p, STDERR_FILENO))
        return;
    if (report->id)
        (void)tool_fail_about(report->id, report->failure);
    else
        (void)tool_fail(report->failure);
}

/* ---- Signals ---- */

static void tell_interrupted(Processing *p)
{
    EngineStatistics statistics;
    _cleanup_free_
    char *timeout = text_format_duration(p->emptying.stop_timeout);

    if (!may_print(p, STDERR_FILENO))
        return;
    engine_statistics(p->emptying.engine, &statistics);
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
    emptying_stop(&p->emptying, p->signals == 1 ? p->emptying.stop_timeout : 0);
    return p->signals > 2 ? sd_event_exit(p->emptying.loop, 0) : 0;
}

static bool is_ignored(int number)
{
    struct sigaction action;

    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static const int signal_numbers[] = {SIGINT, SIGTERM, SIGHUP};

/* Before there are threads, which inherit the mask. One that is ignored, by nohup or for a job in
 * the background, stays so. */
static int block_signals(Processing *p)
{
    (void)signal(SIGPIPE, SIG_IGN); /* the write says so as well */
    sigemptyset(&p->signal_set);
    for (size_t i = 0; i < ELEMENTSOF(signal_numbers); i++)
        if (!is_ignored(signal_numbers[i]))
            sigaddset(&p->signal_set, signal_numbers[i]);
    if (sigprocmask(SIG_BLOCK, &p->signal_set, NULL) < 0)
        return -errno;
    p->signal_fd = signalfd(-1, &p->signal_set, SFD_CLOEXEC | SFD_NONBLOCK);
    return p->signal_fd < 0 ? -errno : 0;
}

static int add_signals(Processing *p)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < ELEMENTSOF(signal_numbers); i++)
        if (sigismember(&p->signal_set, signal_numbers[i]) == 1)
            r = sd_event_add_signal(p->emptying.loop, NULL, signal_numbers[i], on_signal, p);
    return MIN(r, 0);
}

/* ---- The run ---- */

static int exit_status(const Processing *p)
{
    if (p->fault_status != 0)
        return p->fault_status;
    if (p->trouble_status != EX_OK)
        return p->trouble_status;
    if (p->emptying.deferred > 0)
        return EX_TEMPFAIL;
    return p->emptying.failed > 0 ? EX_UNAVAILABLE : EX_OK;
}

/* 0, or a negative errno with a Failure. */
static int run(Processing *p, const char *path, Config *config, bool verbose, Failure *f)
{
    const EmptyingObserver observer = {
        .program = "outbox process",
        .outcome = on_outcome,
        .message = on_message,
        .relay_held = on_relay_held,
        .problem = on_problem,
        .trace = verbose ? print_dialogue : NULL,
    };
    int r = block_signals(p);

    if (r < 0)
        return failure_set_errno(f, r, "cannot begin");
    r = emptying_init(&p->emptying, path, config, &observer, p, f);
    if (r < 0)
        return r;
    r = add_signals(p);
    if (r < 0)
        return failure_set_errno(f, r, "cannot empty the queue");
    return emptying_run(&p->emptying, f);
}

static int process(Config *config, const char *path, bool verbose)
{
    _cleanup_failure_ Failure f = {0};
    Processing p = {.signal_fd = -1};
    int status;

    if (run(&p, path, config, verbose, &f) < 0)
        status = tool_fail(&f);
    else {
        if (may_print(&p, STDOUT_FILENO))
            printf("%zu sent, %zu deferred, %zu failed%s\n", p.emptying.sent, p.emptying.deferred,
                p.emptying.failed, p.fault_status != 0 ? "; what is left stays queued" : "");
        status = exit_status(&p);
    }
    emptying_done(&p.emptying);
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
        default: return EX_USAGE;
        }
    if (argc - optind > 1)
        return tool_usage(command, "%s: one directory at most is wanted", argv[optind + 1]);
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* a line when it happens, and room for it looked for */
    status = tool_load(tool, &config);
    if (status != 0)
        return status;
    return process(config, argv[optind], verbose);
}
