/* certificate/jwk: no input makes it go on without an end, and whatever key it takes is one. */
#include <errno.h>

#include "certificate.h"
#include "certificate/jwk.h"

const FuzzBudget fuzz_budget = {.steps = 150000, .steps_per_byte = 150};

void fuzz_input(const uint8_t *data, size_t size)
{
    const Bytes bytes = {data, size};

    (void)jwk_is(bytes);
    check_reader(jwk_read, data, size);
}
