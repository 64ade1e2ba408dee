/* Simulated relays: SMTP servers whose faults the schedule decides. */
#pragma once

#include <netdb.h>
#include <sys/socket.h>

#include "kernel.h"

#define RELAYS_MAX 3
#define ADDRESSES_MAX 3

/* `steady`: the last of them has no faults of its own. */
void relays_begin(bool steady);
void relays_end(void);
/* Whether so many messages that are never answered take up all connections that the last one bears.
 */
bool relays_can_be_filled(unsigned n);

unsigned relays_count(void);

/* So long a client may be without anything getting on: connecting, with a dialogue, idle. After a
 * reload connections of the former settings are still there: the longest counts. */
void relay_set_patience(unsigned relay, usec_t connecting, usec_t talking, usec_t idle);

/* Name lookup: "relay1.sim" to its addresses, allocated. NULL: there is no such name. */
struct addrinfo *relay_addresses(const char *name, unsigned port);

/* ---- for the kernel ---- */

/* The socket connects to an address, and may send `ret_window` bytes beyond what the relay has
 * taken. NULL when that fails at once, with relay_connect_error(). */
Peer *relay_connect(Socket *socket, const struct sockaddr *address, unsigned *ret_window);
int relay_connect_error(void);

void relay_sent(Peer *peer, const char *data, unsigned n);

/* `reset`: there was something that it had not read. */
void relay_client_closed(Peer *peer, bool reset);
