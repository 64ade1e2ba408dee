/* Times as a person reads them. */
#include "tool/span.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"

char *span_format(usec_t span, char text[static SPAN_MAX])
{
    usec_t seconds = span / USEC_PER_SEC;

    if (seconds < 120)
        snprintf(text, SPAN_MAX, "%us", (unsigned)seconds);
    else if (seconds < 2 * 3600)
        snprintf(text, SPAN_MAX, "%um", (unsigned)(seconds / 60));
    else if (seconds < 2 * 86400)
        snprintf(text, SPAN_MAX, "%uh", (unsigned)(seconds / 3600));
    else
        snprintf(text, SPAN_MAX, "%ud", (unsigned)MIN(seconds / 86400, (usec_t)99999));
    return text;
}

static void format_words(usec_t span, char text[static SPAN_MAX])
{
    usec_t seconds = span / USEC_PER_SEC;

    if (seconds < 120)
        snprintf(text, SPAN_MAX, "%u s", (unsigned)seconds);
    else if (seconds < 2 * 3600)
        snprintf(text, SPAN_MAX, "%u min", (unsigned)(seconds / 60));
    else if (seconds < 2 * 86400)
        snprintf(text, SPAN_MAX, "%u h", (unsigned)(seconds / 3600));
    else
        snprintf(text, SPAN_MAX, "%u days", (unsigned)MIN(seconds / 86400, (usec_t)99999));
}

char *span_format_time(usec_t realtime, usec_t now, char text[static AGO_MAX])
{
    time_t seconds = (time_t)(realtime / USEC_PER_SEC);
    char words[SPAN_MAX], date[32];
    struct tm tm;

    if (!isatty(STDOUT_FILENO) || !localtime_r(&seconds, &tm) ||
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm) == 0) {
        char utc[RFC3339_MAX];

        snprintf(text, AGO_MAX, "%s", clock_format_rfc3339(realtime, utc));
        return text;
    }
    format_words(realtime > now ? realtime - now : now - realtime, words);
    snprintf(text, AGO_MAX, realtime > now ? "in %s (%s)" : "%s ago (%s)", words, date);
    return text;
}
