/* From a schedule that fails to a small one that fails in the same way. */
#pragma once

#include "world.h"

/* The schedule becomes a list of the decisions that matter. */
void shrink(Schedule *schedule, Fault fault);
