/* What no single setting can tell: combinations, what follows from other settings, and files. */
#pragma once

#include "settings/draft.h"

/* Resolves the automatic settings (port, tls, names) and notes every wrong combination as a mistake
 * of the draft. Looks at files, never at the network. 0 or -ENOMEM. */
int check_settings(Draft *draft);
