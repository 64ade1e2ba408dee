/* A configuration's text into a draft, by way of libconfig. */
#pragma once

#include "settings/draft.h"
#include "settings/source.h"

/* What is wrong in the text becomes mistakes of the draft, which borrows the source's file names.
 * 1; 0 where it could not be read at all, so that nothing is known of what it sets; or -ENOMEM. */
int read_settings(Draft *draft, const Source *source);
