/* The dialogue on standard error. Must never print control characters of the server's. */
#include "tool/dialogue.h"

#include <stdio.h>

#include "base/text.h"

void dialogue_print(void *user _unused_, SmtpTraceDirection direction, const char *line, size_t n)
{
    static const char marks[] = {
        [SMTP_TRACE_CLIENT] = '>', [SMTP_TRACE_SERVER] = '<', [SMTP_TRACE_INFO] = '*'};
    _cleanup_free_
    char *printable = text_printable(line, n, 4096);

    fprintf(stderr, "%c %s\n", marks[direction], printable ?: "?");
}
