/* Reading a date word by word. Must never take what a reader could see another time in. */
#include "message/date.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/errors.h"
#include "base/text.h"

#define WORD_LENGTH 3 /* of the names of days and months */

static const char *const days[] = {
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December"};

/* RFC 5322, 4.3 */
static const struct {
    const char *name, *offset;
} zones[] = {
    {"UT", "+0000"},
    {"GMT", "+0000"},
    {"EST", "-0500"},
    {"EDT", "-0400"},
    {"CST", "-0600"},
    {"CDT", "-0500"},
    {"MST", "-0700"},
    {"MDT", "-0600"},
    {"PST", "-0800"},
    {"PDT", "-0700"},
};

typedef struct Date {
    int weekday;    /* index; -1: not said */
    unsigned month; /* index */
    unsigned day, year, hour, minute, second;
    char zone[6]; /* "+0100" */
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

/* "+0100", or a name; as "+0100". */
static bool take_zone(const char **at, char ret[static 6])
{
    skip_blanks(at);
    if (**at == '+' || **at == '-') {
        size_t n = strspn(*at + 1, "0123456789");
        const char *minutes = *at + 3;

        memccpy(ret, *at, '\0', 5);
        ret[5] = '\0';
        *at += 1 + n;
        return n == 4 && minutes[0] < '6';
    }
    for (size_t i = 0; i < ELEMENTSOF(zones); i++) {
        size_t n = strlen(zones[i].name);

        if (text_starts_nocase(*at, zones[i].name) && !text_is_alphanumeric((*at)[n])) {
            strcpy(ret, zones[i].offset);
            *at += n;
            return true;
        }
    }
    return false;
}

/* NULL, or what is wrong. */
static const char *parse(const char *text, Date *ret)
{
    int month;

    *ret = (Date){.weekday = -1};
    skip_blanks(&text);
    if (*text < '0' || *text > '9') {
        ret->weekday = take_name(&text, days, ELEMENTSOF(days));
        if (ret->weekday < 0 || !take(&text, ','))
            return "it begins with the day of the month, or with Sun, Mon, Tue, Wed, Thu, Fri or "
                   "Sat and a comma";
    }
    if (!take_number(&text, 1, 2, &ret->day))
        return "the day of the month is one or two digits";
    month = take_name(&text, months, ELEMENTSOF(months));
    ret->month = (unsigned)month;
    if (month < 0)
        return "behind the day of the month comes the month, as Jan, Feb, Mar, Apr, May, Jun, Jul, "
               "Aug, Sep, Oct, Nov or Dec";
    if (!take_number(&text, 4, 4, &ret->year))
        return "the year is four digits";
    if (!take_time(&text, ret))
        return "behind the year comes the time, as 23:59 or 23:59:59";
    if (!take_zone(&text, ret->zone))
        return "behind the time comes the zone, as +0100 or GMT";
    skip_blanks(&text);
    return *text == '\0' || *text == '(' ? NULL : "behind the zone nothing comes but a comment";
}

/* ---- the Internet's dates of other places (RFC 3339) ---- */

static bool is_internet_date(const char *text)
{
    return strspn(text, "0123456789") == 4 && text[4] == '-';
}

/* "Z", "+01:00"; as a header has it. */
static bool take_internet_zone(const char **at, char ret[static 6])
{
    const char *zone = *at;

    if (*zone == 'Z' || *zone == 'z') {
        strcpy(ret, "+0000");
        *at += 1;
        return true;
    }
    if ((*zone != '+' && *zone != '-') || strspn(zone + 1, "0123456789") != 2 || zone[3] != ':' ||
        strspn(zone + 4, "0123456789") != 2 || memcmp(zone + 1, "23", 2) > 0 || zone[4] > '5')
        return false;
    memcpy(ret, zone, 3);
    memcpy(ret + 3, zone + 4, 3);
    ret[5] = '\0';
    *at += 6;
    return true;
}

static bool take_internet_day(const char **at, Date *ret)
{
    bool ok = take_number(at, 4, 4, &ret->year) && take(at, '-') &&
              take_number(at, 2, 2, &ret->month) && take(at, '-') &&
              take_number(at, 2, 2, &ret->day);

    ok = ok && ret->month >= 1 && ret->month <= ELEMENTSOF(months) && **at && strchr("Tt ", **at);
    *at += ok;
    ret->month--;
    return ok;
}

/* `text` begins as one. NULL, or what is wrong. */
static const char *parse_internet(const char *text, Date *ret)
{
    *ret = (Date){.weekday = -1};
    if (strpbrk(text, " \t") && strcspn(text, " \t") != strlen("2026-01-01"))
        return "blanks stand where none may";
    if (!take_internet_day(&text, ret))
        return "the day is written 2026-12-31, and a T behind it";
    if (!take_time(&text, ret))
        return "the time is written 23:59:59";
    if (*text == '.' || *text == ',')
        text += 1 + strspn(text + 1, "0123456789");
    if (*text == '\0')
        return "it does not say of which zone it is: Z behind it is UTC, and +01:00 an hour before "
               "that";
    if (!take_internet_zone(&text, ret->zone))
        return "the zone is written Z or +01:00";
    return *text == '\0' ? NULL : "something stands behind the zone";
}

/* ---- whether there is such a time ---- */

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

static int check(const Date *date, Failure *f)
{
    if (date->year < 1900)
        return fail("the year is before 1900, which a date of mail cannot be", f);
    if (date->day < 1 || date->day > days_of_month(date))
        return failure_set(f, -EBADMSG, ERROR_MESSAGE, "%s %u has %u days, and no day %u",
            months[date->month], date->year, days_of_month(date), date->day);
    if (date->hour > 23)
        return fail("the hour is more than 23; midnight is 00:00 of the day that begins", f);
    if (date->minute > 59 || date->second > 60)
        return fail(
            "there is no such minute or second: both are at most 59, and 60 a leap second", f);
    if (date->weekday >= 0 && (unsigned)date->weekday != weekday_of(date))
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "%u %s %u is a %s, and no %s; correct it, or leave the day of the week out", date->day,
            months[date->month], date->year, days[weekday_of(date)], days[date->weekday]);
    return 0;
}

static int read_date(const char *text, Date *ret, Failure *f)
{
    const char *why = is_internet_date(text) ? parse_internet(text, ret) : parse(text, ret);

    if (why)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "this is no date: %s. It is written \"Thu, 1 Jan 2026 00:00:00 +0000\" (as `date -R` "
            "prints it), or 2026-01-01T00:00:00Z",
            why);
    return check(ret, f);
}

