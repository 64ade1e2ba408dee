/* A limit on what is sent in a second. Must never let what was not sent in time be sent later in
 * one go. */
#include "net/rate.h"

#include "base/macros.h"

#define PORTIONS 10 /* a second */

size_t rate_allows(const Rate *rate, size_t wanted, usec_t now)
{
    uint64_t portion = MAX(rate->bytes / PORTIONS, (uint64_t)1);

    if (rate->bytes == 0)
        return wanted;
    return now < rate->free_at ? 0 : (size_t)MIN((uint64_t)wanted, portion);
}

/* Rounded up: what is sent in small pieces is no faster. */
void rate_note_sent(Rate *rate, size_t n, usec_t now)
{
    if (rate->bytes == 0 || n == 0)
        return;
    rate->free_at = usec_add(
        MAX(rate->free_at, now), ((uint64_t)n * USEC_PER_SEC + rate->bytes - 1) / rate->bytes);
}

usec_t rate_free_at(const Rate *rate)
{
    return rate->free_at;
}
