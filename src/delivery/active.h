/* The active set: messages that the engine holds, on their way in and out. Inside the layer only.
 */
#pragma once

#include "delivery/state.h"

extern const SourceHandlers engine_source_handlers;

bool engine_is_taking(const Engine *engine);

/* Takes messages from the source until the lane holds `n`. Returns whether there may be more. */
bool engine_fill_lane(Engine *engine, size_t n);

/* The next message to deliver by that relay, or NULL. Where it is to be found out whether the relay
 * works again, the one that it has stumbled over least often goes first. */
HeldMessage *engine_next_message(Engine *engine, const Relay *relay);

/* Gives messages back, nothing having been done with them; all of them that have no connection. */
void engine_give_back(Engine *engine, HeldMessage *message);
void engine_empty_lane(Engine *engine);

/* The next message of the source, held; NULL: there is none now. */
HeldMessage *engine_take(Engine *engine);

/* The next of that lane. */
HeldMessage *engine_take_of(Engine *engine, unsigned lane);

/* Has it wait where it belongs: with the others, for the relays of its rule, or, where all of those
 * are on hold, in the source. */
void engine_keep(Engine *engine, HeldMessage *message);

/* Has the message wait for another relay, or, where there is no room for that, in the source. */
void engine_put_elsewhere(Engine *engine, HeldMessage *message);

/* Gives the message back until then (realtime), or with 0 for a while, and tells why. */
void engine_put_aside(Engine *engine, HeldMessage *message, usec_t until, const char *why);

/* Those that wait for another relay are looked at anew: all such are held now, or are others. */
void engine_recall_elsewhere(Engine *engine, bool all);

/* Those that have no connection, and whose lane has come to be quiet, go back. */
void engine_recall_quiet(Engine *engine);

/* Reports a failure of our own (a negative errno), and takes nothing for a while. */
void engine_trouble(Engine *engine, int error);
void engine_pause(Engine *engine);

/* Ends an attempt, or keeps it where that cannot be written yet. */
void engine_end_attempt(Engine *engine, Attempt *attempt);

/* The recipients that go over that relay of the set have had their turn: the attempt waits for
 * another relay where recipients go over one that can be used, and ends else. */
void engine_end_turn(Engine *engine, const RelaySet *set, Attempt *attempt);

/* How many are over and cannot be written down as such at present. */
size_t engine_count_stuck(const Engine *engine);

/* Tries once more to settle those that are stuck, or all of them though it may take long; lets go
 * of what is not settled, the messages being as a dead process leaves them. */
void engine_retry_stuck(Engine *engine);
void engine_retry_all_stuck(Engine *engine);
void engine_abandon_unsettled(Engine *engine);

/* The message, or what waits of it, fails for that relay's fault. 0 or -ENOMEM. */
int engine_give_up(Engine *engine, HeldMessage *message, const Relay *relay);

/* Where one attempt is all that a message has (retry.max_attempts), every error is final, that of
 * the relays too: with none left to try, what waits is given up. */
void engine_give_up_waiting(Engine *engine);
