/* certificate/xml: no input makes it go on without an end, and whatever key it takes is one. */
#include <errno.h>

#include "certificate.h"
#include "certificate/xml.h"

const FuzzBudget fuzz_budget = {.steps = 150000, .steps_per_byte = 150};

void fuzz_input(const uint8_t *data, size_t size)
{
    const Bytes bytes = {data, size};

    (void)xml_is(bytes);
    check_reader(xml_read, data, size);
}
