/* Runs a target within its budget. */
#include "target.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "steps.h"

static size_t input_size;
static uint64_t allowed, taken;

static void report_over(void)
{
    fprintf(stderr,
        "An input of %zu bytes takes more than the %" PRIu64
        " steps that its target allows it (%" PRIu64 " a byte and %" PRIu64
        "): what it does is not linear, or has become dearer. "
        "Where the program is stands below; mend what goes over its input more than once.\n",
        input_size, allowed, fuzz_budget.steps_per_byte, fuzz_budget.steps);
    abort();
}

void fuzz_allow(uint64_t bytes)
{
    allowed += bytes * fuzz_budget.steps_per_byte;
    steps_allow(bytes * fuzz_budget.steps_per_byte);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input_size = size;
    allowed = fuzz_budget.steps + size * fuzz_budget.steps_per_byte;
    steps_start_within(allowed, report_over);
    fuzz_input(data, size);
    taken = steps_stop();
    return 0;
}

uint64_t fuzz_steps(void)
{
    return taken;
}
