/* What a connection has its observer told. Inside the layer only. */
#pragma once

#include "delivery/state.h"

/* While there is time to mend it, be it a certificate that ends or a policy that is not enforced
 * yet. */
void link_tell_coming(Link *link);
void link_tell_secrets(Link *link);
void link_tell_resumed(Link *link);
void link_tell_lacks(Link *link);
void link_tell_silent(Link *link); /* that the relay keeps it waiting */

/* `news`: not the same as before. */
void link_tell_fault(
    Link *link, const DeliveryOutcome *outcome, RelayChange change, const char *hint, bool news);

/* A message's content cannot be read. */
void link_tell_unread(const Link *link, const Attempt *attempt, const DeliveryOutcome *outcome);
/* A failure of our own: the next connection would meet with it too. */
void link_tell_ours(const Engine *engine, const DeliveryOutcome *outcome);
