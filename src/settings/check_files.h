/* Checks of the files that settings refer to. */
#pragma once

#include "settings/draft.h"

/* Every file and directory that a relay's settings name must exist; of a list with ';' the first
 * that exists is kept. What this user may not look at is left to its use: a user who may queue need
 * not be able to read what the daemon reads. 0 or -ENOMEM. */
int check_files(Draft *draft, size_t relay);
