/* The status line. Must never depend on the time that passes: then nobody has to wake up to keep it
 * true. */
#include "daemon/status.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

#define ALARM_MAX 200

/* " (next at 01-02 14:05:09)". */
static void format_next(usec_t next, char *text, size_t size)
{
    time_t seconds = (time_t)(next / USEC_PER_SEC);
    struct tm tm;

    *text = '\0';
    if (next != USEC_NEVER && localtime_r(&seconds, &tm))
        strftime(text, size, " (next at %m-%d %H:%M:%S)", &tm);
}

char *status_format(const EngineStatistics *s, const char *directory, const char *alarm,
    char text[static STATUS_MAX])
{
    char held[64] = "", next[48] = "", wrong[ALARM_MAX] = "";

    if (!s) {
        snprintf(text, STATUS_MAX, "%.400s cannot be used; it is tried again by itself", directory);
        return text;
    }
    if (alarm)
        snprintf(wrong, sizeof(wrong), "alarm: %.*s; ", ALARM_MAX - 20, alarm);
    if (s->relays_held > 0)
        snprintf(held, sizeof(held), "%zu of %zu relays on hold, ", s->relays_held, s->relays);
    if (s->deferred_waiting > 0)
        format_next(s->next_due, next, sizeof(next));
    snprintf(text, STATUS_MAX,
        "%s%s%zu queued, %zu sending, %zu deferred%s, %zu connection%s; %llu sent, %llu failed",
        wrong, held, s->waiting, s->in_flight, s->deferred_waiting, next, s->connections,
        s->connections == 1 ? "" : "s", (unsigned long long)s->sent, (unsigned long long)s->failed);
    return text;
}
