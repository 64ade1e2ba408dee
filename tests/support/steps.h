/* Counts what code does, in steps and not in seconds, so that a test can tell linear from quadratic
 * on any machine.
 *
 * A step is a basic block that is run, or a byte that a function of the C library goes through on
 * its behalf. The code under test is compiled with STEPS_CFLAGS, for which the compiler calls the
 * counter in each block; the test is linked with STEPS_WRAP, which lead the library's functions
 * through the counter. So nothing in the code says that it is counted, and no new loop goes
 * uncounted. */
#pragma once

#include <stdint.h>

void steps_start(void);

/* The same; `over` is called with the step behind the first `limit`, so that what is far from
 * linear does not run to its end first. */
void steps_start_within(uint64_t limit, void (*over)(void));

/* Raises the limit. */
void steps_allow(uint64_t more);

/* How many there were since the start. */
uint64_t steps_stop(void);
