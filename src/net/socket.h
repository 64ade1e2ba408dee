/* Opening a TCP connection without blocking, to the first of a relay's addresses that answers:
 * "happy eyeballs" (RFC 8305, 5). The next address is tried when one fails, or 250 ms after the
 * last; those that are under way go on beside it, and are closed when one has answered.
 *
 * A connected address may turn out to be of no use: then the dial goes on with those that are left.
 */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "net/avoid.h"
#include "net/resolve.h"

typedef struct SocketDial SocketDial;

typedef struct SocketDialOptions {
    const RelayConfig *relay;
    const AddressList *found;
    AvoidList *avoid; /* addresses that fail are noted there; or NULL */
    bool to_proxy;    /* the addresses are those of the relay's proxy */
    /* Told of each attempt that is begun; or NULL. */
    void (*begun)(void *user, const struct sockaddr_storage *address);
    void *user;
} SocketDialOptions;

/* Everything but the options themselves is borrowed and must outlive the dial. The addresses are
 * taken in their order. */
int socket_dial_new(const SocketDialOptions *options, usec_t now, SocketDial **ret);
void socket_dial_free(SocketDial *dial); /* closes what is open; accepts NULL */

/* 1 when a connection stands, 0 when socket_dial_fd() must become ready or the deadline pass, or a
 * negative errno with a Failure that tells every address tried since the last connection, when none
 * answered. socket_dial_is_own() then says whether that is no address's fault. */
int socket_dial_step(SocketDial *dial, usec_t now, Failure *f);
bool socket_dial_is_own(const SocketDial *dial);

/* The connected descriptor becomes the caller's, with its address, borrowed from the list. The
 * address is not tried again. */
int socket_dial_take(SocketDial *dial, const struct sockaddr_storage **ret_address);

/* How many addresses have not been tried to their end: a further dial can be begun with
 * socket_dial_resume(). Connecting may take no longer in all than the settings allow, but for a few
 * seconds that each dial has. */
size_t socket_dial_left(const SocketDial *dial);
void socket_dial_resume(SocketDial *dial, usec_t now);

/* The address that was taken last is to be tried once more, before others that are left. */
void socket_dial_again(SocketDial *dial);

/* What is waited for. The descriptor is one attempt's, or an epoll descriptor while there are
 * several; each has a number of its own in socket_dial_watches(). */
int socket_dial_fd(const SocketDial *dial);
short socket_dial_events(const SocketDial *dial);
unsigned socket_dial_watches(const SocketDial *dial);
usec_t socket_dial_deadline(const SocketDial *dial); /* monotonic */

/* So long nobody looked: that time does not count. */
void socket_dial_put_off(SocketDial *dial, usec_t time);

/* "192.0.2.1: Connection refused, ..." of every address that did not answer, or "". */
const char *socket_dial_tried(const SocketDial *dial);

DEFINE_CLEANUP(SocketDial, socket_dial_free);
