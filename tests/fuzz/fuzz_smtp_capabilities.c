/* smtp/capabilities: any reply text leaves terminated, printable strings. */
#include <stdint.h>
#include <string.h>

#include "smtp/capabilities.h"
#include "target.h"

static void check_printable(const char *text, size_t size)
{
    size_t n = strnlen(text, size);

    if (n == size)
        abort();
    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ' || text[i] > '~')
            abort();
}

const FuzzBudget fuzz_budget = {.steps = 50000, .steps_per_byte = 2400};

void fuzz_input(const uint8_t *data, size_t size)
{
    SmtpReply reply = {.code = 250};
    SmtpCapabilities capabilities;

    if (buffer_append(&reply.text, data, size) < 0)
        return;
    smtp_capabilities_parse(&reply, 0, &capabilities);
    check_printable(capabilities.domain, sizeof(capabilities.domain));
    check_printable(capabilities.mechanisms, sizeof(capabilities.mechanisms));
    (void)smtp_capabilities_offer(&capabilities, "PLAIN");
    smtp_reply_done(&reply);
}
