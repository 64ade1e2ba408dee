/* What to do about a connection that could not be opened. */
#pragma once

#include <stdbool.h>

#include "settings/relay.h"

typedef struct SocketFault {
    const RelayConfig *relay;
    int error;         /* a negative errno */
    bool at_proxy;     /* of the relay's, which is what could not be connected to */
    bool forbidden;    /* local_port is for others */
    bool from_address; /* local_host is set */
} SocketFault;

/* A constant, or written there. */
#define SOCKET_ADVICE_MAX 200
const char *socket_advise(const SocketFault *fault, char to[static SOCKET_ADVICE_MAX]);
