/* The daemon around the queue: loop, signals, notifications, reload, stop. Must never have a timer
 * armed while nothing happens: an idle daemon sleeps. */
#include "daemon/manager.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-event.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/macros.h"
#include "base/text.h"
#include "daemon/alarm.h"
#include "daemon/events.h"
#include "daemon/judge.h"
#include "daemon/log_timer.h"
#include "daemon/notify.h"
#include "daemon/pickup.h"
#include "daemon/place.h"
#include "daemon/queue.h"
#include "daemon/state.h"
#include "daemon/status.h"
#include "daemon/submit.h"
#include "daemon/unserved.h"
#include "delivery/limits.h"
#include "queue/timer.h"
#include "settings/load.h"
#include "spool/closer.h"

#define REFRESH_DELAY (2 * USEC_PER_SEC)
#define PROMPT_DELAY (10 * USEC_PER_MSEC)  /* what belongs together is said at once */
#define PROMPT_PAUSE (250 * USEC_PER_MSEC) /* a relay may come and go all the time */
#define STOP_MARGIN (5 * USEC_PER_SEC)     /* beyond stop_timeout, for putting the rest back */

struct Manager {
    sd_event *loop;
    sd_event_source *refresh; /* armed while the status line may be out of date */
    sd_event_source *prompt;  /* armed while something is to be said soon */
    usec_t prompted;          /* monotonic */
    Notify *notify;
    Log *log;
    LogTimer *log_timer;
    Config *config;
    const char *const *overrides;
    Worker *worker;
    Limits limits;
    Queue *queue;
    Alarm *alarm;
    Submit *submit;     /* NULL: there is no submission socket */
    Pickup *pickup;     /* NULL: nothing is picked up yet, or any more */
    Unserved *unserved; /* NULL: there is no other place where mail may lie */
    Judge *judge;       /* of the configuration that was read last; NULL: it has been judged */
    State state;
    Buffer state_text;
    bool stopping;
};

/* ---- How we are ---- */

/* In the queue directory, for the tool. Where it cannot be written nobody is worse off but who
 * asks.
 */
static void say_state(Manager *manager)
{
    const StateOf of = {.queue = manager->queue,
        .config = manager->config,
        .alarm = manager->alarm,
        .submitted = submit_count_accepted(manager->submit),
        .stopping = manager->stopping};
    Buffer *text = &manager->state_text;

    buffer_clear(text);
    if (state_format(&manager->state, &of, clock_realtime(), text) >= 0)
        (void)queue_say(manager->queue, buffer_data(text), buffer_size(text));
}

static char *format_status(Manager *manager, char text[static STATUS_MAX])
{
    EngineStatistics statistics;
    bool open = queue_statistics(manager->queue, &statistics);
    _cleanup_free_
    char *place = place_name(manager->config);

    return status_format(
        open ? &statistics : NULL, place ?: "the queue", alarm_text(manager->alarm), text);
}

/* The end of a burst is also the time to give its memory back. */
static int on_refresh(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    Manager *manager = user;
    EngineStatistics statistics;
    char status[STATUS_MAX];

    notify_status(manager->notify, format_status(manager, status));
    say_state(manager);
    if (queue_statistics(manager->queue, &statistics) && statistics.in_flight == 0 &&
        statistics.waiting == 0)
        (void)malloc_trim(0);
    return 0;
}

static void on_changed(void *user)
{
    Manager *manager = user;

    timer_arm(manager->refresh, REFRESH_DELAY);
    if (manager->alarm)
        alarm_note(manager->alarm);
}

static void on_alarm(void *user)
{
    Manager *manager = user;

    timer_arm(manager->refresh, 0);
}

static int on_prompt(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    Manager *manager = user;

    manager->prompted = clock_monotonic();
    say_state(manager);
    return 0;
}

/* Who looks right after a relay has failed is told why his mail waits. */
static void on_health(void *user)
{
    Manager *manager = user;
    usec_t now = clock_monotonic(), free_at = usec_add(manager->prompted, PROMPT_PAUSE);

    timer_arm(manager->prompt, free_at > now ? MAX(free_at - now, PROMPT_DELAY) : PROMPT_DELAY);
}

static void on_idle(void *user)
{
    Manager *manager = user;

    if (manager->stopping)
        (void)sd_event_exit(manager->loop, 0);
}

static void on_outcome(void *user, const OutcomeReport *report)
{
    Manager *manager = user;

    counters_note_outcome(&manager->state.counters, report, clock_realtime());
}

