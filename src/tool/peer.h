/* Who is at the other end of a TCP connection: a program of this machine, whose user the kernel
 * knows, or another host. */
#pragma once

#include <arpa/inet.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/failure.h"

typedef struct Peer {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address, own; /* IPv4 is IPv4, however the socket has it */
    bool is_own;    /* the other end is at an address of this machine, loopback or not */
    bool is_gone;   /* there is none any more: nothing else is known */
    char text[INET6_ADDRSTRLEN];
} Peer;

/* True with the peer; false: this is no TCP connection, nor what is left of one. */
bool peer_look(int fd, Peer *ret);

/* Whether the other end has closed the connection; with whether it has sent what nobody has read.
 */
bool peer_has_closed(int fd, bool *ret_has_sent);

/* The user who has the other end open, where that is this machine's own. 0; -ENOENT: nobody has any
 * more, or another negative errno, with a Failure. */
int peer_user(const Peer *peer, uid_t *ret, Failure *f);

/* From now on this process is that user's, with the groups that the user has, and has no other's
 * rights left. 0 or a negative errno with a Failure. */
int peer_become(uid_t user, Failure *f);

/* Takes one of the places for connections that a user has in that directory, for as long as this
 * process lives. 0; -EBUSY: they are all taken; or another negative errno. */
int peer_take_place(const char *directory, uid_t user);
