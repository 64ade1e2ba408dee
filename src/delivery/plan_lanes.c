/* Lanes in turn. Must never have one wait for ever that may go. */
#include "delivery/plan_lanes.h"

#include "base/macros.h"
#include "delivery/plan.h"

static bool may_go(const PlanLane *l)
{
    return l->held > 0 || (l->waiting > 0 && l->room > 0);
}

static bool is_overdue(const PlanLane *l)
{
    return l->passed >= PLAN_LANE_PATIENCE;
}

static bool comes_before(const PlanLane *a, const PlanLane *b)
{
    if (is_overdue(a) || is_overdue(b))
        return a->passed != b->passed ? a->passed > b->passed : a->priority > b->priority;
    return a->priority != b->priority ? a->priority > b->priority : a->passed > b->passed;
}

unsigned plan_lane(const PlanLane *lanes, unsigned n)
{
    unsigned first = n;

    for (unsigned i = 0; i < n; i++)
        if (may_go(&lanes[i]) && (first == n || comes_before(&lanes[i], &lanes[first])))
            first = i;
    return first;
}

void plan_lane_turn(PlanLane *lanes, unsigned n, unsigned lane)
{
    for (unsigned i = 0; i < n; i++)
        lanes[i].passed = i == lane || !may_go(&lanes[i]) ? 0 : lanes[i].passed + 1;
}

size_t plan_lanes_room(const PlanLane *lanes, unsigned n)
{
    size_t room = 0;

    for (unsigned i = 0; i < n; i++)
        room += MIN(lanes[i].waiting, lanes[i].room);
    return room;
}

usec_t plan_lanes_next(const PlanLane *lanes, unsigned n, usec_t now)
{
    usec_t next = USEC_NEVER;

    for (unsigned i = 0; i < n; i++)
        if (lanes[i].waiting > 0 && lanes[i].room == 0 && lanes[i].room_from > now)
            next = MIN(next, lanes[i].room_from);
    return next;
}

usec_t plan_lane_rests(const PlanLane *l, usec_t now)
{
    return l->room == 0 && l->room_from != USEC_NEVER && l->room_from > usec_add(now, PLAN_SILENT)
               ? l->room_from
               : 0;
}
