/* smtp/reply: any bytes, in two pieces, give the same replies as in one. */
#include <stdint.h>

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

const FuzzBudget fuzz_budget = {.steps = 100000, .steps_per_byte = 100};

void fuzz_input(const uint8_t *data, size_t size)
{
    Seen whole = read_all((const char *)data, size, size);
    Seen split = read_all((const char *)data, size, size / 2);

    if (whole.result != split.result || whole.code != split.code || whole.lines != split.lines ||
        whole.text_bytes != split.text_bytes || whole.consumed != split.consumed)
        abort();
}
