/* message/convert: whatever the message, what comes of it can be had twice, is as long as was said,
 * and has nothing that a relay could not take: no long line, and no byte above 127 but in fields of
 * headers. What was converted can be converted again. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "message/convert.h"
#include "message/form.h"
#include "message/message.h"
#include "target.h"

/* A part of a byte has a boundary of a byte, and gets the two longest fields. */
#define GROWTH_MAX 16
#define FIELDS_MAX 200

static void read_all(Input *input, size_t piece, Buffer *out)
{
    uint64_t at = 0;
    ssize_t n;

    do {
        char *room = buffer_reserve(out, piece);

        if (!room)
            exit(0);
        n = input_read_at(input, room, piece, at);
        if (n < 0)
            abort();
        buffer_commit(out, (size_t)n);
        at += (uint64_t)n;
    } while (n > 0);
    if (at != input->size)
        abort();
}

static void check_lines(const Buffer *text)
{
    ContentForm form = {0};

    form_add(&form, buffer_data(text), buffer_size(text));
    form_finish(&form);
    if (form.has_long_lines)
        abort();
}

static void check_again(const Buffer *first)
{
    _cleanup_(convert_free_p) Convert *convert = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer again = {0};
    InputMemory input;
    int r;

    input_memory_init(&input, buffer_data(first), buffer_size(first));
    r = convert_new(&input.base, false, &convert, &f);
    if (r == -ENOMEM)
        exit(0);
    if (r < 0) {
        /* The fields that were added may be too much for a header. */
        if (buffer_size(first) <= MESSAGE_HEADER_MAX)
            abort();
        return;
    }
    read_all(convert_input(convert), 777, &again);
    check_lines(&again);
}

const FuzzBudget fuzz_budget = {.steps = 500000, .steps_per_byte = 1200};

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_(convert_free_p) Convert *convert = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer first = {0}, second = {0};
    InputMemory input;

    input_memory_init(&input, data, size);
    if (convert_new(&input.base, false, &convert, &f) < 0)
        return;
    if (convert_input(convert)->size > size * GROWTH_MAX + FIELDS_MAX)
        abort();
    fuzz_allow(convert_input(convert)->size);
    read_all(convert_input(convert), 4096, &first);
    read_all(convert_input(convert), 97, &second);
    if (buffer_size(&first) != buffer_size(&second) ||
        (buffer_size(&first) > 0 &&
            memcmp(buffer_data(&first), buffer_data(&second), buffer_size(&first)) != 0))
        abort();
    check_lines(&first);
    check_again(&first);
}