/* East of Greenwich. */
static int seconds_of_zone(const char *zone)
{
    int hours = (zone[1] - '0') * 10 + zone[2] - '0',
        minutes = (zone[3] - '0') * 10 + zone[4] - '0';

    return (zone[0] == '-' ? -60 : 60) * (hours * 60 + minutes);
}

int date_read(const char *text, usec_t *ret, Failure *f)
{
    struct tm tm = {0};
    time_t seconds;
    Date date;
    int r = read_date(text, &date, f);

    if (r < 0)
        return r;
    tm.tm_year = (int)date.year - 1900;
    tm.tm_mon = (int)date.month;
    tm.tm_mday = (int)date.day;
    tm.tm_hour = (int)date.hour;
    tm.tm_min = (int)date.minute;
    tm.tm_sec = (int)date.second;
    seconds = timegm(&tm) - seconds_of_zone(date.zone);
    *ret = seconds > 0 ? (usec_t)seconds * USEC_PER_SEC : 0;
    return 0;
}

int date_write(const char *text, char room[static RFC5322_DATE_MAX], const char **ret, Failure *f)
{
    Date date;
    int r = read_date(text, &date, f);

    *ret = text;
    if (r < 0 || !is_internet_date(text))
        return r;
    snprintf(room, RFC5322_DATE_MAX, "%.3s, %02u %.3s %04u %02u:%02u:%02u %s",
        days[weekday_of(&date)], date.day % 100, months[date.month], date.year % 10000,
        date.hour % 100, date.minute % 100, date.second % 100, date.zone);
    *ret = room;
    return 0;
}
