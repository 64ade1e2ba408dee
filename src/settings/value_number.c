/* Whole numbers of settings. Must never take one that has something behind it. */
#include <errno.h>
#include <stdlib.h>

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
