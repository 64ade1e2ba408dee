/* How far the database's clock is from this machine's. Must never let a wrong clock of one machine
 * decide for all others when a message is due, or that it is too old. */
#include "database/clocks.h"

/* An answer that took longer says too little; and a difference that is no larger may be the
 * answer's way. */
#define ANSWER_MAX (5 * USEC_PER_SEC)
#define DIFFERENCE_MIN (2 * (int64_t)USEC_PER_SEC)

void database_clocks_compare(DatabaseSource *d, int64_t there, usec_t asked, usec_t answered)
{
    usec_t took = answered - asked;
    int64_t ahead = there - (int64_t)(clock_realtime() - took / 2);

    if (there <= 0 || took > ANSWER_MAX)
        return;
    d->clock_ahead = ahead < DIFFERENCE_MIN && ahead > -DIFFERENCE_MIN ? 0 : ahead;
}

static usec_t add(usec_t time, int64_t difference)
{
    if (time == 0 || time == USEC_NEVER)
        return time;
    if (difference < 0 && time <= (usec_t)-difference)
        return 1;
    return time + (usec_t)difference;
}

usec_t database_time_here(const DatabaseSource *d, int64_t there)
{
    return there <= 0 ? 0 : add((usec_t)there, -d->clock_ahead);
}

usec_t database_time_there(const DatabaseSource *d, usec_t here)
{
    return add(here, d->clock_ahead);
}
