/* What is said to and by a relay. Must never print control characters of the relay's. */
#include "tool/dialogue.h"

#include <string.h>

#include "tool/terminal.h"

#define LINE_MAX_SHOWN 4096

void dialogue_print(void *user _unused_, SmtpTraceDirection direction, const char *line, size_t n)
{
    static const char marks[] = {
        [SMTP_TRACE_CLIENT] = '>', [SMTP_TRACE_SERVER] = '<', [SMTP_TRACE_INFO] = '*'};

    fprintf(stderr, "%c ", marks[direction]);
    (void)terminal_print_bytes(stderr, line, n, LINE_MAX_SHOWN);
    fputc('\n', stderr);
}

void dialogue_print_reply(FILE *out, const char *about, const SmtpReply *reply)
{
    const char *at = buffer_data(&reply->text), *end = at + buffer_size(&reply->text), *next;

    for (; at < end; at = next + 1) {
        next = memchr(at, '\n', (size_t)(end - at)) ?: end;
        if (about) {
            (void)terminal_print(out, about, LINE_MAX_SHOWN);
            fputs(": ", out);
        }
        fprintf(out, "%d%c%s%s", reply->code, !about && next + 1 < end ? '-' : ' ', reply->enhanced,
            reply->enhanced[0] ? " " : "");
        (void)terminal_print_bytes(out, at, (size_t)(next - at), LINE_MAX_SHOWN);
        fputc('\n', out);
    }
}
