/* The client certificate of a relay and its key, as its settings name them: loaded beside the loop,
 * for files, derivations and tokens take their time. */
#pragma once

#include "certificate/openssl.h"
#include "settings/relay.h"

/* Immutable and counted. Where it failed, whoever starts TLS says so. */
typedef struct Credentials {
    unsigned references;
    Certificate *certificate; /* with its chain, and with its key unless `key` has it */
    Certificate *key;         /* of tls_key, or NULL */
    Secret *refused;          /* the PIN that a token did not take; or NULL */
    int error;                /* 0 or negative errno; then `failure` says why */
    Failure failure;          /* 271, 272, 273 or 281, with the setting, the file and what to do */
} Credentials;

/* NULL when memory is short, or where the relay has no client certificate. Blocks. */
Credentials *credentials_load(const RelayConfig *relay, const Secret *key_password);

/* Whether a token has refused that PIN already: to try it again brings it nearer to locking itself,
 * and nothing else. */
bool credentials_were_refused(const Credentials *credentials, const Secret *key_password);

Credentials *credentials_ref(Credentials *credentials);   /* from any thread; NULL gives NULL */
Credentials *credentials_unref(Credentials *credentials); /* accepts NULL; returns NULL */

/* The private key; borrowed. */
EVP_PKEY *credentials_key(const Credentials *credentials);

/* Whether it lives on a token, which signs when it likes; and which key it is there, to be shown:
 * the caller's, NULL when memory is short. */
bool credentials_are_on_token(const Credentials *credentials);
char *credentials_token(const Credentials *credentials);

static inline void credentials_unref_p(Credentials **credentials)
{
    (void)credentials_unref(*credentials);
}
