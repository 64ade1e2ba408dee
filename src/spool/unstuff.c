/* Taking dots away. Must never take away one that does not begin a line. */
#include "spool/unstuff.h"

#include <string.h>

/* Up to the end of the line, or of the data. Returns how many bytes. */
static int take_inside(Unstuff *u, const char *data, size_t n, size_t *ret_n, Buffer *out)
{
    const char *end = memchr(data, '\n', n);

    *ret_n = end ? (size_t)(end - data) + 1 : n;
    u->place = end ? UNSTUFF_LINE_START : UNSTUFF_INSIDE;
    return buffer_append(out, data, *ret_n);
}

/* One byte, where it decides what the line is. Returns whether it was taken. */
static bool take_dots(Unstuff *u, char c)
{
    if (u->place == UNSTUFF_LINE_START && c == '.')
        u->place = UNSTUFF_DOT;
    else if (u->place == UNSTUFF_DOT && c == '\r')
        u->place = UNSTUFF_DOT_CR;
    else if ((u->place == UNSTUFF_DOT || u->place == UNSTUFF_DOT_CR) && c == '\n')
        u->ended = true;
    else
        return false;
    return true;
}

int unstuff(Unstuff *u, const char *data, size_t n, Buffer *out)
{
    int r = 0;

    for (size_t at = 0, taken; r == 0 && at < n; at += taken) {
        taken = 1;
        if (u->ended) {
            u->has_more = u->has_more || (data[at] != '\r' && data[at] != '\n');
            continue;
        }
        if (u->place != UNSTUFF_INSIDE && take_dots(u, data[at]))
            continue;
        if (u->place == UNSTUFF_DOT_CR)
            r = buffer_append(out, "\r", 1);
        if (r == 0)
            r = take_inside(u, data + at, n - at, &taken, out);
    }
    return r;
}
