/* Messages that wait for the relays of a rule and have no place in the engine: they are given back
 * to the source, which is told when one is wanted again. Nobody is kept waiting by those that many
 * wait with. Inside the layer only. */
#pragma once

#include "delivery/state.h"

/* So long such a message sleeps where nobody brings it. */
#define WAYS_PAUSE (5 * USEC_PER_MINUTE)

/* Room for what the rules of that configuration need, NULL where they need none. 0 or -ENOMEM.
 * ways_use() puts it in the place of the former, and brings what waited. */
int ways_new(const Config *config, struct Ways **ret);
void ways_use(Engine *engine, struct Ways *ways);
void ways_free(struct Ways *ways);

/* Takes messages from the source until each relay that could use one has some, as far as there are
 * any for it. In bounded steps. */
void ways_take(Engine *engine, const PlanView *view, usec_t now);

/* Whether the message may be held where it waits for another relay: those of one way and lane take
 * no more than half of the room that is left, so that there is some for all others. */
bool ways_has_room(const Engine *engine, const HeldMessage *message);

/* Remembers a message that is given back, for want of room (`full`) or of a relay, for as long as
 * it sleeps at most. False: there are too many. */
bool ways_park(Engine *engine, const HeldMessage *message, bool full);

/* Has the source bring some of those that go the same way, if few are held. */
void ways_bring(Engine *engine, size_t way);

/* Has it bring some of each way that could be used and of which none is held, now and then; and of
 * each that cannot be used for long those that were given back for want of room, which are to wait
 * for the relay, for another process may have one. When it is to be called again at the latest,
 * also for a relay that may take some then of what waits in the source. */
usec_t ways_tick(Engine *engine, const PlanView *view, usec_t now);

/* When a message that waits for a relay that is away is looked at again (realtime). */
usec_t ways_until(const Engine *engine, const Relay *held);

/* Whether it is news that this message waits. */
bool ways_tells(Engine *engine, const char *id);
