/* When a log is tried again. Must never keep an idle process awake. */
#include "daemon/log_timer.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/macros.h"
#include "queue/timer.h"

#define RETRY_FIRST (USEC_PER_SEC / 10)
#define RETRY_SOON (5 * USEC_PER_MSEC)
#define RETRY_MAX (5 * USEC_PER_SEC)

struct LogTimer {
    Log *log;
    sd_event_source *source; /* armed while entries wait */
    usec_t delay;
};

static void on_behind(void *user)
{
    LogTimer *timer = user;

    timer_arm(timer->source, timer->delay);
}

static int on_time(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    LogTimer *timer = user;
    int r = log_retry(timer->log);

    if (r == 0) {
        timer->delay = RETRY_FIRST;
        return 0;
    }
    timer->delay = r > 0 ? RETRY_SOON : MIN(MAX(timer->delay * 2, RETRY_FIRST), RETRY_MAX);
    timer_arm(timer->source, timer->delay);
    return 0;
}

int log_timer_new(sd_event *loop, Log *log, LogTimer **ret)
{
    LogTimer *timer = calloc(1, sizeof(*timer));
    int r;

    if (!timer)
        return -ENOMEM;
    timer->log = log;
    timer->delay = RETRY_FIRST;
    r = timer_new(loop, on_time, timer, &timer->source);
    if (r >= 0)
        r = sd_event_source_set_time_accuracy(timer->source, RETRY_SOON);
    if (r < 0) {
        log_timer_free(timer);
        return r;
    }
    log_on_behind(log, on_behind, timer);
    *ret = timer;
    return 0;
}

void log_timer_free(LogTimer *timer)
{
    if (!timer)
        return;
    log_on_behind(timer->log, NULL, NULL);
    (void)sd_event_source_disable_unref(timer->source);
    free(timer);
}
