/* How a directory source knows the time and wakes the engine. Must never wake it for nothing. */
#include "queue/directory_state.h"

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
    usec_t due;

    if (!d->current)
        return;
    due = names_next_due(&d->current->names);
    if (names_any(&d->current->names, now) || names_is_unread(&d->current->names, now)) {
        directory_wake(d);
        return;
    }
    if (due == USEC_NEVER || (d->due_at > now && d->due_at <= due))
        return;
    d->due_at = due;
    (void)sd_event_source_set_time(d->due, due);
    (void)sd_event_source_set_enabled(d->due, SD_EVENT_ONESHOT);
}
