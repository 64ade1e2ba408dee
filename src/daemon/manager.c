/* The daemon around the queue: loop, signals, notifications, reload, stop. Must never have a timer
 * armed while nothing happens: an idle daemon sleeps. */
#include "daemon/manager.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "daemon/events.h"
#include "daemon/queue.h"
#include "daemon/status.h"
#include "queue/timer.h"
#include "settings/load.h"

#define REFRESH_DELAY (2 * USEC_PER_SEC)
#define STOP_MARGIN (5 * USEC_PER_SEC) /* beyond stop_timeout, for putting the rest back */

struct Manager {
    sd_event *loop;
    sd_event_source *refresh; /* armed while the status line may be out of date */
    Log *log;
    Config *config;
    const char *const *overrides;
    Queue *queue;
    char status[STATUS_MAX]; /* as last told */
    bool stopping;
};

/* ---- The status line ---- */

static void tell_status(Manager *manager, const char *state)
{
    EngineStatistics statistics;
    bool open = queue_statistics(manager->queue, &statistics);
    char status[STATUS_MAX];

    status_format(open ? &statistics : NULL, manager->config->spool.directory, status);
    if (*state == '\0' && strcmp(status, manager->status) == 0)
        return;
    strcpy(manager->status, status);
    (void)sd_notifyf(0, "%sSTATUS=%s", state, status);
}

/* The end of a burst is also the time to give its memory back. */
static int on_refresh(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    Manager *manager = user;
    EngineStatistics statistics;

    tell_status(manager, "");
    if (queue_statistics(manager->queue, &statistics) && statistics.in_flight == 0 &&
        statistics.waiting == 0)
        (void)malloc_trim(0);
    return 0;
}

static void on_changed(void *user)
{
    Manager *manager = user;

    timer_arm(manager->refresh, REFRESH_DELAY);
}

static void on_idle(void *user)
{
    Manager *manager = user;

    if (manager->stopping)
        (void)sd_event_exit(manager->loop, 0);
}

static const QueueHandlers queue_handlers = {
    .changed = on_changed,
    .idle = on_idle,
};

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
    *ret = TAKE_PTR(config);
    return 0;
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
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_monotonic());
    r = load_again(manager, &config, &f);
    if (r >= 0)
        r = queue_reload(manager->queue, config, &f);
    if (r < 0) {
        event_reload_refused(manager->log, &f);
    } else {
        config_unref(manager->config);
        manager->config = TAKE_PTR(config);
        event_reloaded(manager->log, manager->config);
    }
    tell_status(manager, "READY=1\n");
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

    if (manager->stopping)
        return sd_event_exit(manager->loop, 0);
    manager->stopping = true;
    (void)queue_statistics(manager->queue, &statistics);
    event_stopping(manager->log, statistics.in_flight, timeout);
    tell_status(manager, "STOPPING=1\n");
    timeout = usec_add(timeout, STOP_MARGIN);
    (void)sd_notifyf(
        0, "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)usec_add(timeout, STOP_MARGIN));
    if (queue_stop(manager->queue, usec_add(clock_monotonic(), timeout - STOP_MARGIN)))
        return sd_event_exit(manager->loop, 0);
    /* Without a handler it exits. */
    return sd_event_add_time_relative(manager->loop, NULL, CLOCK_MONOTONIC, timeout, 0, NULL, NULL);
}

/* Threads that start later inherit the mask, so that the loop alone gets these signals. SIGIO tells
 * that another process wants a file on which a lease is held, SIGPIPE that a relay has gone: both
 * are learnt otherwise. */
static int add_signals(Manager *manager)
{
    static const struct {
        int number;
        sd_event_signal_handler_t handler;
    } signals[] = {
        {SIGTERM, on_stop},
        {SIGINT, on_stop},
        {SIGHUP, on_reload},
        {SIGUSR1, on_flush},
    };
    sigset_t mask;

    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGIO, SIG_IGN) == SIG_ERR)
        return -errno;
    sigemptyset(&mask);
    for (size_t i = 0; i < ELEMENTSOF(signals); i++)
        sigaddset(&mask, signals[i].number);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
        return -errno;
    for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
        int r = sd_event_add_signal(
            manager->loop, NULL, signals[i].number, signals[i].handler, manager);

        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- Start and end ---- */

/* Each message in flight takes a few descriptors; the soft limit is low only for select()'s sake.
 */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_loop(Manager *manager)
{
    int r;

    r = sd_event_new(&manager->loop);
    if (r >= 0)
        r = sd_event_set_watchdog(manager->loop, true);
    if (r >= 0)
        r = add_signals(manager);
    if (r >= 0)
        r = timer_new(manager->loop, on_refresh, manager, &manager->refresh);
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
    raise_file_limit();
    r = open_loop(manager);
    if (r < 0)
        return failure_set_errno(f, r, "cannot start the event loop");
    r = queue_new(manager->loop, log, config, &queue_handlers, manager, &manager->queue, f);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(manager);
    return 0;
}

int manager_run(Manager *manager)
{
    event_started(manager->log, manager->config);
    tell_status(manager, "READY=1\n");
    on_changed(manager);
    return sd_event_loop(manager->loop);
}

void manager_free(Manager *manager)
{
    if (!manager)
        return;
    queue_free(manager->queue);
    (void)sd_event_source_disable_unref(manager->refresh);
    (void)sd_event_unref(manager->loop);
    config_unref(manager->config);
    free(manager);
}
