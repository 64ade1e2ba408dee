/* What is wrong with the rules of `routes`. Inside the layer only. */
#pragma once

#include "settings/draft.h"

/* Makes them ready, or notes the first mistake in them. Behind the check of the relays, which have
 * their names by then. 0 or -ENOMEM. */
int check_routes(Draft *draft);
