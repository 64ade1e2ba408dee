/* What who wrote a message can do about a recipient that did not get it. Inside the layer only.
 * Pure.
 */
#pragma once

#include "message/dsn.h"

/* A sentence without its end; NULL: nothing is known that they could do themselves. */
const char *dsn_advice(const DsnRecipient *recipient);
