/* Name lookup (getaddrinfo, so that nsswitch.conf is honoured) and the fetching of secrets, on a
 * thread beside the caller's loop. */
#pragma once

#include <sys/socket.h>

#include "base/failure.h"
#include "settings/config.h"

typedef struct Lookup Lookup;

typedef struct LookupResult {
    struct sockaddr_storage *addresses; /* in the order to try them */
    size_t n_addresses;
    Secret *password;         /* NULL when none is configured */
    Secret *tls_key_password; /* NULL when none is configured, or not asked for */
    int error;                /* 0 or negative errno; then `failure` says why */
    bool secret_failed;       /* the error is about a secret, not about the name */
    Failure failure;
} LookupResult;

/* Starts; the relay's configuration must live until lookup_free(). The descriptor becomes readable
 * when the result is there. */
int lookup_new(const RelayConfig *relay, Lookup **ret, Failure *f);
int lookup_fd(const Lookup *lookup);

/* 1 and the result, which the caller releases with lookup_result_done(), or 0 when it is not there
 * yet. */
int lookup_take(Lookup *lookup, LookupResult *ret);
void lookup_result_done(LookupResult *result);

/* Accepts NULL. A lookup under way is left to end by itself. */
void lookup_free(Lookup *lookup);
