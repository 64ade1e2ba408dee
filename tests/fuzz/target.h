/* What a fuzz target is: a function over bytes, and the number of steps it may take for them.
 *
 * A target aborts where something is not as it must be. That it costs no more than linear time is
 * counted around it, in the steps of tests/support/steps.h, wherever it runs: over its corpus in
 * `make check`, over the long inputs that are made of it there, and in the fuzzer. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FUZZ_INPUT_MAX (1024 * 1024) /* as much as the header of a message may have */

/* Steps that an input may take: so many, and so many a byte. Both are twice what was measured of
 * the dearest, without the optimiser; a build with it takes fewer. */
typedef struct FuzzBudget {
    uint64_t steps, steps_per_byte;
} FuzzBudget;

extern const FuzzBudget fuzz_budget;

void fuzz_input(const uint8_t *data, size_t size);

/* What the target has made of its input, and reads in turn, is so many bytes of input more. */
void fuzz_allow(uint64_t bytes);

/* As a fuzzer calls it: fuzz_input() within its budget. 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The steps that the last input took. */
uint64_t fuzz_steps(void);
