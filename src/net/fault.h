/* Every failure of a transport as the outcome that the layers above share. */
#pragma once

#include "base/failure.h"
#include "base/outcome.h"
#include "net/transport.h"

/* A transport that did not come up. The text is borrowed from `failure`. */
DeliveryOutcome fault_before_session(const Connection *connection, const Failure *failure);

/* A transport that broke below the session: where the session was is for it to say. */
DeliveryOutcome fault_in_session(const Failure *failure);
