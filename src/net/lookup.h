/* What must be known before a connection can be opened, and what may block to learn: the relay's
 * addresses, its secrets, and this host's own name. Three jobs beside the caller's loop, or done at
 * once where nothing can block.
 *
 * The connections of a relay share them: whoever asks while a job is under way waits for that one.
 * Addresses are kept for 30 s and the failure to find them for 5 s, secrets not at all. This host's
 * name is kept; it is waited for until 5 s after its job began, and later connections use it
 * whenever it comes. */
#pragma once

#include "base/clock.h"
#include "net/credentials.h"
#include "net/resolve.h"
#include "net/shared.h"
#include "net/tickets.h"
#include "settings/secret_source.h"

typedef struct Lookup Lookup;

typedef struct LookupResult {
    AddressList found;
    char *host_name;        /* with a dot in it; NULL: this host has no such name, or none yet */
    Secret *password;       /* NULL when none is configured */
    bool kept;              /* the password is a token that was there before */
    Tickets *tickets;       /* NULL when the relay takes none */
    Credentials *client;    /* NULL when none is configured, or the TLS context stands */
    Secret *proxy_password; /* NULL when none is configured, or no proxy */
    Tickets *proxy_tickets; /* likewise */
    char *notice;           /* what is to be told in any case of a secret, or NULL */
    int error;              /* 0 or negative errno; then `failure` says why */
    bool secret_failed;     /* the error is about a secret */
    bool own;               /* it is neither the name's nor the name server's */
    Failure failure;
} LookupResult;

/* Starts what is wanted. `shared` is borrowed and must outlive it. 0 or -ENOMEM: other failures are
 * in the result. */
int lookup_new(ConnectionShared *shared, usec_t now, Lookup **ret);

/* 1 and the result, which the caller releases with lookup_result_done(), or 0 when lookup_fd() must
 * become readable or the deadline pass. */
int lookup_step(Lookup *lookup, usec_t now, LookupResult *ret);
void lookup_result_done(LookupResult *result);

/* In words: as command_stop_what(), of secrets alone. */
typedef enum LookupWait {
    LOOKUP_WAITS_FOR_NOTHING,
    LOOKUP_WAITS_FOR_ADDRESSES,
    LOOKUP_WAITS_FOR_SECRETS,
    LOOKUP_WAITS_FOR_NAME,
} LookupWait;
LookupWait lookup_waits_for(
    const Lookup *lookup, char ret[static COMMAND_WAITS_MAX], const char **ret_remedy);

/* What it waits for, -1: nothing. Each descriptor has a number of its own in lookup_watches(),
 * while that of the system may be the same again. */
int lookup_fd(const Lookup *lookup);
unsigned lookup_watches(const Lookup *lookup);
usec_t lookup_deadline(const Lookup *lookup); /* monotonic */

/* So long nobody looked: that time does not count. */
void lookup_put_off(Lookup *lookup, usec_t time);

/* Accepts NULL. Cancels what nobody else waits for, but for the host's name. */
void lookup_free(Lookup *lookup);

DEFINE_CLEANUP(Lookup, lookup_free);
