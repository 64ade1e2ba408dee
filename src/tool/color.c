/* Colours by their numbers in ECMA-48 (SGR). Must never be all that tells something: each stands on
 * a word that says the same. */
#include "tool/color.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"

int color_parse(const char *text, ColorWhen *ret)
{
    static const char *const names[] = {
        [COLOR_AUTO] = "auto", [COLOR_NEVER] = "never", [COLOR_ALWAYS] = "always"};

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (strcmp(names[i], text) == 0) {
            *ret = (ColorWhen)i;
            return 0;
        }
    return -EINVAL;
}

static bool terminal_can(void)
{
    const char *terminal = getenv("TERM"), *unwanted = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && !(unwanted && *unwanted) && terminal && *terminal &&
           strcmp(terminal, "dumb") != 0;
}

bool color_is_wanted(ColorWhen when)
{
    return when == COLOR_ALWAYS || (when == COLOR_AUTO && terminal_can());
}

Color color_of_state(SpoolState state)
{
    switch (state) {
    case SPOOL_FAILED: return COLOR_BAD;
    case SPOOL_DEFERRED:
    case SPOOL_HELD: return COLOR_WAITS;
    case SPOOL_SENT: return COLOR_GOOD;
    default: return COLOR_NONE;
    }
}

/* Green, magenta and red can be read on dark and on light; yellow and blue cannot. */
void color_begin(FILE *out, Color color)
{
    static const char *const codes[] = {
        [COLOR_GOOD] = "\033[32m", [COLOR_WAITS] = "\033[35m", [COLOR_BAD] = "\033[1;31m"};

    if (color != COLOR_NONE)
        fputs(codes[color], out);
}

void color_end(FILE *out, Color color)
{
    if (color != COLOR_NONE)
        fputs("\033[0m", out);
}
