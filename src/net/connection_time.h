/* Time as a connection counts it: how fast it sends, and `absolute_timeout`. For net/connection.c.
 */
#pragma once

#include "net/transport.h"

/* When connecting, from the lookup to READY, is given up whatever happens meanwhile; USEC_NEVER:
 * there is no such time, or READY has come. */
usec_t connection_end_of_opening(const Connection *connection);

/* The deadline of a transport that is coming up. */
usec_t connection_transport_deadline(const Connection *connection);

/* Sets the failure of a connection whose time is over. Returns a negative errno. */
int connection_time_out(Connection *connection);
