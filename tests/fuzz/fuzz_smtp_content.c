/* smtp/content: whatever the message and the way it is cut, the output has CRLF line ends only, no
 * early end, and is the same as uncut. The first byte says where to cut. */
#include <stdint.h>
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

static void check_lines(const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((data[i] == '\r' && (i + 1 == n || data[i + 1] != '\n')) ||
            (data[i] == '\n' && (i == 0 || data[i - 1] != '\r')))
            abort();
}

const FuzzBudget fuzz_budget = {.steps = 50000, .steps_per_byte = 240};

void fuzz_input(const uint8_t *data, size_t size)
{
    size_t step = size > 0 ? (size_t)data[0] + 1 : 1;

    for (int stuff_dots = 0; stuff_dots < 2; stuff_dots++) {
        Buffer whole = {0}, cut = {0};

        encode((const char *)data, size, MAX(size, (size_t)1), stuff_dots, &whole);
        encode((const char *)data, size, step, stuff_dots, &cut);
        if (buffer_size(&whole) != buffer_size(&cut) ||
            (buffer_size(&cut) > 0 &&
                memcmp(buffer_data(&whole), buffer_data(&cut), buffer_size(&cut)) != 0))
            abort();
        check_lines(buffer_data(&whole), buffer_size(&whole));
        if (stuff_dots && buffer_size(&whole) > 5 &&
            memmem(buffer_data(&whole), buffer_size(&whole) - 1, "\r\n.\r\n", 5))
            abort();
        buffer_done(&whole);
        buffer_done(&cut);
    }
}
