/* Times before which a message is not sent. Must never take a time for another one: what is not
 * understood in whole is an error. */
#include "message/not_before.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "message/date.h"

/* Of a field it is a copy: no longer than a date with a comment. */
#define VALUE_MAX 200

int not_before_parse_field(const char *value, size_t n, usec_t *ret, Failure *f)
{
    char text[VALUE_MAX + 1];
    int r;

    while (n > 0 && strchr(" \t\r\n", value[0]))
        value++, n--;
    while (n > 0 && strchr(" \t\r\n", value[n - 1]))
        n--;
    if (n > VALUE_MAX || memchr(value, '\0', n))
        return failure_set(f, -EBADMSG, ERROR_MESSAGE, "this is no date");
    for (size_t i = 0; i < n; i++)
        text[i] = value[i] == '\r' || value[i] == '\n' ? ' ' : value[i]; /* a fold */
    text[n] = '\0';
    r = date_read(text, ret, f);
    if (r >= 0 && !clock_is_plausible(*ret))
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "the time is before 2026, which no message can wait for; correct the year, or leave "
            "the "
            "field out");
    return r;
}

int not_before_check(usec_t not_before, usec_t now, Failure *f)
{
    char time[RFC3339_MAX];

    if (!clock_is_plausible(now) || not_before <= usec_add(now, NOT_BEFORE_MAX))
        return 0;
    return failure_set(f, -EBADMSG, ERROR_MESSAGE,
        "it is not to be sent before %s, which is more than %u years ahead; correct the year, and "
        "queue it again",
        clock_format_rfc3339(not_before, time), NOT_BEFORE_YEARS);
}

/* "2026-12-01 09:00:30", of this machine's zone; the time of day may be missing, and its seconds.
 */
static bool parse_local(const char *text, usec_t *ret)
{
    static const char *const formats[] = {
        "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"};

    if (strspn(text, "0123456789") != 4)
        return false;
    for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
        struct tm tm = {.tm_isdst = -1}, made;
        const char *end = strptime(text, formats[i], &tm);
        time_t seconds;

        if (!end || *end)
            continue;
        tm.tm_isdst = -1;
        made = tm;
        seconds = mktime(&made);
        if (seconds < 0 || made.tm_mday != tm.tm_mday || made.tm_mon != tm.tm_mon)
            return false; /* there is no such day */
        *ret = (usec_t)seconds * USEC_PER_SEC;
        return true;
    }
    return false;
}

int not_before_parse(const char *text, usec_t now, usec_t *ret, Failure *f)
{
    usec_t span;

    if (text_parse_duration(text, &span) == 0)
        *ret = usec_add(now, span);
    else if (!parse_local(text, ret) && date_read(text, ret, NULL) < 0)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "'%s' is no time; it is written 2h or 3d, \"2026-12-01 09:00\" of this machine's zone, "
            "2026-12-01T09:00:00+01:00, or as `date -R` prints it",
            text);
    if (*ret <= now)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE, "%s is past", text);
    if (*ret > usec_add(now, NOT_BEFORE_MAX))
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "%s is more than %u years ahead; see that the year is right", text, NOT_BEFORE_YEARS);
    return 0;
}
