/* The content of a message that comes in. Must never find an end that is not written CR LF, dot,
 * CR LF. */
#include "receive/content.h"

/* An octet that is content; dots that begin lines are not looked at. */
static void take(ReceiveContent *content, char c)
{
    bool behind_cr = content->place == CONTENT_BEHIND_CR;

    content->stray |= behind_cr != (c == '\n');
    if (c == '\r')
        content->place = CONTENT_BEHIND_CR;
    else
        content->place = behind_cr && c == '\n' ? CONTENT_AT_LINE : CONTENT_IN_LINE;
}

/* How many octets change nothing within a line: nearly all. */
static size_t span_line(const ReceiveContent *content, const char *data, size_t n)
{
    size_t i = 0;

    if (content->place != CONTENT_IN_LINE)
        return 0;
    while (i < n && data[i] != '\r' && data[i] != '\n')
        i++;
    return i;
}

/* Octets up to a dot that begins a line. */
static size_t take_run(ReceiveContent *content, const char *data, size_t n)
{
    size_t i = 0;

    while (i < n && !(content->place == CONTENT_AT_LINE && data[i] == '.')) {
        take(content, data[i++]);
        i += span_line(content, data + i, n - i);
    }
    return i;
}

/* The octet behind a dot that began a line, or behind that dot and a CR. Whether it is used up;
 * what it is not is content like any other. */
static bool take_behind_dot(ReceiveContent *content, char c, bool *ret_end)
{
    if (content->place == CONTENT_BEHIND_DOT && c == '\r') {
        content->place = CONTENT_BEHIND_DOT_CR;
        return true;
    }
    *ret_end = content->place == CONTENT_BEHIND_DOT_CR && c == '\n';
    content->stray |= content->place == CONTENT_BEHIND_DOT_CR && c != '\n';
    content->place = CONTENT_IN_LINE;
    return *ret_end;
}

bool receive_content_dotted(
    ReceiveContent *content, const char **data, size_t *n, ReceivePiece *ret)
{
    bool end = false;
    size_t run;

    *ret = (ReceivePiece){0};
    while (!end && *n > 0 &&
           (content->place == CONTENT_BEHIND_DOT || content->place == CONTENT_BEHIND_DOT_CR)) {
        if (!take_behind_dot(content, **data, &end))
            break;
        ++*data;
        --*n;
    }
    if (end || *n == 0)
        return end;
    run = take_run(content, *data, *n);
    *ret = (ReceivePiece){.data = *data, .n = run};
    if (run < *n) {
        content->place = CONTENT_BEHIND_DOT;
        run++;
    }
    *data += run;
    *n -= run;
    return false;
}

void receive_content_counted(ReceiveContent *content, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i += span_line(content, data + i, n - i))
        take(content, data[i++]);
}

bool receive_content_is_cut(const ReceiveContent *content)
{
    return content->place == CONTENT_BEHIND_CR;
}
