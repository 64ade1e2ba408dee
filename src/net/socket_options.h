/* The settings of a relay that are options of its sockets: buffers, TCP_NODELAY, keep-alive, and
 * how they are closed. */
#pragma once

#include <sys/socket.h>

#include "settings/relay.h"

/* One option. 0 or a negative errno. */
int socket_set_option(int fd, int level, int name, int value);

/* Before connecting. Those of TCP are left alone for another kind of socket. 0 or a negative errno.
 */
int socket_set_options(const RelayConfig *relay, int fd, int family);

/* Closes and sets to -1. Never waits: with `linger` the system goes on sending what was written,
 * for `linger_time` at most where that is set; without, the connection is reset at once. Accepts
 * -1. */
void socket_close(const RelayConfig *relay, int *fd);
