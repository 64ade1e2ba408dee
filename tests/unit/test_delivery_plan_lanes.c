/* delivery/plan_lanes: whose turn it is. */
#include <string.h>

#include "delivery/plan_lanes.h"
#include "unit.h"

#define NOW (100 * USEC_PER_SEC)

START_TEST(the_highest_priority_is_first)
{
    const PlanLane lanes[] = {
        {.waiting = 5, .room = SIZE_MAX},
        {.priority = 10, .waiting = 1, .room = SIZE_MAX},
        {.priority = -10, .waiting = 100000, .room = SIZE_MAX},
    };

    ck_assert_uint_eq(plan_lane(lanes, 3), 1);
    ck_assert_uint_eq(plan_lane(lanes, 1), 0);
}
END_TEST

START_TEST(a_lane_without_room_keeps_no_other)
{
    PlanLane lanes[] = {
        {.priority = 10, .waiting = 1, .room = 0, .room_from = NOW + 1},
        {.priority = -10, .waiting = 3, .room = 1},
    };

    ck_assert_uint_eq(plan_lane(lanes, 2), 1);
    ck_assert_uint_eq(plan_lanes_room(lanes, 2), 1);
    ck_assert_uint_eq(plan_lanes_next(lanes, 2, NOW), NOW + 1);
    lanes[1].room = 0;
    lanes[1].room_from = USEC_NEVER;
    ck_assert_uint_eq(plan_lane(lanes, 2), 2);
    lanes[0].held = 1; /* was taken when there was room */
    ck_assert_uint_eq(plan_lane(lanes, 2), 0);
}
END_TEST

START_TEST(one_that_was_passed_ten_times_is_next)
{
    PlanLane lanes[] = {
        {.priority = 10, .waiting = 1, .room = 1},
        {.priority = -10, .waiting = 1, .room = 1},
    };

    for (unsigned i = 0; i < 3 * (PLAN_LANE_PATIENCE + 1); i++) {
        unsigned lane = plan_lane(lanes, 2);

        ck_assert_uint_eq(lane, (i + 1) % (PLAN_LANE_PATIENCE + 1) == 0);
        plan_lane_turn(lanes, 2, lane);
    }
}
END_TEST

START_TEST(lanes_of_one_priority_take_turns)
{
    PlanLane lanes[] = {
        {.waiting = 1, .room = 1}, {.waiting = 1, .room = 1}, {.waiting = 1, .room = 1}};

    for (unsigned i = 0; i < 9; i++) {
        unsigned lane = plan_lane(lanes, 3);

        ck_assert_uint_eq(lane, i % 3);
        plan_lane_turn(lanes, 3, lane);
    }
}
END_TEST

START_TEST(a_lane_rests_where_that_is_for_longer_than_one_waits)
{
    PlanLane lane = {.waiting = 1, .room_from = NOW + USEC_PER_SEC};

    ck_assert_uint_eq(plan_lane_rests(&lane, NOW), 0);
    lane.room_from = NOW + USEC_PER_HOUR;
    ck_assert_uint_eq(plan_lane_rests(&lane, NOW), NOW + USEC_PER_HOUR);
    lane.room_from = USEC_NEVER;
    ck_assert_uint_eq(plan_lane_rests(&lane, NOW), 0);
    lane.room_from = NOW + USEC_PER_HOUR;
    lane.room = 1;
    ck_assert_uint_eq(plan_lane_rests(&lane, NOW), 0);
}
END_TEST

/* ---- over whatever there may be ---- */

#define LANES 8u

static uint64_t seed;

static unsigned pick(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static bool may_go(const PlanLane *l)
{
    return l->held > 0 || (l->waiting > 0 && l->room > 0);
}

static void change(PlanLane *l)
{
    l->held = pick(4) == 0;
    l->waiting = pick(3);
    l->room = pick(3);
    l->room_from = l->room > 0 ? USEC_NEVER : pick(2) == 0 ? USEC_NEVER : NOW - 10 + pick(20);
}

/* None that may go waits for more turns than its patience and one of each other; what may not go
 * is not chosen; and nothing is nobody's turn but where nothing may go. */
START_TEST(whatever_comes_every_lane_gets_on)
{
    PlanLane lanes[LANES] = {0};
    unsigned waited[LANES] = {0};

    seed = (uint64_t)_i + 1;
    for (unsigned i = 0; i < LANES; i++) {
        lanes[i].priority = (int)pick(5) - 2;
        change(&lanes[i]);
    }
    for (unsigned turn = 0; turn < 3000; turn++) {
        unsigned lane = plan_lane(lanes, LANES);
        usec_t next = plan_lanes_next(lanes, LANES, NOW);

        ck_assert(next > NOW);
        for (unsigned i = 0; i < LANES; i++) {
            ck_assert(lane < LANES || !may_go(&lanes[i]));
            waited[i] = i == lane || !may_go(&lanes[i]) ? 0 : waited[i] + 1;
            ck_assert_uint_le(waited[i], PLAN_LANE_PATIENCE + LANES);
        }
        if (lane < LANES) {
            ck_assert(may_go(&lanes[lane]));
            plan_lane_turn(lanes, LANES, lane);
        }
        change(&lanes[pick(LANES)]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delivery/plan_lanes");
    TCase *t = tcase_create("plan_lanes");

    tcase_add_test(t, the_highest_priority_is_first);
    tcase_add_test(t, a_lane_without_room_keeps_no_other);
    tcase_add_test(t, one_that_was_passed_ten_times_is_next);
    tcase_add_test(t, lanes_of_one_priority_take_turns);
    tcase_add_test(t, a_lane_rests_where_that_is_for_longer_than_one_waits);
    tcase_add_loop_test(t, whatever_comes_every_lane_gets_on, 0, 50);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
