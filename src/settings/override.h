/* NAME=VALUE overrides into a draft. */
#pragma once

#include "settings/draft.h"

/* Applies `overrides` (NULL-terminated, or NULL) as settings/load.h describes them. Secrets are
 * refused unless the draft allows them: on a command line everyone can read them. 0 or -ENOMEM;
 * mistakes go to the draft. */
int override_settings(Draft *draft, const char *const *overrides);