static void on_relay(void *user, const RelayReport *report)
{
    Manager *manager = user;

    counters_note_relay(&manager->state.counters, report);
}

static void on_message(void *user, const MessageReport *report)
{
    Manager *manager = user;

    state_forget_problem(&manager->state, report->old_id ?: report->id);
    counters_note_message(&manager->state.counters, report);
    if (manager->alarm)
        alarm_note_message(manager->alarm, report);
    if (report->change == MESSAGE_SENT)
        state_note_sent(&manager->state, clock_realtime());
}

static void on_problem(void *user, const ProblemReport *report)
{
    Manager *manager = user;

    manager->state.counters.problems++;
    if (report->pauses)
        state_note_problem(&manager->state, NULL, report->failure, clock_realtime());
    if (report->id)
        state_note_problem(&manager->state, report->id, report->failure, clock_realtime());
}

static void on_place_problem(void *user, const char *directory, const Failure *failure)
{
    Manager *manager = user;

    if (failure)
        state_note_problem(&manager->state, directory, failure, clock_realtime());
    else
        state_forget_problem(&manager->state, directory);
    on_health(manager);
}

static void on_unserved(void *user, const char *directory, const Failure *failure, bool news)
{
    Manager *manager = user;

    if (failure && news)
        event_problem(manager->log, &(ProblemReport){.failure = failure});
    on_place_problem(manager, directory, failure);
}

static const PickupHandlers pickup_handlers = {.problem = on_place_problem};

static const QueueHandlers queue_handlers = {
    .changed = on_changed,
    .health = on_health,
    .idle = on_idle,
    .outcome = on_outcome,
    .message = on_message,
    .relay = on_relay,
    .problem = on_problem,
};

/* ---- Open files ---- */

/* Each connection takes a few; the soft limit is low only for select()'s sake. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* What the engine may use of them by the configuration in force. */
static void compute_limits(Manager *manager)
{
    size_t submissions = manager->submit ? SUBMIT_FILES_EACH * SUBMIT_CLIENTS_MAX : 0;

    limits_compute(file_descriptors_max(),
        CLOSER_KEPT_MAX + MIN(submissions, file_descriptors_max() / SUBMIT_FILES_SHARE),
        manager->config, &manager->limits);
}

static void apply_limits(Manager *manager)
{
    queue_limit_connections(manager->queue, manager->limits.bearable);
    if (limits_are_short(&manager->limits))
        event_limits(manager->log, &manager->limits);
}

/* ---- Signals ---- */

static int load_again(Manager *manager, Config **ret, Failure *f)
{
    _cleanup_config_ Config *config = NULL;
    int r;

    r = config_load(manager->config->path, manager->overrides, &config, f);
    if (r < 0)
        return r;
    if (!text_equal(config->spool.directory, manager->config->spool.directory))
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "spool.directory: it cannot be changed from \"%s\" to \"%s\" by a reload; restart "
            "outboxd",
            manager->config->spool.directory, config->spool.directory);
    if (!text_equal(config->spool.database, manager->config->spool.database))
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "spool.database: it cannot be changed by a reload; restart outboxd");
    *ret = TAKE_PTR(config);
    return 0;
}

/* The new one, or the failure that keeps the old one in force. */
static void end_reload(Manager *manager, Config *config, int r, Failure *f)
{
    char status[STATUS_MAX];

    if (r >= 0)
        r = queue_reload(manager->queue, config, f);
    if (r >= 0)
        submit_configure(manager->submit, config);
    if (r >= 0) {
        alarm_configure(manager->alarm, config);
        counters_keep_relays(&manager->state.counters, config);
        pickup_configure(manager->pickup, config);
    }
    state_note_reload(&manager->state, r < 0 ? f : NULL, clock_realtime());
    if (r < 0) {
        event_reload_refused(manager->log, f);
    } else {
        config_unref(manager->config);
        manager->config = config_ref(config);
        event_reloaded(manager->log, manager->config);
        compute_limits(manager);
        apply_limits(manager);
    }
    say_state(manager);
    notify_ready(manager->notify, format_status(manager, status));
}

/* What is wrong with a relay's files keeps the old configuration. */
static void on_judged_reload(void *user, Config *config, const JudgeResult *results)
{
    Manager *manager = user;
    _cleanup_failure_ Failure f = {0};
    int r = 0;

    for (size_t i = 0; i < config->n_relays && r >= 0; i++)
        if (results[i].error < 0)
            r = judge_explain(config->relays[i], &results[i], &f);
    if (r >= 0)
        judge_tell_notices(manager->log, config, results);
    end_reload(manager, config, r, &f);
    judge_free(manager->judge);
    manager->judge = NULL;
}

