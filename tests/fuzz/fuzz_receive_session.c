/* receive/session: whatever a client sends is read the same whole and byte by byte; no message ends
 * but by its own end; and nothing is told out of order. */
#include <stdlib.h>
#include <string.h>

#include "receive/session.h"
#include "target.h"

#define MESSAGE_MAX 5000

const FuzzBudget fuzz_budget = {.steps = 20000, .steps_per_byte = 200};

/* What was told, as one number. Octets of a message count when it is complete: how many were passed
 * on of one that is refused depends on how they came. */
typedef struct Told {
    uint64_t sum, message, in_message;
    bool open;
} Told;

static uint64_t mix(uint64_t sum, unsigned value)
{
    return (sum ^ value) * UINT64_C(0x100000001b3);
}

static void tell_replies(ReceiveSession *s, Told *told)
{
    Buffer *replies = receive_session_replies(s);

    for (size_t i = 0; i < buffer_size(replies); i++)
        told->sum = mix(told->sum, (unsigned char)buffer_data(replies)[i]);
    buffer_clear(replies);
}

static void tell_text(Told *told, const char *text)
{
    for (; text && *text; text++)
        told->sum = mix(told->sum, (unsigned char)*text);
}

static void tell_content(Told *told, const ReceivePart *part)
{
    if (!told->open || part->n == 0)
        abort();
    for (size_t i = 0; i < part->n; i++)
        told->message = mix(told->message, (unsigned char)part->data[i]);
    told->in_message += part->n;
    if (told->in_message > MESSAGE_MAX)
        abort();
}

static void tell(ReceiveSession *s, ReceiveEvent event, const ReceivePart *part, Told *told)
{
    bool takes = !part->address || part->address[0] != 'n';

    if (told->open == (event == RECEIVE_SENDER) && event != RECEIVE_CLOSE)
        abort();
    told->sum = mix(told->sum, 1000 + (unsigned)event);
    tell_text(told, part->address);
    tell_text(told, part->parameters);
    if (event == RECEIVE_SENDER) {
        *told = (Told){.sum = told->sum, .open = takes};
    } else if (event != RECEIVE_RECIPIENT) {
        if (event == RECEIVE_END)
            told->sum = mix(told->sum, (unsigned)told->message);
        told->open = false;
    }
    if (event == RECEIVE_DROP || event == RECEIVE_CLOSE)
        return;
    if (takes)
        receive_session_accept(s, "taken");
    else
        receive_session_refuse(s, 550, "5.1.1", "nobody");
}

/* False at the end of the session. */
static bool feed(ReceiveSession *s, const char *data, size_t n, Told *told)
{
    for (;;) {
        ReceivePart part;
        ReceiveEvent event = receive_session_take(s, &data, &n, &part);

        tell_replies(s, told);
        if (event == RECEIVE_MORE) {
            if (n > 0)
                abort();
            return true;
        }
        if (event == RECEIVE_CONTENT)
            tell_content(told, &part);
        else
            tell(s, event, &part, told);
        tell_replies(s, told);
        if (event == RECEIVE_CLOSE)
            return false;
    }
}

static void run(const uint8_t *data, size_t size, size_t piece, Told *told)
{
    ReceiveSession *s = receive_session_new("mx.test", MESSAGE_MAX);
    bool goes_on = true;

    if (!s)
        abort();
    for (size_t at = 0; at < size && goes_on; at += piece)
        goes_on = feed(s, (const char *)data + at, piece < size - at ? piece : size - at, told);
    if (receive_session_end(s))
        told->sum = mix(told->sum, 1);
    tell_replies(s, told);
    receive_session_free(s);
}

void fuzz_input(const uint8_t *data, size_t size)
{
    Told whole = {0}, bytes = {0};

    run(data, size, size > 0 ? size : 1, &whole);
    run(data, size, 1, &bytes);
    if (whole.sum != bytes.sum)
        abort();
}
