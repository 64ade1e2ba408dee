/* Checks of what settings refer to: files, and where secrets come from. */
#pragma once

#include "settings/draft.h"

/* Every file and directory that a relay's settings name must exist; of a list with ';' the first
 * that exists is kept. What this user may not look at is left to its use: a user who may queue need
 * not be able to read what the daemon reads. 0 or -ENOMEM. */
int check_files(Draft *draft, size_t relay);

/* At most one source a secret (an override puts those of the file aside), none in a file that
 * everyone can read. 0 or -ENOMEM. */
int check_secret_sources(Draft *draft, size_t relay);
