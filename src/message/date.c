/* Reading a date word by word. Must never take what a reader could see another time in. */
#include "message/date.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"

#define WORD_LENGTH 3 /* of the names of days and months */

static const char *const days[] = {
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December"};
static const char *const zones[] = {
    "UT", "GMT", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT"}; /* RFC 5322, 4.3 */

typedef struct Date {
    int weekday;    /* index; -1: not said */
    unsigned month; /* index */
    unsigned day, year, hour, minute, second;
} Date;

static int fail(const char *why, Failure *f)
{
    return failure_set(f, -EBADMSG, ERROR_MESSAGE, "%s", why);
}

static void skip_blanks(const char **at)
{
    *at += strspn(*at, " \t");
}

static bool take(const char **at, char c)
{
    bool there;

    skip_blanks(at);
    there = **at == c;
    *at += there;
    return there;
}

/* A number of so many digits. */
static bool take_number(const char **at, size_t least, size_t most, unsigned *ret)
{
    size_t n;

    skip_blanks(at);
    n = strspn(*at, "0123456789");
    *ret = 0;
    for (size_t i = 0; i < n && i < most; i++)
        *ret = *ret * 10 + (unsigned)((*at)[i] - '0');
    *at += n;
    return n >= least && n <= most;
}

/* One of the names, of which the first letters are written. Its index, or -1. */
static int take_name(const char **at, const char *const *names, size_t n)
{
    size_t length;

    skip_blanks(at);
    for (length = 0; text_is_alphanumeric((*at)[length]); length++)
        continue;
    for (size_t i = 0; i < n && length == WORD_LENGTH; i++)
        if (strncasecmp(*at, names[i], length) == 0) {
            *at += length;
            return (int)i;
        }
    return -1;
}

static bool take_time(const char **at, Date *date)
{
    bool ok =
        take_number(at, 2, 2, &date->hour) && take(at, ':') && take_number(at, 2, 2, &date->minute);

    skip_blanks(at);
    return ok && (**at != ':' || (take(at, ':') && take_number(at, 2, 2, &date->second)));
}

/* "+0100", or a name. */
static bool take_zone(const char **at)
{
    skip_blanks(at);
    if (**at == '+' || **at == '-') {
        size_t n = strspn(*at + 1, "0123456789");
        const char *minutes = *at + 3;

        *at += 1 + n;
        return n == 4 && minutes[0] < '6';
    }
    for (size_t i = 0; i < ELEMENTSOF(zones); i++) {
        size_t n = strlen(zones[i]);

        if (text_starts_nocase(*at, zones[i]) && !text_is_alphanumeric((*at)[n])) {
            *at += n;
            return true;
        }
    }
    return false;
}

static bool parse(const char *text, Date *ret)
{
    int month;

    *ret = (Date){.weekday = -1};
    skip_blanks(&text);
    if (*text < '0' || *text > '9') {
        ret->weekday = take_name(&text, days, ELEMENTSOF(days));
        if (ret->weekday < 0 || !take(&text, ','))
            return false;
    }
    if (!take_number(&text, 1, 2, &ret->day))
        return false;
    month = take_name(&text, months, ELEMENTSOF(months));
    ret->month = (unsigned)month;
    if (month < 0 || !take_number(&text, 4, 4, &ret->year) || !take_time(&text, ret) ||
        !take_zone(&text))
        return false;
    skip_blanks(&text);
    return *text == '\0' || *text == '(';
}

static unsigned days_of_month(const Date *date)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = date->year % 4 == 0 && (date->year % 100 != 0 || date->year % 400 == 0);

    return lengths[date->month] + (date->month == 1 && leap);
}

/* Index in `days`, as Zeller counts: from March on, so that a leap day is a year's last. */
static unsigned weekday_of(const Date *date)
{
    unsigned year = date->year - (date->month < 2), month = (date->month + 10) % 12;

    return (date->day + (13 * month + 12) / 5 + year + year / 4 - year / 100 + year / 400) % 7;
}

int date_check(const char *text, Failure *f)
{
    Date date;

    if (!parse(text, &date))
        return fail("this is no date, which is written \"Thu, 1 Jan 2026 00:00:00 +0000\" (as "
                    "`date -R` prints it)",
            f);
    if (date.year < 1900)
        return fail("the year is before 1900, which a date of mail cannot be", f);
    if (date.day < 1 || date.day > days_of_month(&date))
        return failure_set(f, -EBADMSG, ERROR_MESSAGE, "%s %u has %u days, and no day %u",
            months[date.month], date.year, days_of_month(&date), date.day);
    if (date.hour > 23)
        return fail("the hour is more than 23; midnight is 00:00 of the day that begins", f);
    if (date.minute > 59 || date.second > 60)
        return fail(
            "there is no such minute or second: both are at most 59, and 60 a leap second", f);
    if (date.weekday >= 0 && (unsigned)date.weekday != weekday_of(&date))
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "%u %s %u is a %s, and no %s; correct it, or leave the day of the week out", date.day,
            months[date.month], date.year, days[weekday_of(&date)], days[date.weekday]);
    return 0;
}