/* The files of a start are told of, and it goes on: they may be there in a moment, and mail is
 * taken meanwhile. */
static void on_judged_start(void *user, Config *config, const JudgeResult *results)
{
    Manager *manager = user;

    for (size_t i = 0; i < config->n_relays; i++) {
        _cleanup_failure_ Failure f = {0};

        if (results[i].error < 0 && judge_explain(config->relays[i], &results[i], &f) < 0)
            event_problem(manager->log, &(ProblemReport){.failure = &f});
    }
    judge_tell_notices(manager->log, config, results);
    judge_free(manager->judge);
    manager->judge = NULL;
}

/* A reload that comes while the last one is being judged takes its place. */
static int judge_again(Manager *manager, Config *config, JudgeDone done)
{
    judge_free(manager->judge);
    manager->judge = NULL;
    return judge_start(manager->loop, manager->worker, config, done, manager, &manager->judge);
}

static int on_reload(
    _unused_ sd_event_source *source, _unused_ const struct signalfd_siginfo *info, void *user)
{
    Manager *manager = user;
    _cleanup_config_ Config *config = NULL;
    _cleanup_failure_ Failure f = {0};
    int r;

    if (manager->stopping)
        return 0;
    notify_reloading(manager->notify);
    r = load_again(manager, &config, &f);
    if (r >= 0) {
        r = judge_again(manager, config, on_judged_reload);
        if (r >= 0)
            return 0;
        failure_set_errno(&f, r, "cannot judge the new configuration");
    }
    end_reload(manager, config, r, &f);
    return 0;
}

static int on_flush(
    _unused_ sd_event_source *source, _unused_ const struct signalfd_siginfo *info, void *user)
{
    Manager *manager = user;

    if (!manager->stopping)
        queue_flush(manager->queue);
    return 0;
}

/* The first one lets what is in flight end; the second one does not wait. Nor does the process wait
 * for ever where the end of a message cannot be written down, as on a full disk: its file stays
 * `.sending` and is taken up by the next start. */
static int on_stop(
    _unused_ sd_event_source *source, _unused_ const struct signalfd_siginfo *info, void *user)
{
    Manager *manager = user;
    usec_t timeout = manager->config->daemon.stop_timeout;
    EngineStatistics statistics = {0};
    char status[STATUS_MAX];

    if (manager->stopping)
        return sd_event_exit(manager->loop, 0);
    manager->stopping = true;
    submit_stop(manager->submit);
    pickup_free(TAKE_PTR(manager->pickup));
    judge_free(manager->judge);
    manager->judge = NULL;
    (void)queue_statistics(manager->queue, &statistics);
    event_stopping(manager->log, statistics.in_flight, timeout);
    timeout = usec_add(timeout, STOP_MARGIN);
    notify_stopping(
        manager->notify, format_status(manager, status), usec_add(timeout, STOP_MARGIN));
    say_state(manager);
    queue_stop(manager->queue, usec_add(clock_monotonic(), timeout - STOP_MARGIN));
    /* Without a handler it exits. */
    return sd_event_add_time_relative(manager->loop, NULL, CLOCK_MONOTONIC, timeout, 0, NULL, NULL);
}

static const struct {
    int number;
    sd_event_signal_handler_t handler;
} signals[] = {
    {SIGTERM, on_stop},
    {SIGINT, on_stop},
    {SIGHUP, on_reload},
    {SIGUSR1, on_flush},
};

static void mask_signals(int how)
{
    sigset_t mask;

    sigemptyset(&mask);
    for (size_t i = 0; i < ELEMENTSOF(signals); i++)
        sigaddset(&mask, signals[i].number);
    (void)sigprocmask(how, &mask, NULL);
}

/* Threads that start later inherit the mask, so that the loop alone gets these signals. SIGIO tells
 * that another process wants a file on which a lease is held, SIGPIPE that a relay has gone,
 * SIGXFSZ that a file would get larger than this process may make one (ulimit -f): all are learnt
 * otherwise. */
void manager_take_signals(void)
{
    mask_signals(SIG_BLOCK);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGIO, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
}

void manager_release_signals(void)
{
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGIO, SIG_DFL);
    (void)signal(SIGXFSZ, SIG_DFL);
    mask_signals(SIG_UNBLOCK);
}

