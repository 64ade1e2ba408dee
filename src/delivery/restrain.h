/* The relays' restraints in the engine: what they have taken is counted, kept over a restart, and
 * told. Inside the layer only. Where no relay has any, nothing is done. */
#pragma once

#include "delivery/state.h"

/* Whether the relay may take a message now. */
bool restrain_has_room(const Engine *engine, const Relay *relay);

/* Writes into the plan's view how much that is. */
void restrain_view(const Engine *engine, const Relay *relay, PlanRelay *view);

/* Whether the message may go there now, which has as many recipients as it has. If not, it was
 * given back for a while: those behind it do not wait. */
bool restrain_admits(Link *link, HeldMessage *message);

/* The message goes over that connection. */
void restrain_note(Link *link, const HeldMessage *message);

/* Counts it, of a relay's restraint or a lane's, to be kept over a restart. */
void restrain_count(Engine *engine, Restraint *restraint, size_t messages, size_t recipients);

/* Whether every relay is on hold, or is to take nothing for a while. */
bool restrain_all_wait(const Engine *engine, const PlanView *view, usec_t now);

/* Tells which relays begin and cease to be restrained while messages wait, and writes down now and
 * then what they have taken. When to do it next; USEC_NEVER: for nothing of that. */
usec_t restrain_tick(Engine *engine, const PlanView *view, usec_t now);

/* At the start; and with each wake(), as long as `sent_unread`. */
void restrain_load(Engine *engine);
void restrain_load_others(Engine *engine); /* of other processes, if that is news */
void restrain_save(Engine *engine);
