/* Numbers of settings. Must never take one that has something behind it. */
#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "settings/value.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool value_parse_whole(const char *text, uint64_t *ret)
{
    char *end;

    if (!is_digit(*text))
        return false;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

bool value_parse_signed(const char *text, int64_t *ret)
{
    char *end;

    if (!is_digit(text[*text == '-']))
        return false;
    *ret = strtoll(text, &end, 10);
    return *end == '\0';
}

/* Not strtod(): the decimal point of the file does not depend on the locale. */
bool value_parse_decimal(const char *text, double *ret)
{
    const char *p = text;
    double number = 0, unit = 0.1;

    for (; is_digit(*p); p++)
        number = number * 10 + (*p - '0');
    if (p > text && *p == '.')
        for (p++; is_digit(*p); p++, unit /= 10)
            number += (*p - '0') * unit;
    *ret = number;
    return p > text && *p == '\0';
}

int value_parse_quantity(const Setting *setting, const char *text, uint64_t *ret)
{
    int r = 0;

    if (setting->type == SETTING_DURATION)
        r = text_parse_duration(text, ret);
    else if (setting->type == SETTING_SIZE)
        r = text_parse_size(text, ret);
    else if (text[0] == '-' && is_digit(text[1]))
        r = -ERANGE;
    else if (!value_parse_whole(text, ret))
        r = -EINVAL;
    if (r == 0 && (*ret < setting->min || *ret > setting->max))
        r = -ERANGE;
    return r;
}
