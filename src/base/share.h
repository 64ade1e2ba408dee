/* The part of a limit that is this process's, where several processes keep it together. */
#pragma once

#include <stdbool.h>

typedef struct Share {
    unsigned place, count; /* it is that one, from 0, of so many */
    bool known;            /* the others have heard of it, and leave it its part */
} Share;

#define SHARE_WHOLE ((Share){.place = 0, .count = 1, .known = true})

/* The parts of all are the limit together; where there are more processes than that, and as long as
 * the others do not know of this one, it is one. */
unsigned share_of(const Share *share, unsigned limit);
