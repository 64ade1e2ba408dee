/* What the connections of one relay share, for net/ alone. */
#pragma once

#include "net/connection.h"

struct ConnectionShared {
    unsigned references;
    Config *config;
    Worker *worker;
    const RelayConfig *relay;
    TlsContext *tls;    /* NULL until a connection needs it */
    bool no_chunking;   /* the relay offers CHUNKING and does not know BDAT */
    bool has_host_name; /* it has been looked for */
    char *host_name;    /* this host's, or NULL when it has none fit for EHLO */
};

/* Makes the TLS context when there is none yet. 0, or a negative errno with a Failure. */
int connection_shared_tls(ConnectionShared *shared, const Secret *key_password, Failure *f);
