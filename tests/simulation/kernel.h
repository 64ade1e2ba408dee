/* Descriptors and sockets without a kernel, behind the system calls of src/net: linked with
 * --wrap, so that the code that is run is the very one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* The relay's end of a connection. */
typedef struct Peer Peer;

/* epoll's bits; 0: none of `events` is so, nor an error. */
uint32_t kernel_ready(int fd, uint32_t events);
void kernel_close(int fd);

/* A descriptor that is readable from some time on. */
int kernel_event_new(void);
void kernel_event_set(int fd);

/* ---- for the relay ---- */

typedef struct Socket Socket;

void socket_connected(Socket *socket);
void socket_refuse(Socket *socket, int error); /* the connection in the making fails */
/* They have come to the client's machine. `mark` is the acceptance that the last of them tells of;
 * 0: none. */
void socket_arrive(Socket *socket, const char *data, unsigned n, unsigned mark);
void socket_end(Socket *socket, bool reset);  /* nothing comes behind what has come */
void socket_took(Socket *socket, unsigned n); /* room in the window */
void socket_detach(Socket *socket);           /* the peer is no more */
/* So long the client may wait without anything getting on; USEC_NEVER: for ever. */
void socket_expect(Socket *socket, usec_t patience);

/* ---- for what should always hold ---- */

unsigned kernel_count(void); /* descriptors that are open */
unsigned kernel_count_sockets(void);

/* The time at which a client's socket has been waited on for too long, on the world's clock;
 * USEC_NEVER: none. */
usec_t kernel_patience_ends(void);

/* The process was stopped for a while: what it waited for has as long again, for it may have come
 * while nobody looked. */
void kernel_excuse(void);

/* Closes what is open. */
void kernel_end(void);
