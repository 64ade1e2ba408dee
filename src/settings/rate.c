/* Rates in a configuration. Must never read one that could mean two things. */
#include "settings/rate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"

#define WORD_MAX 32
#define LIMIT_MAX 1000000000u

static const struct {
    const char *name;
    usec_t usec;
} units[] = {
    {"s", USEC_PER_SEC},
    {"sec", USEC_PER_SEC},
    {"second", USEC_PER_SEC},
    {"m", USEC_PER_MINUTE},
    {"min", USEC_PER_MINUTE},
    {"minute", USEC_PER_MINUTE},
    {"h", USEC_PER_HOUR},
    {"hour", USEC_PER_HOUR},
    {"d", USEC_PER_DAY},
    {"day", USEC_PER_DAY},
};

static int fail(Failure *f, const char *why)
{
    return failure_set(f, -EINVAL, ERROR_CONFIGURATION, "%s", why);
}

/* "s", "hour", "10m". */
static int parse_per(const char *word, usec_t *ret, Failure *f)
{
    for (size_t i = 0; i < ELEMENTSOF(units); i++)
        if (text_equal_nocase(word, units[i].name)) {
            *ret = units[i].usec;
            return 0;
        }
    if (*word < '0' || *word > '9' || word[strspn(word, "0123456789.")] == '\0' ||
        text_parse_duration(word, ret) < 0)
        return fail(f, "behind the / comes a time: s, m, h or d, or a number of them as in 10m");
    return *ret >= USEC_PER_SEC && *ret <= RATE_PER_MAX
               ? 0
               : fail(f, "the time is between a second and 31 days");
}

/* "100/h", `n` characters. */
static int parse_one(const char *text, size_t n, Rate *ret, Failure *f)
{
    const char *slash = memchr(text, '/', n);
    char word[WORD_MAX], *end;
    unsigned long limit;

    if (!slash || n >= sizeof(word))
        return fail(f, "a number of messages or recipients and a time are wanted, with a / between "
                       "them, as in \"14/s\" or \"100/h, 2000/d\"");
    memcpy(word, text, n);
    word[n] = '\0';
    limit = strtoul(word, &end, 10);
    end += strspn(end, " \t");
    if (*word < '0' || *word > '9' || *end != '/' || limit == 0 || limit > LIMIT_MAX)
        return fail(f, "in front of the / stands a number, from 1 to 1000000000");
    ret->limit = (uint32_t)limit;
    end++;
    return parse_per(end + strspn(end, " \t"), &ret->per, f);
}

int rates_parse(const char *text, Rate *ret, Failure *f)
{
    int n = 0;

    for (;; text++) {
        size_t length, end;
        int r;

        text += strspn(text, " \t");
        length = strcspn(text, ",");
        if (n == RATES_MAX)
            return fail(f, "there are more than four rates");
        for (end = length; end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t'); end--)
            continue;
        r = parse_one(text, end, &ret[n], f);
        if (r < 0)
            return r;
        n++;
        text += length;
        if (*text == '\0')
            return n;
    }
}
