/* Kerberos tickets for a relay, or for its proxy (RFC 4120), and security contexts of GSSAPI made
 * with them.
 *
 * What may wait for a key distribution centre or a name server is done at once, in a job beside the
 * caller's loop: several contexts are brought as far as their first words. What follows in the
 * session only computes. The library (MIT Kerberos) is loaded when a relay first asks for a
 * ticket. */
#pragma once

#include "base/failure.h"
#include "base/gssapi.h"
#include "settings/relay.h"

typedef struct Tickets Tickets;

/* Blocks. 0, or a negative errno with a Failure (ERROR_AUTHENTICATION) that says which ticket could
 * not be had, why, and what to do. */
int tickets_fetch(const RelayConfig *relay, Tickets **ret, Failure *f);
int tickets_fetch_for_proxy(const RelayConfig *relay, Tickets **ret, Failure *f);

/* Those that no session has used; accepts NULL. */
void tickets_free(Tickets *tickets);

/* For a session; borrowed from the tickets. */
const Gssapi *tickets_gssapi(const Tickets *tickets);

DEFINE_CLEANUP(Tickets, tickets_free);
