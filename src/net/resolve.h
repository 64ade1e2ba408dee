/* What must be known before a connection can be opened and what may block to learn: the relay's
 * addresses (getaddrinfo, so that nsswitch.conf is honoured), its secrets, and this host's own
 * name. Learned on a thread beside the caller's loop, or at once where nothing can block. */
#pragma once

#include <sys/socket.h>

#include "base/failure.h"
#include "settings/config.h"

#define LOOKUP_ADDRESSES_MAX 16

typedef struct Lookup Lookup;

typedef struct LookupRequest {
    Config *config;           /* a reference is kept as long as the lookup runs */
    const RelayConfig *relay; /* one of the Config's */
    bool tls_key_password;    /* the TLS context is still to be made */
    bool host_name;           /* this host's name for EHLO is wanted */
} LookupRequest;

typedef struct LookupResult {
    struct sockaddr_storage *addresses; /* in the order to try them, families alternating */
    size_t n_addresses;
    struct sockaddr_storage *local; /* those of the setting local_host, or NULL */
    size_t n_local;
    char *host_name;          /* with a dot in it, or NULL when this host has no such name */
    Secret *password;         /* NULL when none is configured */
    Secret *tls_key_password; /* NULL when none is configured, or not asked for */
    int error;                /* 0 or negative errno; then `failure` says why */
    bool secret_failed;       /* the error is about a secret, not about the name */
    Failure failure;
} LookupResult;

/* Starts. 0, or a negative errno with a Failure. */
int lookup_new(const LookupRequest *request, Lookup **ret, Failure *f);

/* Becomes readable (POLLHUP) when the result is there; -1 when it was there at once. */
int lookup_fd(const Lookup *lookup);

/* 1 and the result, which the caller releases with lookup_result_done(), or 0 when it is not there
 * yet. */
int lookup_take(Lookup *lookup, LookupResult *ret);
void lookup_result_done(LookupResult *result);
void lookup_result_forget_addresses(LookupResult *result); /* keeps the rest */

/* Accepts NULL. A lookup under way is left to end by itself. */
void lookup_free(Lookup *lookup);

DEFINE_CLEANUP(Lookup, lookup_free);
