/* Checks of the way through a proxy. */
#pragma once

#include "settings/draft.h"

/* Resolves what follows of it: the proxy of the environment where that is asked for, port, who
 * looks the relay's name up, whether the relay is an exception. To be called before the others, for
 * it takes the "*" before a host away. 0 or -ENOMEM. */
int check_proxy(Draft *draft, size_t relay);
