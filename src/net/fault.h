/* Every failure of a transport as the outcome that the layers above share. */
#pragma once

#include "base/failure.h"
#include "base/outcome.h"
#include "net/transport.h"

/* A transport that did not come up: always the relay's fault. The text is borrowed from `failure`.
 */
DeliveryOutcome fault_before_session(const Connection *connection, const Failure *failure);

/* A transport that broke below the session, in the stage that the session is in: the relay's fault
 * up to AUTH, a temporary failure of what was under way later. */
DeliveryOutcome fault_in_session(const Connection *connection, const Failure *failure);
