/* Which lane the next message is of. Pure.
 *
 * The one with the highest priority of those that have a message that may go. A lane that others
 * came before PLAN_LANE_PATIENCE times in a row, while it had one, is next whatever its priority:
 * so each gets on. Among those of the same priority it is the one that waited through the most
 * turns.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"

#define PLAN_LANE_PATIENCE 10u

typedef struct PlanLane {
    int priority;
    size_t held;      /* messages that are taken, and may go */
    size_t waiting;   /* others, as far as is known */
    size_t room;      /* so many of those may be taken now */
    usec_t room_from; /* with none: when that is over, by rates and hours; USEC_NEVER: when one of
                         its messages is done */
    unsigned passed;  /* turns of others while it had one that may go */
} PlanLane;

/* `n`: there is none. */
unsigned plan_lane(const PlanLane *lanes, unsigned n);

/* That lane has had its turn: counts how often the others were passed. */
void plan_lane_turn(PlanLane *lanes, unsigned n, unsigned lane);

/* How many of those that wait may be taken. */
size_t plan_lanes_room(const PlanLane *lanes, unsigned n);

/* When a lane may go on that has something waiting, and may take nothing now: never a time that is
 * past, USEC_NEVER for none. */
usec_t plan_lanes_next(const PlanLane *lanes, unsigned n, usec_t now);

/* Until when the lane takes none, where that is for longer than a relay is waited for that is
 * silent; else 0. */
usec_t plan_lane_rests(const PlanLane *lane, usec_t now);
