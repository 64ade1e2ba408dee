/* One-shot timers. Must never wake anybody up who did not ask for it. */
#include "queue/timer.h"

#include <time.h>

#define TIMER_ACCURACY (USEC_PER_SEC / 4)

int timer_new(sd_event *loop, sd_event_time_handler_t handler, void *user, sd_event_source **ret)
{
    int r = sd_event_add_time(loop, ret, CLOCK_MONOTONIC, 0, TIMER_ACCURACY, handler, user);

    return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

void timer_arm(sd_event_source *timer, usec_t delay)
{
    int enabled;

    if (sd_event_source_get_enabled(timer, &enabled) >= 0 && enabled != SD_EVENT_OFF)
        return;
    (void)sd_event_source_set_time(timer, usec_add(clock_monotonic(), delay));
    (void)sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

void timer_disarm(sd_event_source *timer)
{
    (void)sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}
