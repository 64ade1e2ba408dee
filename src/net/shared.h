/* What the connections of one relay share, for net/ alone. */
#pragma once

#include "net/answer.h"
#include "net/avoid.h"
#include "net/connection.h"
#include "net/credentials.h"
#include "net/job_revocation.h"
#include "net/oauth.h"

struct ConnectionShared {
    unsigned references;
    RelayConfig *relay;
    Worker *worker;
    TlsContext *tls;       /* NULL until a connection needs it */
    Credentials *refused;  /* by a token, which is not asked again with that PIN; or NULL */
    TlsContext *proxy_tls; /* the same of the proxy's */
    AvoidList avoid;       /* addresses of the relay's that failed of late */
    AvoidList avoid_proxy; /* and of its proxy's */
    size_t n_addresses; /* of the relay's, that the latest lookup gave; 0: the proxy's to look up */
    char *host;         /* the relay's, in ASCII */
    char *hello;        /* the setting, in ASCII, or NULL */
    usec_t clear_until; /* opportunistic TLS is not tried before, for it failed */
    OauthTokens *oauth; /* NULL: the relay takes none, or they are not got here */
    SmtpMemory memory;
    Answer *policy, *next_policy; /* the last about the domain's MTA-STS policy, and the one that
                                     is under way; or NULL */
    usec_t policy_begun;          /* when that one began */
    Answer *tlsa;                 /* the last about the server's TLSA records, or NULL */
    RevocationMemory revocation;  /* what is known of the server's certificates */

    /* Owned by lookup.c. */
    Answer *addresses, *secrets; /* the last, or NULL */
    Answer *name;                /* the host's name under way, or NULL */
    usec_t name_until;           /* so long a connection waits for it */
    usec_t name_again;           /* when to look again for a name that there was not */
    char *host_name;             /* this host's, or NULL: none fit for EHLO is known */
};

/* Makes the TLS context when there is none yet. 0, or a negative errno with a Failure. */
int connection_shared_tls(ConnectionShared *shared, Credentials *client, Failure *f);

/* The same for the proxy. */
int connection_shared_proxy_tls(ConnectionShared *shared, Failure *f);
/* The proxy as a relay of its own: its strings are the relay's. */
RelayConfig connection_proxy_peer(const RelayConfig *relay);
void connection_shared_forget_proxy_tls(ConnectionShared *shared);

/* The next connection makes it anew. A handshake failed: the files that it was made of may be other
 * ones by then, and OpenSSL marks a certificate for good that it had no memory to look into. */
void connection_shared_forget_tls(ConnectionShared *shared);
