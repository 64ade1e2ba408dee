/* One run: a schedule, from its beginning to its end. */
#pragma once

#include "world.h"

/* What was found to be wrong, in words until the next run. */
Fault run_schedule(Schedule *schedule, bool shows, const char **ret_what);
