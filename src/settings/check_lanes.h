/* The lanes among each other, checked. */
#pragma once

#include "settings/draft.h"

/* As draft_set(). */
int check_lanes(Draft *draft);
