/* How many messages are claimed before the first of them is taken: all there is room for, or few
 * after some went back, and twice as many with each that is taken. */
#pragma once

#include <stddef.h>

#include "base/macros.h"

#define AHEAD_ALL 200
#define AHEAD_FEW 2

static inline void ahead_grow(size_t *ahead)
{
    *ahead = MIN(2 * *ahead, (size_t)AHEAD_ALL);
}
