/* Where mail would go: the rules of `routes`, asked. */
#pragma once

#include <stdbool.h>

#include "settings/config.h"

/* Prints, of a message from that address (as people write it, "" or "<>" for none) in that lane
 * (NULL: none), by which rule and to which relays the mail of each recipient (NULL-terminated)
 * goes. Returns the exit status. */
int routes_print(
    const Config *config, const char *from, const char *lane, char *const *recipients, bool json);
