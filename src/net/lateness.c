/* Being late. Must never excuse anybody twice for the same silence. */
#include "net/lateness.h"

#define LATE USEC_PER_SEC /* no loop that only serves connections is */

void lateness_wait(Lateness *lateness, usec_t now, usec_t due)
{
    lateness->waited = now;
    lateness->due = due;
}

usec_t lateness_excuse(Lateness *lateness, usec_t now, bool found)
{
    bool late = lateness->due > 0 && now > usec_add(lateness->due, LATE);
    bool excused = late && (found || !lateness->excused);

    lateness->excused = late;
    lateness->due = 0;
    return excused ? now - lateness->waited : 0;
}

void lateness_put_off(usec_t *deadline, usec_t time)
{
    if (*deadline > 0)
        *deadline = usec_add(*deadline, time);
}
