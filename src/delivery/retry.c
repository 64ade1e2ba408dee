/* The back-off of one message. Must never look at the clock. */
#include "delivery/retry.h"

usec_t retry_pause(const RetryConfig *retry, unsigned attempt, uint32_t random)
{
    double pause = (double)retry->first;

    for (unsigned i = 1; i < attempt && pause < (double)retry->max; i++)
        pause *= retry->factor;
    if (pause > (double)retry->max)
        pause = (double)retry->max;
    return (usec_t)(pause - pause / 10 * ((double)random / (double)UINT32_MAX));
}

bool retry_is_over(const RetryConfig *retry, unsigned attempt, usec_t first, usec_t now)
{
    if (retry->max_attempts > 0 && attempt >= retry->max_attempts)
        return true;
    return retry->give_up_after > 0 && attempt > 1 && clock_age(first, now) >= retry->give_up_after;
}
