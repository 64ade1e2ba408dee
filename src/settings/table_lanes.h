/* The rows of the table of settings for the lanes. For table.c alone. */
#pragma once

#include "settings/lanes.h"
#include "settings/table.h"

#define LANE(name) SECTION_LANES, #name
#define IN_LANE(field) offsetof(LaneConfig, field)

/* clang-format off */
#define LANE_ROWS                                                                                \
    {LANE(name), "", SETTING_WORD, IN_LANE(name), NULL, .required = true,                        \
        .help = "the lane, as in X-Outbox-Lane and --lane"},                                     \
    {LANE(priority), "", SETTING_SIGNED, IN_LANE(priority), "0", (uint64_t)-LANE_PRIORITY_MAX,   \
        LANE_PRIORITY_MAX,                                                                       \
        .help = "a lane with a higher number goes first; mail in no lane that is named here has "\
                "0"},                                                                            \
    {LANE(connections), "", SETTING_UNSIGNED, IN_LANE(connections), "0", 0, 10000,               \
        .help = "how many of its messages are sent at a time; 0: any number"},                   \
    {LANE(message_rate), "", SETTING_STRING, IN_LANE(message_rate), NULL,                        \
        .help = "how many of its messages are sent in a time: \"14/s, 50000/d\""},               \
    {LANE(recipient_rate), "", SETTING_STRING, IN_LANE(recipient_rate), NULL,                    \
        .help = "how many recipients they are sent to in a time, all together"},                 \
    {LANE(quiet), "", SETTING_STRING, IN_LANE(quiet), NULL,                                      \
        .help = "when none of them is sent: \"22:00-06:00\" or \"Mon-Fri 08:00-18:00, Sat\""},
/* clang-format on */
