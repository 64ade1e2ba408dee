/* Commands of a client. Must never take for an address what does not stand in angle brackets. */
#include "receive/command.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

char *receive_split_verb(char *line, char **ret)
{
    char *end = line + strlen(line), *verb_end;

    while (end > line && end[-1] == ' ')
        *--end = '\0';
    verb_end = line + strcspn(line, " ");
    *ret = verb_end + strspn(verb_end, " ");
    *verb_end = '\0';
    return line;
}

/* The ">" that ends a path: outside of quotes, with no blank before it. NULL: there is none. */
static char *find_path_end(char *text)
{
    bool quoted = false;

    for (; *text; text++) {
        if (*text == '>' && !quoted)
            return text;
        if (*text == ' ' && !quoted)
            return NULL;
        if (*text == '"')
            quoted = !quoted;
        if (*text == '\\' && quoted && text[1])
            text++;
    }
    return NULL;
}

char *receive_split_path(char *text, char **ret_rest)
{
    char *end, *colon;

    text += strspn(text, " ");
    end = *text == '<' ? find_path_end(text + 1) : NULL;
    if (!end || (end[1] && end[1] != ' '))
        return NULL;
    *end = '\0';
    *ret_rest = end + 1 + strspn(end + 1, " ");
    text++;
    if (*text != '@')
        return text;
    colon = strchr(text, ':');
    return colon ? colon + 1 : NULL;
}

static bool is_keyword(const char *text)
{
    if (!text_is_alphanumeric(*text))
        return false;
    while (text_is_alphanumeric(*text) || *text == '-')
        text++;
    return !*text;
}

int receive_next_parameter(char **text, ReceiveParameter *ret)
{
    char *start = *text + strspn(*text, " "), *end = start + strcspn(start, " "), *equals;

    if (start == end)
        return 0;
    *text = *end ? end + 1 : end;
    *end = '\0';
    equals = strchr(start, '=');
    if (equals)
        *equals = '\0';
    *ret = (ReceiveParameter){.keyword = start, .value = equals ? equals + 1 : NULL};
    return is_keyword(start) && (!equals || (equals[1] && !strchr(equals + 1, '='))) ? 1 : -EINVAL;
}

bool receive_parse_number(const char *text, size_t n, unsigned long long *ret)
{
    *ret = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9' || *ret >> 56)
            return false;
        *ret = *ret * 10 + (unsigned)(text[i] - '0');
    }
    return n > 0;
}

bool receive_parse_chunk(const char *text, unsigned long long *ret_bytes, bool *ret_last)
{
    size_t n = strcspn(text, " ");
    const char *rest = text + n + strspn(text + n, " ");

    *ret_last = text_equal_nocase(rest, "LAST");
    return receive_parse_number(text, n, ret_bytes) && (*ret_last || !*rest);
}
