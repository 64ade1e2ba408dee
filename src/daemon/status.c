/* The status line. Must never depend on the time that passes: then nobody has to wake up to keep it
 * true. */
#include "daemon/status.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

#define ALARM_MAX 200
#define DEFERRED_MAX 80

/* " (next at 01-02 14:05:09)". */
static void format_next(usec_t next, char *text, size_t size)
{
    time_t seconds = (time_t)(next / USEC_PER_SEC);
    struct tm tm;

    *text = '\0';
    if (next != USEC_NEVER && localtime_r(&seconds, &tm))
        strftime(text, size, " (next at %m-%d %H:%M:%S)", &tm);
}

/* ", 3 deferred (next at 11-27 20:15:00)", or when the next is due where they are not counted. */
static void format_deferred(const EngineStatistics *s, char text[static DEFERRED_MAX])
{
    char next[48] = "";

    text[0] = '\0';
    if (s->deferred_waiting > 0 || s->deferred_uncounted)
        format_next(s->next_due, next, sizeof(next));
    if (!s->deferred_uncounted)
        snprintf(text, DEFERRED_MAX, ", %zu deferred%s", s->deferred_waiting, next);
    else if (next[0] != '\0')
        snprintf(text, DEFERRED_MAX, ", others deferred%s", next);
}

char *status_format(const EngineStatistics *s, const char *directory, const char *alarm,
    char text[static STATUS_MAX])
{
    char held[64] = "", deferred[DEFERRED_MAX], wrong[ALARM_MAX] = "";

    if (!s) {
        snprintf(text, STATUS_MAX, "%.400s cannot be used; it is tried again by itself", directory);
        return text;
    }
    if (alarm)
        snprintf(wrong, sizeof(wrong), "alarm: %.*s; ", ALARM_MAX - 20, alarm);
    if (s->relays_held > 0)
        snprintf(held, sizeof(held), "%zu of %zu relays on hold, ", s->relays_held, s->relays);
    format_deferred(s, deferred);
    snprintf(text, STATUS_MAX,
        "%s%s%zu queued, %zu sending%s, %zu connection%s; %llu sent, %llu failed", wrong, held,
        s->waiting, s->in_flight, deferred, s->connections, s->connections == 1 ? "" : "s",
        (unsigned long long)s->sent, (unsigned long long)s->failed);
    return text;
}
