/* What the end of a connection means for whoever asked for it: what to do about it, and the exit
 * status of a program. The one table of both, by cause. Pure. */
#pragma once

#include "base/outcome.h"
#include "settings/config.h"

/* What an operator can do, one sentence; NULL where the outcome's own words say it already. */
const char *advice_on(const DeliveryOutcome *outcome, const RelayConfig *relay);

/* The same of a recipient, whom a reply says enough of. */
const char *advice_without_reply(const DeliveryOutcome *outcome, const RelayConfig *relay);

/* Of sysexits.h. What a relay refuses for now, and any fault of its own, is worth another try (75),
 * also TLS that it does not offer though it is required: it may be mended, or somebody in between
 * gone. A login that it refuses is denied (77); what this side found has the status of its error; a
 * refusal for good of a message is 69, and nothing else is. */
int advice_status(const DeliveryOutcome *outcome);

/* Of several relays that are at fault, one after the other, in whatever order: of those before (0:
 * there are none) and of one more. What any of them may take later is worth another try. */
int advice_join_status(int before, int status);
