/* The From field that a message gets which has none. Must never hold what somebody's name could
 * make a second field of. */
#include <string.h>

#include "base/text.h"
#include "tool/sendmail.h"

bool sendmail_has_from(const Buffer *message)
{
    const char *line = buffer_data(message), *end = line + buffer_size(message);

    while (line < end && *line != '\n' && *line != '\r') {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        const char *p = line + strlen("from");

        if (end - line >= 5 && strncasecmp(line, "from", 4) == 0) {
            while (p < end && (*p == ' ' || *p == '\t'))
                p++;
            if (p < end && *p == ':')
                return true;
        }
        line = next ? next + 1 : end;
    }
    return false;
}

/* Whether it can stand in a header without being encoded. */
static bool is_plain(const char *name)
{
    for (; *name >= ' ' && *name <= '~'; name++)
        continue;
    return *name == '\0';
}

/* As a quoted string (RFC 5322, 3.2.4). */
static int append_quoted(const char *name, Buffer *out)
{
    int r = buffer_append(out, "\"", 1);

    for (; r >= 0 && *name; name++)
        r = buffer_appendf(out, "%s%c", *name == '"' || *name == '\\' ? "\\" : "", *name);
    return r < 0 ? r : buffer_append(out, "\"", 1);
}

int sendmail_format_from(const char *name, const char *address, Buffer *out)
{
    bool named = name && name[0] && is_plain(name);
    int r = buffer_append_string(out, "From: ");

    if (r >= 0 && named)
        r = append_quoted(name, out);
    if (r >= 0)
        r = buffer_appendf(out, named ? " <%s>\n" : "%s\n", address);
    return r < 0 ? r : buffer_append(out, "", 1);
}