static int add_signals(Manager *manager)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < ELEMENTSOF(signals); i++)
        r = sd_event_add_signal(
            manager->loop, NULL, signals[i].number, signals[i].handler, manager);
    return r;
}

/* ---- Start and end ---- */

/* Without it mail is delivered all the same, and those in the group queue. */
static void open_submission(Manager *manager)
{
    _cleanup_failure_ Failure f = {0};

    if (submit_new(manager->loop, manager->worker, manager->config, manager->overrides,
            &manager->submit, &f) < 0)
        event_problem(manager->log, &(ProblemReport){.failure = &f});
}

static void open_pickup(Manager *manager)
{
    _cleanup_failure_ Failure f = {0};
    int r = pickup_new(manager->loop, manager->worker, manager->log, manager->config,
        &pickup_handlers, manager, &manager->pickup);

    if (r >= 0)
        return;
    failure_set_errno(&f, r, "cannot take from pickup directories");
    event_problem(manager->log, &(ProblemReport){.failure = &f});
}

static void look_for_unserved(Manager *manager)
{
    _cleanup_failure_ Failure f = {0};
    int r = unserved_new(
        manager->loop, manager->worker, manager->config, on_unserved, manager, &manager->unserved);

    if (r >= 0)
        return;
    failure_set_errno(&f, r, "cannot look for mail in %s", manager->config->spool.directory);
    event_problem(manager->log, &(ProblemReport){.failure = &f});
}

static int open_loop(Manager *manager)
{
    int r;

    r = sd_event_new(&manager->loop);
    if (r >= 0)
        r = worker_new(&manager->worker);
    if (r >= 0)
        r = add_signals(manager);
    if (r >= 0)
        r = notify_new(manager->loop, getenv("NOTIFY_SOCKET"), &manager->notify);
    if (r >= 0)
        r = timer_new(manager->loop, on_refresh, manager, &manager->refresh);
    if (r >= 0)
        r = timer_new(manager->loop, on_prompt, manager, &manager->prompt);
    if (r >= 0)
        r = sd_event_source_set_time_accuracy(manager->prompt, PROMPT_DELAY);
    if (r >= 0)
        r = log_timer_new(manager->loop, manager->log, &manager->log_timer);
    return r;
}

int manager_new(Log *log, Config *config, const char *const *overrides, Manager **ret, Failure *f)
{
    _cleanup_(manager_free_p) Manager *manager = calloc(1, sizeof(*manager));
    int r;

    if (!manager)
        return failure_set_errno(f, -ENOMEM, "cannot start");
    manager->log = log;
    manager->config = config_ref(config);
    manager->overrides = overrides;
    state_init(&manager->state, clock_realtime());
    raise_file_limit();
    compute_limits(manager);
    r = open_loop(manager);
    if (r < 0)
        return failure_set_errno(f, r, "cannot start the event loop");
    r = queue_new(
        manager->loop, log, manager->worker, config, &queue_handlers, manager, &manager->queue, f);
    if (r < 0)
        return r;
    r = alarm_new(manager->loop, manager->worker, log, config, manager->queue, on_alarm, manager,
        &manager->alarm);
    if (r < 0)
        return failure_set_errno(f, r, "cannot start");
    *ret = TAKE_PTR(manager);
    return 0;
}

int manager_run(Manager *manager)
{
    char status[STATUS_MAX];

    event_started(manager->log, manager->config);
    queue_warn(manager->queue);
    open_submission(manager);
    open_pickup(manager);
    look_for_unserved(manager);
    compute_limits(manager);
    apply_limits(manager);
    say_state(manager);
    notify_ready(manager->notify, format_status(manager, status));
    (void)judge_again(manager, manager->config, on_judged_start);
    on_changed(manager);
    return sd_event_loop(manager->loop);
}

void manager_free(Manager *manager)
{
    if (!manager)
        return;
    judge_free(manager->judge);
    submit_free(manager->submit);
    unserved_free(manager->unserved);
    pickup_free(manager->pickup);
    alarm_free(TAKE_PTR(manager->alarm));
    queue_free(manager->queue);
    (void)worker_unref(manager->worker);
    log_timer_free(manager->log_timer);
    notify_free(manager->notify);
    (void)sd_event_source_disable_unref(manager->prompt);
    (void)sd_event_source_disable_unref(manager->refresh);
    (void)sd_event_unref(manager->loop);
    config_unref(manager->config);
    state_done(&manager->state);
    buffer_done(&manager->state_text);
    free(manager);
}
