/* Locale-free text helpers: comparison, durations, sizes, distance, printable copies. Must never
 * allocate more than it returns. */
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

char *text_trim(char *text)
{
    size_t n;

    while (text_is_blank(*text))
        text++;
    n = strlen(text);
    while (n > 0 && (text_is_blank(text[n - 1]) || text[n - 1] == '\r'))
        text[--n] = '\0';
    return text;
}

bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool text_equal_nocase(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    while (*a && text_fold(*a) == text_fold(*b))
        a++, b++;
    return text_fold(*a) == text_fold(*b);
}

bool text_equal_mailbox(const char *a, const char *b)
{
    const char *at = strrchr(a, '@');
    size_t n = at ? (size_t)(at - a) : strlen(a);

    return strncmp(a, b, n) == 0 && text_equal_nocase(a + n, b + n);
}

bool text_starts_nocase(const char *text, const char *start)
{
    while (*start && text_fold(*text) == text_fold(*start))
        text++, start++;
    return *start == '\0';
}

bool text_ends(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && memcmp(text + n - m, end, m) == 0;
}

bool text_ends_nocase(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && text_equal_nocase(text + n - m, end);
}

bool text_has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

/* Goes back to the last star alone: what is before it has taken as little as
 * it can, so that time grows with the product of both lengths at most. */
bool text_fits(const char *pattern, const char *text)
{
    const char *star = NULL, *resumed = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            resumed = text;
        } else if (text_fold(*pattern) == text_fold(*text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++resumed;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

bool text_is_ascii(const char *data, size_t n)
{
    uint64_t all = 0, word;
    size_t i = 0;

    for (; n - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, data + i, sizeof(word));
        all |= word;
    }
    for (; i < n; i++)
        all |= (unsigned char)data[i];
    return (all & 0x8080808080808080u) == 0;
}

size_t text_character(const char *data, size_t n)
{
    const unsigned char *s = (const unsigned char *)data;
    unsigned char low = 0x80, high = 0xbf;
    size_t length;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        length = 2;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        length = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        length = 4;
    else
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (n < length || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool text_is_utf8(const char *data, size_t n)
{
    for (size_t i = 0, step; i < n; i += step) {
        step = text_character(data + i, n - i);
        if (step == 0 || data[i] == '\0')
            return false;
    }
    return true;
}

typedef struct Unit {
    const char *name;
    uint64_t value;
} Unit;

static const Unit duration_units[] = {
    {"d", USEC_PER_DAY},
    {"h", USEC_PER_HOUR},
    {"m", USEC_PER_MINUTE},
    {"", USEC_PER_SEC},
    {"s", USEC_PER_SEC},
    {"ms", USEC_PER_MSEC},
    {"us", 1},
};
static const Unit size_units[] = {
    {"", 1},
    {"K", 1ull << 10},
    {"M", 1ull << 20},
    {"G", 1ull << 30},
    {"T", 1ull << 40},
};

/* A decimal number and one of `units`. */
static int parse_quantity(const char *text, const Unit *units, size_t n_units, uint64_t *ret)
{
    uint64_t whole = 0;
    double value;
    char *end;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    whole = strtoull(text, &end, 10);
    if (errno == ERANGE)
        return -ERANGE;
    value = (double)whole;
    if (*end == '.') {
        double unit = 0.1;

        for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
            value += (*end - '0') * unit, whole = UINT64_MAX;
    }
    for (size_t i = 0; i < n_units; i++) {
        if (!text_equal_nocase(end, units[i].name))
            continue;
        if (value * (double)units[i].value > 9e18)
            return -ERANGE;
        *ret = whole != UINT64_MAX ? whole * units[i].value
                                   : (uint64_t)(value * (double)units[i].value + 0.5);
        return 0;
    }
    return -EINVAL;
}

int text_parse_duration(const char *text, usec_t *ret_usec)
{
    return parse_quantity(text, duration_units, ELEMENTSOF(duration_units), ret_usec);
}

int text_parse_size(const char *text, uint64_t *ret_bytes)
{
    return parse_quantity(text, size_units, ELEMENTSOF(size_units), ret_bytes);
}

char *text_format_duration(usec_t usec)
{
    char *text;

    if (usec == 0)
        return strdup("0");
    for (size_t i = 0; i < ELEMENTSOF(duration_units); i++) {
        if (usec % duration_units[i].value != 0 || duration_units[i].name[0] == '\0')
            continue;
        if (asprintf(&text, "%llu%s", (unsigned long long)(usec / duration_units[i].value),
                duration_units[i].name) < 0)
            return NULL;
        return text;
    }
    return NULL;
}

#define DISTANCE_MAX 64

size_t text_distance(const char *a, const char *b)
{
    size_t rows[3][DISTANCE_MAX + 1], n = strlen(a), m = strlen(b);
    size_t *before = rows[0], *above = rows[1], *row = rows[2];

    if (n > DISTANCE_MAX || m > DISTANCE_MAX)
        return MAX(n, m);
    for (size_t j = 0; j <= m; j++)
        above[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *spare = before;

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = above[j - 1] + (text_fold(a[i - 1]) != text_fold(b[j - 1]));
            row[j] = MIN(row[j], MIN(above[j] + 1, row[j - 1] + 1));
            if (i > 1 && j > 1 && text_fold(a[i - 1]) == text_fold(b[j - 2]) &&
                text_fold(a[i - 2]) == text_fold(b[j - 1]))
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
        before = above, above = row, row = spare;
    }
    return above[m];
}

/* Whether a character of several bytes is one that terminals obey, or that changes what is read
 * around it: C1 controls, ends of lines and paragraphs, and marks of direction, by which a name can
 * be made to look like another. */
static bool is_command(const unsigned char *s, size_t length)
{
    if (length == 2)
        return (s[0] == 0xc2 && s[1] < 0xa0) || (s[0] == 0xd8 && s[1] == 0x9c);
    if (length != 3 || s[0] != 0xe2)
        return false;
    return (s[1] == 0x80 && (s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xa8 && s[2] <= 0xae))) ||
           (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9);
}

size_t text_plain(const char *data, size_t n)
{
    const unsigned char *s = (const unsigned char *)data;
    size_t length = text_character(data, n);

    return s[0] < 0x20 || s[0] == 0x7f || is_command(s, length) ? 0 : length;
}

char *text_printable(const char *data, size_t n, size_t max)
{
    char *text, *to;

    if (n > SIZE_MAX / 4 - 1)
        return NULL;
    max = MIN(max, 4 * n); /* of each byte, all escaped */
    text = to = malloc(max + 4);
    if (!text)
        return NULL;
    for (size_t i = 0, step; i < n; i += step) {
        bool plain;

        step = text_plain(data + i, n - i);
        plain = step > 0;
        step = MAX(step, (size_t)1);
        if ((size_t)(to - text) + (plain ? step : 4) > max) {
            memcpy(to, "...", 3);
            to += 3;
            break;
        }
        if (plain)
            memcpy(to, data + i, step), to += step;
        else
            to += sprintf(to, "\\x%02x", (unsigned char)data[i]);
    }
    *to = '\0';
    return text;
}

char *text_printable_whole(const char *data, size_t n)
{
    return text_printable(data, n, SIZE_MAX);
}
