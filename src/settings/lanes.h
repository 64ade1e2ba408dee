/* Lanes: messages that are sent before others, or that have restraints of their own. What lane a
 * message is in, it says itself (base/lane.h); in which order they come is delivery/lanes.h's. */
#pragma once

#include <stddef.h>

#define LANES_MAX 16u /* with that of the messages whose lane has no settings: a bit is one */
#define LANE_NONE 0u  /* the number of that one */

#define LANE_PRIORITY_MAX 1000

typedef struct LaneConfig {
    char *name;
    int priority;         /* a higher one comes first; LANE_NONE has 0 */
    unsigned connections; /* so many of its messages are sent at a time; 0: any number */
    char *message_rate, *recipient_rate; /* of it in all (rate.h); NULL: any */
    char *quiet;                         /* hours (hours.h); NULL: none */
} LaneConfig;
