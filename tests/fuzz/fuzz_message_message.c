/* A whole message. What is handed out must be as long as was said, and be a message again. */
#include <stdint.h>
#include <string.h>

#include "message/message.h"
#include "target.h"

#define NOW 1767351845123456u

static int open_bytes(InputMemory *input, const void *data, size_t n, Message **ret)
{
    _cleanup_failure_ Failure f = {0};

    input_memory_init(input, data, n);
    return message_open(&input->base, NOW, "fuzz", ret, &f);
}

static void read_all(Message *message, Buffer *out)
{
    while (message_read(message, 1000, out) > 0)
        ;
    if (buffer_size(out) != message_size(message))
        abort();
}

/* The envelope is not in the content: a new one goes in front. That may be too much for a header.
 */
static void check_again(const Buffer *content)
{
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer file = {0}, again = {0};
    InputMemory input;

    if (buffer_append_string(&file, "X-Sender: <>\nX-Receiver: <a@b>\nX-EndOfInjectedXHeaders:\n") <
            0 ||
        buffer_append(&file, buffer_data(content), buffer_size(content)) < 0)
        abort();
    if (open_bytes(&input, buffer_data(&file), buffer_size(&file), &message) < 0) {
        if (buffer_size(&file) <= MESSAGE_HEADER_MAX)
            abort();
        return;
    }
    read_all(message, &again);
    if (buffer_size(&again) != buffer_size(content) ||
        memcmp(buffer_data(&again), buffer_data(content), buffer_size(content)) != 0)
        abort();
}

const FuzzBudget fuzz_budget = {.steps = 200000, .steps_per_byte = 800};

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer content = {0};
    InputMemory input;

    if (open_bytes(&input, data, size, &message) < 0)
        return;
    read_all(message, &content);
    check_again(&content);
}
