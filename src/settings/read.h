/* A configuration's text into a draft, by way of libconfig. */
#pragma once

#include "settings/draft.h"
#include "settings/source.h"

/* What is wrong in the text becomes mistakes of the draft, which borrows the source's file names. 0
 * or -ENOMEM. */
int read_settings(Draft *draft, const Source *source);
