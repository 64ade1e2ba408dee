/* How a directory source knows the time and wakes the engine. Must never wake it for nothing. */
#include "queue/directory_state.h"

#include "queue/timer.h"

usec_t directory_now(const Directory *d)
{
    usec_t now = 0;

    (void)sd_event_now(d->loop, CLOCK_REALTIME, &now);
    return now;
}

void directory_wake(Directory *d)
{
    (void)sd_event_source_set_enabled(d->turn, SD_EVENT_ONESHOT);
}

void directory_arm(Directory *d, usec_t now)
{
    Attachment *a = d->current;
    usec_t due;

    if (!a)
        return;
    if (attachment_room(a) == 0) {
        timer_arm(d->step, CAUTION_STEP);
        return;
    }
    due = names_next_due(&a->names);
    if (names_any(&a->names, now) || names_is_unread(&a->names, now)) {
        directory_wake(d);
        return;
    }
    if (a->held == 0)
        caution_rest(&a->caution);
    if (due == USEC_NEVER || (d->due_at > now && d->due_at <= due))
        return;
    d->due_at = due;
    (void)sd_event_source_set_time(d->due, due);
    (void)sd_event_source_set_enabled(d->due, SD_EVENT_ONESHOT);
}
