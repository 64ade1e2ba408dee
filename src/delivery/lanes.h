/* The lanes of the configuration in the engine: what of each may be taken now, and whose turn it is
 * (plan_lanes.h). Inside the layer only. Where no lanes are configured `engine->lanes` is NULL, and
 * nothing is done. The `Lane` of state.h is none of them, but messages that wait in a row. */
#pragma once

#include "delivery/plan_lanes.h"
#include "delivery/restraint.h"
#include "delivery/state.h"

/* Those of that configuration, NULL where it has none; what was sent counts on from the former's. 0
 * or -ENOMEM. lanes_use() puts them in the place of the former. */
int lanes_new(const Engine *engine, Config *config, struct EngineLanes **ret);
void lanes_use(Engine *engine, const Config *config, struct EngineLanes *lanes);
void lanes_free(struct EngineLanes *lanes);

/* Restrains them by the engine's share. */
void lanes_share(Engine *engine);

/* The number of the message's lane. */
unsigned lanes_number(const Engine *engine, const HeldMessage *message);

/* All of them as the plan wants them, but for `held`, and with those counts of turns (one each):
 * how many there are, 0 without lanes. `ret` has room for LANES_MAX. */
unsigned lanes_view(const Engine *engine, PlanLane *ret, const unsigned *passed);

/* How often others came before each, of the messages that connections got. */
const unsigned *lanes_passed(const Engine *engine);
void lanes_note_turn(Engine *engine, const PlanLane *lanes);

/* Takes the next message from the source: of the lane whose turn it is, or of this one. As take()
 * of SourceOps. */
int lanes_take(Engine *engine, HeldMessage **ret);
int lanes_take_of(Engine *engine, unsigned lane, HeldMessage **ret);

/* Whether a message that was just taken may stay. If not, until when (realtime; 0: not known). */
bool lanes_admit(const Engine *engine, const HeldMessage *message, usec_t *ret_until);

/* A message that may not stay is given back. */
void lanes_note_put_off(Engine *engine, unsigned lane);

bool lanes_is_quiet(const Engine *engine, unsigned lane);

/* How many wait in the source: those that may be taken now; and all, but those of lanes that take
 * none for long. */
size_t lanes_room(const Engine *engine);
size_t lanes_waiting(const Engine *engine);

/* From when on so many recipients may be sent to, in so many transactions (`text` says why not
 * now), and that they are. */
usec_t lanes_when(const Engine *engine, unsigned lane, size_t messages, size_t recipients,
    char text[static RESTRAINT_TEXT_MAX]);
void lanes_note(Engine *engine, unsigned lane, size_t messages, size_t recipients);

/* Tells which begin and cease to be restrained while messages of them wait. When to look again. */
usec_t lanes_tick(Engine *engine, usec_t now);

/* What was sent, as restraint_save() and restraint_load() have it. */
bool lanes_are_long(const Engine *engine);
int lanes_save(const Engine *engine, Buffer *out);
void lanes_load(Engine *engine, const char *line, usec_t age, RestraintLoad load);
void lanes_forget_others(Engine *engine);
