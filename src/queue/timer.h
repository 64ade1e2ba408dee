/* One-shot timers that cost nothing while they are not armed. */
#pragma once

#include <systemd/sd-event.h>

#include "base/clock.h"

/* Makes a timer that is not armed. 0 or a negative errno. */
int timer_new(sd_event *loop, sd_event_time_handler_t handler, void *user, sd_event_source **ret);

/* Fires once, `delay` from now; when it is armed already, that stands. */
void timer_arm(sd_event_source *timer, usec_t delay);
void timer_disarm(sd_event_source *timer);
