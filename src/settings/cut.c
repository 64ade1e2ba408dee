/* Finding a group in a text that may be no configuration. Must never trust that what is opened is
 * closed: text in quotes ends with its line at the latest. */
#include <string.h>

#include "base/macros.h"
#include "settings/source.h"

/* Behind the comment or the text in quotes that begins at `p`; `p` where none does. */
static const char *skip_words(const char *p)
{
    const char *end;

    if (*p == '#' || (p[0] == '/' && p[1] == '/'))
        return p + strcspn(p, "\n");
    if (p[0] == '/' && p[1] == '*') {
        end = strstr(p + 2, "*/");
        return end ? end + 2 : p + strlen(p);
    }
    if (*p != '"')
        return p;
    for (p++; *p && *p != '\n' && *p != '"'; p++)
        if (p[0] == '\\' && p[1] && p[1] != '\n')
            p++;
    return p + (*p == '"');
}

/* The next byte that is neither in a comment nor in quotes, nor a blank. */
static const char *skip_blanks(const char *p)
{
    for (const char *next;; p = next) {
        next = p + strspn(p, " \t\r\n\f");
        if (*next != '"')
            next = skip_words(next);
        if (next == p)
            return p;
    }
}

/* Where the group that is opened at `p` ends. */
static const char *find_end(const char *p)
{
    size_t depth = 0;

    while (*p) {
        const char *next = skip_words(p);

        if (next > p) {
            p = next;
            continue;
        }
        depth += *p == '{';
        depth -= *p == '}';
        p++;
        if (depth == 0)
            break;
    }
    return p;
}

/* The `{` of a group whose name is at `p`, or NULL. */
static const char *find_opening(const char *p, size_t length)
{
    p = skip_blanks(p + length);
    if (*p != '=' && *p != ':')
        return NULL;
    p = skip_blanks(p + 1);
    return *p == '{' ? p : NULL;
}

/* The name of the first group that is called so, and its end; NULL when there is none. */
static const char *find_group(const char *p, const char *name, const char **ret_end)
{
    static const char of_names[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-*.";

    while (*p) {
        size_t length = strspn(p, of_names);
        const char *next = length > 0 ? p + length : skip_words(p);
        const char *opening;

        if (length == strlen(name) && strncasecmp(p, name, length) == 0) {
            opening = find_opening(p, length);
            if (opening) {
                *ret_end = find_end(opening);
                return p;
            }
        }
        p = next > p ? next : p + 1;
    }
    return NULL;
}

char *source_cut_group(const Source *source, const char *name)
{
    const char *text = buffer_data(&source->text), *end = NULL;
    const char *group = find_group(text, name, &end);
    char *cut = strdup(text);

    for (size_t i = 0; cut && cut[i]; i++)
        if (cut[i] != '\n' && (!group || text + i < group || text + i >= end))
            cut[i] = ' ';
    return cut;
}
