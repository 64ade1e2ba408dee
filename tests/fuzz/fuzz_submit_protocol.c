/* submit/protocol: whatever a client says, it is read the same whole and byte by byte, and within
 * its limits. */
#include <stdlib.h>
#include <string.h>

#include "submit/protocol.h"
#include "target.h"

#define MESSAGE_MAX 100000

const FuzzBudget fuzz_budget = {.steps = 20000, .steps_per_byte = 400};

/* What was told, as one number: the octets of messages count one by one. */
typedef struct Told {
    uint64_t sum, in_message;
    SubmitEvent last;
} Told;

static void tell(Told *told, unsigned value)
{
    told->sum = (told->sum ^ value) * UINT64_C(0x100000001b3);
}

/* False at the end of the connection. */
static bool feed(SubmitParser *parser, const char *data, size_t n, Told *told)
{
    for (;;) {
        _cleanup_failure_ Failure f = {0};
        SubmitPart part;
        SubmitEvent event = submit_parse(parser, &data, &n, &part, &f);

        told->last = event;
        if (event == SUBMIT_MORE) {
            if (n > 0)
                abort();
            return true;
        }
        if (event != SUBMIT_DATA)
            tell(told, 1000 + (unsigned)event);
        if (event == SUBMIT_COLUMNS)
            tell(told, (unsigned)part.n);
        for (size_t i = 0; part.data && i < part.n; i++)
            tell(told, (unsigned char)part.data[i]);
        told->in_message = event == SUBMIT_DATA ? told->in_message + part.n : 0;
        if (told->in_message > MESSAGE_MAX)
            abort();
        if (event == SUBMIT_WRONG) {
            if (!f.text || f.number == 0)
                abort();
            return false;
        }
    }
}

void fuzz_input(const uint8_t *data, size_t size)
{
    Told whole = {0}, bytes = {0};
    SubmitParser parser;

    submit_parser_init(&parser, MESSAGE_MAX);
    (void)feed(&parser, (const char *)data, size, &whole);
    submit_parser_init(&parser, MESSAGE_MAX);
    for (size_t i = 0; i < size && feed(&parser, (const char *)data + i, 1, &bytes); i++)
        continue;
    if (whole.sum != bytes.sum || (size > 0 && whole.last != bytes.last))
        abort();
}
