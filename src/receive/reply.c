/* Replies. Must never write an octet that a client could take for the end of a line. */
#include "receive/reply.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define TEXT_MAX 480 /* octets of a text in a line */

/* How much of the text a line takes: up to a blank, where it is too long. */
static size_t find_cut(const char *text)
{
    size_t n = strnlen(text, TEXT_MAX + 1), cut;

    if (n <= TEXT_MAX)
        return n;
    for (cut = TEXT_MAX; cut > 0 && text[cut] != ' '; cut--)
        continue;
    return cut > 0 ? cut : TEXT_MAX;
}

static int append_plain(Buffer *out, const char *text, size_t n)
{
    char *to = buffer_reserve(out, n);

    if (!to)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        to[i] = text[i] == '\n' ? ' ' : text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    buffer_commit(out, n);
    return 0;
}

int receive_append_reply(Buffer *out, int code, const char *enhanced, const char *text)
{
    size_t n, before = buffer_size(out);
    bool more;
    int r;

    do {
        n = find_cut(text);
        more = text[n] != '\0';
        r = buffer_appendf(
            out, "%d%c%s%s", code, more ? '-' : ' ', enhanced ?: "", enhanced ? " " : "");
        if (r >= 0)
            r = append_plain(out, text, n);
        if (r >= 0)
            r = buffer_append(out, "\r\n", 2);
        text += n + (text[n] == ' ');
    } while (r >= 0 && more);
    if (r >= 0)
        return 0;
    buffer_truncate(out, before);
    return -ENOMEM;
}
