/* The value of an X-Sender or X-Receiver field. What it gives must fit into an SMTP command. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "message/envelope.h"
#include "target.h"

const FuzzBudget fuzz_budget = {.steps = 100000, .steps_per_byte = 400};

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_free_
    char *address = NULL, *parameters = NULL;
    _cleanup_envelope_ Envelope e = {0};
    _cleanup_failure_ Failure f = {0};

    if (envelope_parse_field((const char *)data, size, &address, &parameters, &f) < 0)
        return;
    if (strpbrk(address, "\r\n") || (parameters && strpbrk(parameters, "\r\n")))
        abort();
    if (envelope_set_sender(&e, address, parameters, &f) >= 0 && e.sender_parameters &&
        envelope_check_parameters(e.sender_parameters, ENVELOPE_SENDER, &f) < 0)
        abort();
    (void)envelope_add_recipient(&e, address, parameters, &f);
}
