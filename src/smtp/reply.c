/* Parses SMTP replies (RFC 5321, 4.2) line by line. Must never take bytes of the next reply, nor
 * pass a limit because of what the peer says. */
#include "smtp/reply.h"

#include <errno.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The code a line begins with; 0 while it is cut short, -1 when no reply begins like this. */
static int line_code(const char *line, size_t n)
{
    for (size_t i = 0; i < MIN(n, (size_t)3); i++)
        if (!is_digit(line[i]))
            return -1;
    if (n > 0 && (line[0] < '2' || line[0] > '5'))
        return -1;
    if (n > 3 && !memchr(" -\r\n", line[3], 4))
        return -1;
    if (n < 3)
        return 0;
    return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

/* Length of 1 to 3 digits at the start; 0 when there are none, or more. */
static size_t digits_length(const char *text, size_t n)
{
    size_t i = 0;

    while (i < n && is_digit(text[i]))
        i++;
    return i <= 3 ? i : 0;
}

/* Length of the enhanced status code that begins a text (RFC 2034, 4), or 0. */
static size_t enhanced_length(const char *text, size_t n)
{
    size_t subject, detail, length;

    if (n < 5 || !memchr("245", text[0], 3) || text[1] != '.')
        return 0;
    subject = digits_length(text + 2, n - 2);
    if (subject == 0 || n < 2 + subject + 2 || text[2 + subject] != '.')
        return 0;
    detail = digits_length(text + 3 + subject, n - 3 - subject);
    length = 3 + subject + detail;
    if (detail == 0 || (length < n && text[length] != ' '))
        return 0;
    return length;
}

/* Cuts off the enhanced code: it is remembered from the first line, and repeated on each further
 * one (RFC 2034, 4). */
static void take_enhanced(SmtpReply *reply, const char **text, size_t *n)
{
    size_t length = enhanced_length(*text, *n);

    if (length == 0)
        return;
    if (reply->lines == 0) {
        memcpy(reply->enhanced, *text, length);
        reply->enhanced[length] = '\0';
    } else if (strlen(reply->enhanced) != length || memcmp(reply->enhanced, *text, length) != 0) {
        return;
    }
    if (length < *n)
        length++;
    *text += length;
    *n -= length;
}

static int append_line(SmtpReply *reply, const char *text, size_t n)
{
    char *to = buffer_reserve(&reply->text, n + 2);

    if (!to)
        return -ENOMEM;
    memcpy(to, text, n);
    to[n] = '\n';
    to[n + 1] = '\0';
    buffer_commit(&reply->text, n + 1);
    return 0;
}

/* Some servers put empty lines between their replies, or into them: they say nothing. */
static bool is_empty(const char *line, size_t n)
{
    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n'))
        n--;
    return n == 0;
}

/* One line with its LF. */
static int parse_line(SmtpReply *reply, const char *line, size_t n)
{
    const char *text;
    int code, r;
    bool last;

    reply->bytes += n;
    n--;
    while (n > 0 && line[n - 1] == '\r')
        n--;
    code = line_code(line, n);
    if (code <= 0 || (reply->lines > 0 && code != reply->code))
        return SMTP_REPLY_MALFORMED;
    if (reply->lines >= SMTP_REPLY_LINES_MAX || reply->bytes > SMTP_REPLY_BYTES_MAX)
        return SMTP_REPLY_TOO_LONG;
    reply->code = code;
    last = n == 3 || line[3] != '-';
    text = line + MIN(n, (size_t)4);
    n -= MIN(n, (size_t)4);
    take_enhanced(reply, &text, &n);
    r = append_line(reply, text, n);
    if (r < 0)
        return r;
    reply->lines++;
    return last ? SMTP_REPLY_COMPLETE : SMTP_REPLY_MORE;
}

static void start(SmtpReply *reply)
{
    buffer_clear(&reply->text);
    reply->code = 0;
    reply->enhanced[0] = '\0';
    reply->lines = 0;
    reply->bytes = 0;
    reply->complete = false;
}

/* The bytes end within a line, or within what a line may have: whether it can still become one. */
static int judge_partial(const char *line, size_t n, size_t max_line)
{
    if (line_code(line, n) < 0 && !is_empty(line, n))
        return SMTP_REPLY_MALFORMED;
    return n >= max_line ? SMTP_REPLY_TOO_LONG : SMTP_REPLY_MORE;
}

int smtp_reply_parse(
    SmtpReply *reply, const char *data, size_t n, size_t max_line, size_t *ret_consumed)
{
    size_t consumed = 0;
    int r = SMTP_REPLY_MORE;

    *ret_consumed = 0;
    if (reply->complete)
        start(reply);
    while (r == SMTP_REPLY_MORE && consumed < n) {
        const char *line = data + consumed;
        const char *end = memchr(line, '\n', n - consumed);
        size_t length = end ? (size_t)(end - line) + 1 : 0;

        if (!end || length > max_line)
            return judge_partial(line, n - consumed, max_line);
        if (is_empty(line, length) && reply->bytes < SMTP_REPLY_BYTES_MAX)
            reply->bytes += length;
        else
            r = parse_line(reply, line, length);
        if (r != SMTP_REPLY_COMPLETE && r != SMTP_REPLY_MORE)
            return r;
        consumed += length;
        *ret_consumed = consumed;
    }
    reply->complete = r == SMTP_REPLY_COMPLETE;
    return r;
}

void smtp_reply_done(SmtpReply *reply)
{
    buffer_done(&reply->text);
    *reply = (SmtpReply){0};
}
