/* Which recipients of a message the user, or its header, names where: stop_on_to_errors,
 * stop_on_cc_errors and stop_on_bcc_errors of a relay go by it. */
#pragma once

#include "smtp/session.h"
#include "tool/input.h"

/* The kind of each recipient of the message's envelope: what the options --to, --cc and --bcc say,
 * where any of them or `recipients` (the arguments, which are as --to) names one; else what the
 * header says. 0 or an exit status. */
int send_kinds(
    const ToolInput *input, char **recipients, const Message *message, AddresseeKind *ret);

/* Marks those without whom the relay's settings do not let the message go. Whether there are any.
 */
bool send_require(
    const RelayConfig *relay, const AddresseeKind *kinds, SmtpRecipient *recipients, size_t n);
