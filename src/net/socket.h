/* Opening a TCP connection without blocking: one address after the other, each with its share of
 * the time. */
#pragma once

#include "base/failure.h"
#include "net/resolve.h"

typedef struct SocketDial SocketDial;

/* Everything is borrowed and must outlive the dial. */
int socket_dial_new(
    const RelayConfig *relay, const LookupResult *found, usec_t now, SocketDial **ret);
void socket_dial_free(SocketDial *dial); /* closes what is open; accepts NULL */

/* 1 when a connection stands, 0 when socket_dial_fd() must become writable or the deadline pass, or
 * a negative errno with a Failure that tells every address tried, when none answered. */
int socket_dial_step(SocketDial *dial, usec_t now, Failure *f);

/* Of the current attempt. Each attempt has a descriptor of its own, perhaps with the number of the
 * one before. */
unsigned socket_dial_attempts(const SocketDial *dial);
int socket_dial_fd(const SocketDial *dial);
usec_t socket_dial_deadline(const SocketDial *dial); /* monotonic */

/* Which address is being tried, or was connected to. */
const struct sockaddr_storage *socket_dial_address(const SocketDial *dial);

/* The connected descriptor becomes the caller's. */
int socket_dial_take(SocketDial *dial);

DEFINE_CLEANUP(SocketDial, socket_dial_free);
