/* The From field that a message gets which has none. Must never hold what somebody's name could
 * make a second field of. */
#include <string.h>

#include "base/text.h"
#include "tool/sendmail.h"

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
