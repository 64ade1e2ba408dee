/* Which relay a message needs that not every relay can take: what it demands, held against what the
 * relays offer. Inside the layer only. */
#pragma once

#include "delivery/state.h"

/* What is missing, in words that follow the name of a relay. */
typedef struct RouteLack {
    char text[96]; /* "which does not offer SMTPUTF8"; "": nothing */
} RouteLack;

/* What a relay of these capabilities, `verified` with TLS and a certificate that was verified,
 * lacks for the message: SMTPUTF8 for an address; what its sender needs (REQUIRETLS, HOLDFOR,
 * HOLDUNTIL, BY with R); SIZE, for the content; 8BITMIME, where it cannot be converted. DSN is a
 * wish, and nobody's lack. `now` is realtime. 0 or -ENOMEM. */
int route_lack(const HeldMessage *message, const RelayConfig *config,
    const SmtpCapabilities *capabilities, bool verified, usec_t now, RouteLack *ret);

/* Whether the message goes over this connection. 0: it does, be it because no relay can take it,
 * and the words why are in `ret_nowhere`, which the caller frees (else NULL). 1: it has been put
 * where it waits for another relay, which works or is to be asked, or back into the source where
 * all of those are on hold. -ENOMEM. */
int route_message(const Link *link, HeldMessage *message, char **ret_nowhere);
