/* Turns raw message bytes into what follows DATA or BDAT. Must never let a bare CR or LF out, nor
 * a line that is a lone dot in the form for DATA before smtp_content_finish(). */
#include "smtp/content.h"

#include <errno.h>

void smtp_content_init(SmtpContent *content, bool stuff_dots)
{
    *content = (SmtpContent){.stuff_dots = stuff_dots};
}

static const char *find(const char *at, char c, const char *end)
{
    return memchr(at, c, (size_t)(end - at)) ?: end;
}

/* The places of the next CR and LF are looked up only once passed, so that a message without CR
 * is searched for it once and not once a line. */
_hot_ int smtp_content_encode(SmtpContent *content, const char *data, size_t n, Buffer *out)
{
    const char *at = data, *end, *cr, *lf;
    char *start, *to;
    size_t worst;

    if (n == 0)
        return 0;
    if (__builtin_mul_overflow(n, 2, &worst))
        return -ENOMEM;
    start = to = buffer_reserve(out, worst);
    if (!to)
        return -ENOMEM;
    end = data + n;
    if (content->last_was_cr && *at == '\n')
        at++;
    content->last_was_cr = false;
    cr = find(at, '\r', end);
    lf = find(at, '\n', end);
    while (at < end) {
        const char *line_end = MIN(cr, lf);
        size_t length = (size_t)(line_end - at);

        if (!content->in_line && *at == '.' && content->stuff_dots)
            *to++ = '.';
        memcpy(to, at, length);
        to += length;
        content->in_line = line_end == end;
        if (content->in_line)
            break;
        *to++ = '\r';
        *to++ = '\n';
        at = line_end + 1;
        if (line_end == cr) {
            if (at < end && *at == '\n')
                at++;
            content->last_was_cr = at == end && end[-1] == '\r';
            cr = find(at, '\r', end);
        }
        if (lf < at)
            lf = find(at, '\n', end);
    }
    buffer_commit(out, (size_t)(to - start));
    return 0;
}

int smtp_content_finish(SmtpContent *content, Buffer *out)
{
    const char *tail = content->in_line ? "\r\n.\r\n" : ".\r\n";
    int r = buffer_append(out, tail, strlen(tail) - (content->stuff_dots ? 0 : strlen(".\r\n")));

    if (r < 0)
        return r;
    content->in_line = content->last_was_cr = false;
    return 0;
}
