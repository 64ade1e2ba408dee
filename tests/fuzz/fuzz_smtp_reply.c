/* smtp/reply: any bytes, in two pieces, give the same replies as in one. What is a reply to the
 * letter of RFC 5321 is read as one, with the same code, end and text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/reply.h"
#include "target.h"

#define MAX_LINE 256

typedef struct Seen {
    int result, code;
    size_t consumed;
    unsigned lines;
    size_t text_bytes;
} Seen;

/* Reads on while whole replies come; `first` bytes are offered before the rest. */
static Seen read_all(const char *data, size_t size, size_t first)
{
    SmtpReply reply = {0};
    size_t from = 0, end = first, consumed;
    Seen seen = {0};

    for (;;) {
        seen.result = smtp_reply_parse(&reply, data + from, end - from, MAX_LINE, &consumed);
        if (consumed > end - from || (seen.result == SMTP_REPLY_COMPLETE && consumed == 0))
            abort();
        from += consumed;
        if (seen.result == SMTP_REPLY_COMPLETE) {
            if (reply.code < 200 || reply.code > 599 || reply.lines == 0)
                abort();
            seen.code = reply.code;
            seen.lines += reply.lines;
            seen.text_bytes += buffer_size(&reply.text);
        } else if (seen.result != SMTP_REPLY_MORE || end == size) {
            break;
        } else {
            end = size;
        }
    }
    seen.consumed = from;
    smtp_reply_done(&reply);
    return seen;
}

/* ---- the reader of RFC 5321, 4.2, which bears nothing that is not in its grammar ---- */

static bool is_textstring(char c)
{
    return c == '\t' || (c >= ' ' && c <= '~');
}

/* *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF, all codes the same
 * (4.2.1). Bytes of the first reply, its text with LF line ends appended to `text`; 0: there is
 * none.
 */
static size_t read_strictly(const char *data, size_t size, char code[static 3], Buffer *text)
{
    size_t at = 0, end;
    bool last = false, has_text;

    while (!last) {
        if (size - at < 5 || data[at] < '2' || data[at] > '5' || data[at + 1] < '0' ||
            data[at + 1] > '5' || data[at + 2] < '0' || data[at + 2] > '9' ||
            (at > 0 && memcmp(data + at, code, 3) != 0))
            return 0;
        memcpy(code, data + at, 3);
        at += 3;
        last = data[at] != '-';
        has_text = data[at] == '-' || data[at] == ' ';
        at += has_text;
        for (end = at; has_text && end < size && is_textstring(data[end]);)
            end++;
        if (size - end < 2 || memcmp(data + end, "\r\n", 2) != 0 || (last && has_text && end == at))
            return 0;
        if (buffer_append(text, data + at, end - at) < 0 || buffer_append(text, "\n", 1) < 0)
            abort();
        at = end + 2;
    }
    return at;
}

/* Whether each line of a text is what `strict` has, or its end behind an enhanced status code. */
static bool has_same_lines(const SmtpReply *reply, const Buffer *strict)
{
    const char *ours = buffer_data(&reply->text), *theirs = buffer_data(strict);
    const char *end = theirs + buffer_size(strict);
    size_t n_code = strlen(reply->enhanced);

    while (theirs < end) {
        size_t n = (size_t)((char *)rawmemchr(ours, '\n') - ours) + 1;
        size_t n_strict = (size_t)((char *)rawmemchr(theirs, '\n') - theirs) + 1;
        size_t n_front = n_strict - n;

        if (n_strict < n || memcmp(ours, theirs + n_front, n) != 0)
            return false;
        if (n_front > 0 && (n_front != n_code + (theirs[n_code] == ' ') ||
                               memcmp(theirs, reply->enhanced, n_code) != 0))
            return false;
        ours += n;
        theirs += n_strict;
    }
    return ours == buffer_data(&reply->text) + buffer_size(&reply->text);
}

static bool has_line_over(const char *data, size_t size, size_t max)
{
    const char *end = data + size;

    for (const char *next; data < end; data = next) {
        next = (const char *)rawmemchr(data, '\n') + 1;
        if ((size_t)(next - data) > max)
            return true;
    }
    return false;
}

static void compare(const char *data, size_t size)
{
    _cleanup_(smtp_reply_done) SmtpReply reply = {0};
    _cleanup_buffer_ Buffer text = {0};
    char code[4] = "";
    size_t consumed, strict = read_strictly(data, size, code, &text);
    int r = smtp_reply_parse(&reply, data, size, MAX_LINE, &consumed);

    if (strict == 0 || has_line_over(data, strict, MAX_LINE))
        return;
    if (r == SMTP_REPLY_TOO_LONG) {
        if (strict <= SMTP_REPLY_BYTES_MAX && reply.lines < SMTP_REPLY_LINES_MAX)
            abort();
        return;
    }
    if (r != SMTP_REPLY_COMPLETE || consumed != strict || reply.code != atoi(code) ||
        !has_same_lines(&reply, &text))
        abort();
}

const FuzzBudget fuzz_budget = {.steps = 100000, .steps_per_byte = 100};

void fuzz_input(const uint8_t *data, size_t size)
{
    Seen whole = read_all((const char *)data, size, size);
    Seen split = read_all((const char *)data, size, size / 2);

    if (whole.result != split.result || whole.code != split.code || whole.lines != split.lines ||
        whole.text_bytes != split.text_bytes || whole.consumed != split.consumed)
        abort();
    compare((const char *)data, size);
}
