/* What the plan is made from. Inside the layer only. */
#pragma once

#include "delivery/state.h"

/* Whether another message may be handed to the connection, and whether it has carried as many as it
 * may. */
bool view_can_submit(const Link *link);
bool view_is_used_up(const Link *link);

/* Whether it has carried as many transactions as the relay announced to take (RFC 9422, 4.1). */
bool view_has_no_transaction_left(const Link *link);

/* At most so many recipients in a transaction over it. */
unsigned view_recipients_max(const Link *link);

/* The view, but for how many messages wait; valid until the next. */
PlanView view_engine(Engine *engine, usec_t now);

/* Messages that are held without a connection, and those that the source knows of. */
size_t view_waiting(const Engine *engine);

/* Of those, which any relay may take, as far as is known: by rules it is known of those that are
 * held. */
size_t view_ordinary(const Engine *engine);

/* The connection that the view has at this place. */
Link *view_link_at(const Engine *engine, size_t index);

/* What the last plan left without a place is to be planned anew. */
void view_forget_rest(Engine *engine);

/* Whether the plan has this connection take another message now; wakes the pump for what else it
 * says. */
bool view_wants_filled(Engine *engine, const Link *link);
