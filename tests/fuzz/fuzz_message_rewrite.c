/* A message whose authors get other addresses. Where none is replaced it must be what it was, byte
 * for byte; where each is, nothing is left to replace, and what is behind the header stays. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "message/rewrite.h"
#include "target.h"

typedef struct Asked {
    const char *to; /* NULL: each stays */
    unsigned times, others;
} Asked;

static int replace(void *user, const char *address, char **ret)
{
    Asked *asked = user;

    asked->times++;
    asked->others += !asked->to || strcmp(address, asked->to) != 0;
    *ret = asked->to ? strdup(asked->to) : NULL;
    return asked->to && !*ret ? -ENOMEM : 0;
}

static bool is_same(const Buffer *a, const char *b, size_t n)
{
    return buffer_size(a) == n && (n == 0 || memcmp(buffer_data(a), b, n) == 0);
}

const FuzzBudget fuzz_budget = {.steps = 50000, .steps_per_byte = 400};

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_buffer_ Buffer kept = {0}, replaced = {0}, again = {0};
    Asked none = {0}, first = {.to = "new@there.test"}, second = first;
    const char *text = (const char *)data;

    if (size == 0)
        return;
    if (message_rewrite(text, size, replace, &none, &kept) < 0 ||
        message_rewrite(text, size, replace, &first, &replaced) < 0)
        abort();
    if (!is_same(&kept, text, size) || none.times != first.times)
        abort();
    if (message_rewrite(buffer_data(&replaced), buffer_size(&replaced), replace, &second, &again) <
        0)
        abort();
    if (second.others > 0 || second.times != first.times ||
        !is_same(&again, buffer_data(&replaced), buffer_size(&replaced)))
        abort();
}
