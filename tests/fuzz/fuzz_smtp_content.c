/* smtp/content: whatever the message and the way it is cut, the output is what a reference of a few
 * lines makes of it, in the form for DATA and in that for BDAT. The first byte says where to cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/content.h"
#include "target.h"

static void encode(const char *data, size_t size, size_t step, bool stuff_dots, Buffer *out)
{
    SmtpContent content;

    smtp_content_init(&content, stuff_dots);
    for (size_t at = 0; at < size; at += step)
        if (smtp_content_encode(&content, data + at, MIN(step, size - at), out) < 0)
            abort();
    if (smtp_content_finish(&content, out) < 0)
        abort();
}

/* RFC 5321, 2.3.8 and 4.5.2, byte by byte: each CR, LF and CRLF is a line end, a dot at the start
 * of a line is doubled, and the last line has an end. At most twice as much and five bytes more. */
static size_t refer(const char *data, size_t size, bool stuff_dots, char *ret)
{
    char *to = ret;
    bool at_start = true;

    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n' && i > 0 && data[i - 1] == '\r')
            continue;
        if (at_start && data[i] == '.' && stuff_dots)
            *to++ = '.';
        at_start = data[i] == '\r' || data[i] == '\n';
        to = at_start ? stpcpy(to, "\r\n") : (*to = data[i], to + 1);
    }
    to = stpcpy(to, at_start ? "" : "\r\n");
    return (size_t)(stpcpy(to, stuff_dots ? ".\r\n" : "") - ret);
}

static void check(const char *data, size_t size, size_t step, bool stuff_dots)
{
    _cleanup_buffer_ Buffer encoded = {0};
    _cleanup_free_
    char *expected = malloc(2 * size + 6);
    size_t n;

    if (!expected)
        abort();
    n = refer(data, size, stuff_dots, expected);
    encode(data, size, step, stuff_dots, &encoded);
    if (buffer_size(&encoded) != n || (n > 0 && memcmp(buffer_data(&encoded), expected, n) != 0))
        abort();
}

const FuzzBudget fuzz_budget = {.steps = 50000, .steps_per_byte = 240};

void fuzz_input(const uint8_t *data, size_t size)
{
    size_t step = size > 0 ? (size_t)data[0] + 1 : 1;

    for (int stuff_dots = 0; stuff_dots < 2; stuff_dots++) {
        check((const char *)data, size, MAX(size, (size_t)1), stuff_dots);
        check((const char *)data, size, step, stuff_dots);
    }
}
