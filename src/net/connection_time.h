/* Time as a connection counts it: `absolute_timeout`, and what is not the server's silence. For
 * net/connection.c. */
#pragma once

#include "net/transport.h"

/* When connecting, from the lookup to READY, is given up whatever happens meanwhile; USEC_NEVER:
 * there is no such time, or READY has come. */
usec_t connection_end_of_opening(const Connection *connection);

/* The deadline of a transport that is coming up. */
usec_t connection_transport_deadline(const Connection *connection);

/* Sets the failure of a connection whose time is over. Returns a negative errno. */
int connection_time_out(Connection *connection);

/* Every deadline that it has, for time that is nobody's. */
void connection_put_off(Connection *connection, usec_t time);

/* Before a step, and when one has to wait (net/lateness.h). */
void connection_excuse_lateness(Connection *connection, usec_t now);
void connection_note_wait(Connection *connection, usec_t now);
