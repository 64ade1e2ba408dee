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

/* How many there were since steps_start(). */
uint64_t steps_stop(void);
