/* Lanes among each other. Must never pass one that no message can be in. */
#include "settings/check_lanes.h"

#include <string.h>

#include "base/lane.h"
#include "base/text.h"
#include "settings/check_restraint.h"

static int check_name(Draft *draft, size_t place)
{
    const char *name = draft->config->lanes[place]->name;
    const Setting *setting = setting_find(SECTION_LANES, "name");
    _cleanup_failure_ Failure why = {0};

    if (!name && draft_is_wrong_at(draft, SECTION_LANES, place))
        return 0; /* it may be what could not be read */
    if (!name)
        return draft_mistake_in(draft, setting, place,
            "is not set; write the lane's name, as X-Outbox-Lane and --lane have it");
    if (lane_check(name, strlen(name), &why) < 0)
        return draft_mistake_in(draft, setting, place, "%s", failure_text(&why));
    for (size_t i = 0; i < place; i++)
        if (draft->config->lanes[i]->name && text_equal_nocase(draft->config->lanes[i]->name, name))
            return draft_mistake_in(draft, setting, place,
                "\"%s\" is lane %zu already; leave one of the two out", name, i + 1);
    return 0;
}

int check_lanes(Draft *draft)
{
    const Config *config = draft->config;
    int r = 0;

    for (size_t i = 0; r == 0 && i < config->n_lanes; i++) {
        const LaneConfig *lane = config->lanes[i];

        r = check_name(draft, i);
        if (r == 0)
            r = check_restraints(
                draft, SECTION_LANES, i, lane->message_rate, lane->recipient_rate, lane->quiet);
    }
    if (r == 0 && config->n_lanes >= LANES_MAX)
        r = draft_mistake_in(draft, setting_find(SECTION_LANES, "name"), LANES_MAX - 1,
            "is lane %u, and there may be %u; put together some that are sent alike", LANES_MAX,
            LANES_MAX - 1);
    return r;
}
