/* Clocks and the two formats of time. Must never depend on the locale. */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static usec_t clock_read(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

usec_t clock_realtime(void)
{
    return clock_read(CLOCK_REALTIME);
}

usec_t clock_monotonic(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

usec_t usec_add(usec_t a, usec_t b)
{
    usec_t sum;

    return __builtin_add_overflow(a, b, &sum) ? USEC_NEVER : sum;
}

bool clock_is_plausible(usec_t realtime)
{
    return realtime >= 1767225600 * USEC_PER_SEC; /* 2026-01-01T00:00:00Z */
}

usec_t clock_age(usec_t then, usec_t now)
{
    return clock_is_plausible(then) && now > then ? now - then : 0;
}

char *clock_format_rfc3339(usec_t realtime, char text[static RFC3339_MAX])
{
    time_t seconds = (time_t)(realtime / USEC_PER_SEC);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) || tm.tm_year > 9999 - 1900)
        memcpy(text, "9999-12-31T23:59:59.999999Z", 28);
    else
        snprintf(text, RFC3339_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
            (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
            (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
            (unsigned)tm.tm_sec % 100, (unsigned)(realtime % USEC_PER_SEC));
    return text;
}

/* The fraction of a second, of any length, in microseconds; `*text` is moved behind it. */
static unsigned parse_fraction(const char **text)
{
    unsigned value = 0, unit = 100000;

    for ((*text)++; **text >= '0' && **text <= '9'; (*text)++, unit /= 10)
        value += (unsigned)(**text - '0') * unit;
    return value;
}

/* strptime() takes 31 days in every month. */
static bool has_day(const struct tm *tm)
{
    struct tm day = {.tm_year = tm->tm_year, .tm_mon = tm->tm_mon, .tm_mday = tm->tm_mday};

    (void)timegm(&day);
    return day.tm_mday == tm->tm_mday;
}

int clock_parse_rfc3339(const char *text, usec_t *ret_realtime)
{
    unsigned fraction = 0;
    struct tm tm = {0};
    const char *rest;
    time_t seconds;

    rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return -EINVAL;
    if (*rest == '.')
        fraction = parse_fraction(&rest);
    if (strcmp(rest, "Z") != 0 || !has_day(&tm))
        return -EINVAL;
    seconds = timegm(&tm);
    if (seconds < 0)
        return -EINVAL;
    *ret_realtime = (usec_t)seconds * USEC_PER_SEC + fraction;
    return 0;
}

char *clock_format_rfc5322(usec_t realtime, char text[static RFC5322_DATE_MAX])
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(realtime / USEC_PER_SEC);
    struct tm tm = {0};
    unsigned offset;

    localtime_r(&seconds, &tm);
    offset = (unsigned)labs(tm.tm_gmtoff / 60);
    snprintf(text, RFC5322_DATE_MAX, "%s, %02u %s %04u %02u:%02u:%02u %c%02u%02u",
        days[tm.tm_wday % 7], (unsigned)tm.tm_mday % 100, months[tm.tm_mon % 12],
        (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
        (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100, tm.tm_gmtoff < 0 ? '-' : '+',
        offset / 60 % 100, offset % 60);
    return text;
}
