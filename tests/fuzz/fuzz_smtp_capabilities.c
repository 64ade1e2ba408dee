/* smtp/capabilities: any reply text leaves terminated, printable strings. */
#include <stdint.h>
#include <string.h>

#include "smtp/capabilities.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_printable(const char *text, size_t size)
{
    size_t n = strnlen(text, size);

    if (n == size)
        abort();
    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ' || text[i] > '~')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SmtpReply reply = {.code = 250};
    SmtpCapabilities capabilities;

    if (buffer_append(&reply.text, data, size) < 0)
        return 0;
    smtp_capabilities_parse(&reply, 0, &capabilities);
    check_printable(capabilities.domain, sizeof(capabilities.domain));
    check_printable(capabilities.mechanisms, sizeof(capabilities.mechanisms));
    (void)smtp_capabilities_offer(&capabilities, "PLAIN");
    smtp_reply_done(&reply);
    return 0;
}
