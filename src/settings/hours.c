/* Hours of the week. Must never take a minute for another one where a zone's time goes back or
 * forth: such days are walked minute by minute. */
#include "settings/hours.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"

#define DAYS 7
#define ALL_DAYS 0x7fu

static const char *const days[DAYS] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

static int fail(Failure *f, const char *why)
{
    return failure_set(f, -EINVAL, ERROR_CONFIGURATION, "%s", why);
}

static bool has_minute(const Hours *h, unsigned minute)
{
    return h->minutes[minute / 8] >> minute % 8 & 1;
}

static void set_minute(Hours *h, unsigned minute)
{
    h->minutes[minute / 8] |= (uint8_t)(1u << minute % 8);
    h->any = true;
}

/* The day that the text begins with; -1: none. */
static int take_day(const char **at)
{
    for (int i = 0; i < DAYS; i++)
        if (text_starts_nocase(*at, days[i])) {
            *at += 3;
            return i;
        }
    return -1;
}

/* "Mon-Fri", "Sat"; all days where there is none. */
static int take_days(const char **at, unsigned *ret, Failure *f)
{
    int first = take_day(at), last = first;

    *ret = ALL_DAYS;
    if (first < 0)
        return 0;
    if (**at == '-') {
        ++*at;
        last = take_day(at);
        if (last < 0)
            return fail(f, "behind the - of days comes one of Mon, Tue, Wed, Thu, Fri, Sat, Sun");
    }
    for (*ret = 0;; first = (first + 1) % DAYS) {
        *ret |= 1u << first;
        if (first == last)
            return 0;
    }
}

/* "22:00". */
static int take_time(const char **at, unsigned *ret, Failure *f)
{
    unsigned hour, minute;
    int n = 0;

    if (**at < '0' || **at > '9' || sscanf(*at, "%2u:%2u%n", &hour, &minute, &n) != 2 || n < 4 ||
        hour > 24 || minute > 59 || (hour == 24 && minute > 0) || (*at)[n - 1] < '0')
        return fail(f,
            "a time is written 22:00, and two of them with a - between them are hours, as "
            "in \"22:00-06:00\" or \"Mon-Fri 08:00-18:00, Sat, Sun\"");
    *at += n;
    *ret = hour * 60 + minute;
    return 0;
}

/* Those that end before they begin go on into the next day. */
static void add(Hours *h, unsigned on, unsigned from, unsigned to)
{
    unsigned n = to > from ? to - from : to + HOURS_DAY - from;

    for (unsigned day = 0; day < DAYS; day++)
        for (unsigned i = 0; on >> day & 1 && i < n; i++)
            set_minute(h, (day * HOURS_DAY + from + i) % HOURS_WEEK);
}

static int take_span(const char **at, Hours *h, Failure *f)
{
    unsigned on, from = 0, to = HOURS_DAY;
    const char *start = *at;
    int r = take_days(at, &on, f);

    *at += strspn(*at, " \t");
    if (r == 0 && (*at == start || (**at && **at != ','))) {
        r = take_time(at, &from, f);
        if (r == 0 && **at != '-')
            r = fail(f, "hours are two times with a - between them, as in \"22:00-06:00\"");
        if (r == 0) {
            ++*at;
            r = take_time(at, &to, f);
        }
        if (r == 0 && from == to)
            r = fail(f, "the hours begin and end at the same time; the whole day is 00:00-24:00");
    }
    if (r == 0)
        add(h, on, from % HOURS_DAY, to);
    *at += strspn(*at, " \t");
    return r;
}

static bool is_always(const Hours *h)
{
    for (size_t i = 0; i < sizeof(h->minutes); i++)
        if (h->minutes[i] != 0xff)
            return false;
    return true;
}

int hours_parse(const char *text, Hours *ret, Failure *f)
{
    int r = 0;

    *ret = (Hours){0};
    for (;; text++) {
        text += strspn(text, " \t");
        r = take_span(&text, ret, f);
        if (r < 0)
            return r;
        if (*text == '\0')
            return is_always(ret) ? fail(f, "leaves no hour of the week; leave out what is to send "
                                            "no mail at all")
                                  : 0;
        if (*text != ',')
            return fail(f, "behind hours come others, with a comma between them, or nothing");
    }
}

/* The minute of the week that the wall says, and how far it is from UTC. */
static unsigned minute_of(usec_t realtime, long *ret_offset, unsigned *ret_seconds)
{
    time_t seconds = (time_t)(realtime / USEC_PER_SEC);
    struct tm tm = {0};

    (void)localtime_r(&seconds, &tm);
    *ret_offset = tm.tm_gmtoff;
    *ret_seconds = (unsigned)tm.tm_sec;
    return (unsigned)(tm.tm_wday * HOURS_DAY + tm.tm_hour * 60 + tm.tm_min) % HOURS_WEEK;
}

bool hours_have(const Hours *h, usec_t realtime)
{
    unsigned seconds;
    long offset;

    return h->any && has_minute(h, minute_of(realtime, &offset, &seconds));
}

usec_t hours_next(const Hours *h, usec_t realtime)
{
    unsigned seconds, later, n = 1;
    long offset, offset_later;
    unsigned minute = minute_of(realtime, &offset, &seconds);
    bool now = h->any && has_minute(h, minute);
    usec_t start = realtime - realtime % USEC_PER_SEC - MIN(seconds, 59u) * USEC_PER_SEC, end;

    while (n <= HOURS_WEEK && (h->any && has_minute(h, (minute + n) % HOURS_WEEK)) == now)
        n++;
    if (n > HOURS_WEEK)
        return USEC_NEVER;
    end = start + n * USEC_PER_MINUTE;
    (void)minute_of(end, &offset_later, &later);
    if (offset_later == offset)
        return end;
    for (n = 1; n <= HOURS_WEEK + HOURS_DAY;
         n++) /* the zone's time goes back or forth before that */
        if (hours_have(h, start + n * USEC_PER_MINUTE) != now)
            break;
    return start + n * USEC_PER_MINUTE;
}
