/* Names of lanes. Must never take what would have to be quoted anywhere. */
#include "base/lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"

#define SHOWN_BYTES 60 /* of what is none */

static bool is_name(const char *text, size_t n)
{
    if (n == 0 || n > LANE_NAME_MAX || !text_is_alphanumeric(text[0]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!text_is_alphanumeric(text[i]) && (text[i] == '\0' || !strchr("-_.", text[i])))
            return false;
    return true;
}

int lane_check(const char *text, size_t n, Failure *f)
{
    _cleanup_free_
    char *shown = NULL;

    if (is_name(text, n))
        return 0;
    shown = text_printable(text, n, SHOWN_BYTES);
    return failure_set(f, -EINVAL, ERROR_MESSAGE,
        "\"%s\" is not the name of a lane, which has up to %d letters of ASCII, digits, \"-\", "
        "\"_\" and \".\", a letter or digit first",
        shown ?: "...", LANE_NAME_MAX);
}

char *lane_fold(const char *text, size_t n)
{
    char *name = strndup(text, n);

    for (char *at = name; at && *at; at++)
        *at = text_fold(*at);
    return name;
}
