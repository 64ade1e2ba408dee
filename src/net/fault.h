/* Every failure of a transport as the outcome that the layers above share: cut off, with the cause.
 * The texts are borrowed from `failure`. */
#pragma once

#include "base/failure.h"
#include "base/outcome.h"
#include "net/transport.h"

/* A transport that did not come up, in the stage of the connection. */
DeliveryOutcome fault_of_transport(const Connection *connection, const Failure *failure);

/* A transport that broke below the session, which knows the stage and what was under way. */
DeliveryOutcome fault_in_session(const Failure *failure);
