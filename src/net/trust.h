/* Whether a server's certificate is to be trusted: chain, validity and name, or the pin.
 *
 * Judged in a step of its own behind the handshake (STAGE_CERTIFICATE), from what the server sent,
 * and without the SSL object: whatever else is asked of a certificate one day may take its time
 * there. */
#pragma once

#include "net/certificate.h"
#include "net/tls_pins.h"

typedef struct Trust {
    X509_STORE *store; /* the authorities; borrowed */
    TlsPins pins;
    unsigned flags;         /* TLS_SECURITY_*: what is not held against it */
    const char *host;       /* for words; borrowed */
    const char *ca_setting; /* names the authorities of what is no relay; NULL: tls_ca_file */
    const char
        *name; /* what the certificate must be for: a domain in ASCII, or an address; borrowed */
    int level; /* OpenSSL's security level: shortest keys, weakest hashes */
} Trust;

/* `sent` is what came with the certificate, which may be in it; both borrowed, `certificate` may be
 * NULL: there was none. 0, -ENOMEM, or another negative errno with a Failure: which certificate of
 * the chain, why, and what to do. `*ret_chain` is the chain as it was verified, up to what is
 * trusted as it stands, for the caller to free; NULL where the certificate is pinned: nobody is to
 * be asked about it. */
int trust_judge(const Trust *trust, X509 *certificate, STACK_OF(X509) * sent,
    STACK_OF(X509) * *ret_chain, Failure *f);
