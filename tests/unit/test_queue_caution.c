/* queue/caution: what is done after a process has died, with marks on a real directory. */
#include "queue/caution.h"
#include "queue/names.h"
#include "spool.h"
#include "unit.h"

static Place place;
static Caution caution;

/* Another process comes. */
static void live(usec_t now)
{
    caution_done(&caution);
    caution_init(&caution);
    caution_look(&caution, place.spool, now);
}

static void setup(void)
{
    place_init(&place);
    caution_init(&caution);
    live(NOW);
}

static void teardown(void)
{
    place_empty(&place);
    (void)reading_marks_any(&caution.marks); /* their messages are gone */
    caution_done(&caution);
    place_done(&place);
}

static bool has_marks(void)
{
    return faccessat(place.fd, ".reading", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool may_read(const char *id, usec_t now, usec_t *ret_due)
{
    _cleanup_failure_ Failure f = {0};
    bool may = caution_read(&caution, id, now, ret_due, &f);

    ck_assert_int_eq(may, !f.text);
    return may;
}

START_TEST(without_a_death_nothing_is_marked_or_held_up)
{
    usec_t due;

    ck_assert(!caution.on);
    ck_assert_uint_eq(caution_room(&caution, 100000), UINT_MAX);
    ck_assert(may_read("a", NOW, &due));
    ck_assert(!has_marks());
}
END_TEST

START_TEST(what_is_in_hand_doubles_as_messages_pass_or_time_does)
{
    caution_begin(&caution, 2, NOW);
    ck_assert_uint_eq(caution_room(&caution, 2), 1);
    ck_assert_uint_eq(caution_room(&caution, 3), 0);
    for (unsigned i = 0; i < 3; i++)
        caution_passed(&caution);
    ck_assert_uint_eq(caution_room(&caution, 0), 6);
    caution_tick(&caution, caution.stepped + CAUTION_STEP - 1);
    ck_assert_uint_eq(caution_room(&caution, 0), 6);
    for (unsigned i = 0; i < 10; i++)
        caution_tick(&caution, caution.stepped + CAUTION_STEP);
    ck_assert_uint_eq(caution_room(&caution, 100000), UINT_MAX - 100000);
    caution_rest(&caution);
    ck_assert(!caution.on);
}
END_TEST

START_TEST(one_that_was_being_read_when_its_process_died_waits)
{
    usec_t now = clock_realtime(), due, before;

    put(&place, "bad.queued", "x");
    put(&place, "good.queued", "x");
    live(now);
    caution_begin(&caution, 0, now);
    ck_assert(may_read("good", now, &due));
    caution_was_read(&caution, "good");
    ck_assert(may_read("bad", now, &due)); /* and dies */

    live(now);
    ck_assert(caution.on);
    ck_assert(may_read("good", now, &due));
    caution_was_read(&caution, "good");
    ck_assert(!may_read("bad", now, &due));
    ck_assert_uint_gt(due, now);

    before = due - now;
    now = due + USEC_PER_SEC;              /* the mark's time is the true one */
    ck_assert(may_read("bad", now, &due)); /* and dies again: it waits longer */
    live(now);
    ck_assert(!may_read("bad", now, &due));
    ck_assert_uint_gt(due - clock_realtime(), 2 * before);
}
END_TEST

START_TEST(short_lives_do_not_keep_one_that_has_waited_from_its_turn)
{
    usec_t now = clock_realtime(), due;

    put(&place, "once.queued", "x");
    live(now);
    caution_begin(&caution, 0, now);
    ck_assert(may_read("once", now, &due)); /* and somebody kills the process */
    for (unsigned i = 0; i < 20; i++) {
        now += USEC_PER_SEC / 2; /* and again, and again */
        live(now);
        if (may_read("once", now + USEC_PER_SEC / 3, &due))
            return;
    }
    ck_abort_msg("it was never read again");
}
END_TEST

START_TEST(a_mark_does_not_outlast_its_message_nor_the_last_one_the_directory)
{
    usec_t now = clock_realtime(), due;

    put(&place, "bad.sending", "x");
    caution_begin(&caution, 0, now);
    ck_assert(may_read("bad", now, &due));
    live(now);
    caution_rest(&caution);
    ck_assert(caution.on && has_marks());
    ck_assert_int_eq(unlinkat(place.fd, "bad.sending", 0), 0);
    caution_rest(&caution);
    ck_assert(!caution.on && !has_marks());
}
END_TEST

/* Each dies with its process, and no two with the same one. */
START_TEST(as_many_lives_as_there_are_deadly_ones)
{
    enum { N = 200, DEADLY = 7 };
    usec_t now = clock_realtime(), due;
    unsigned lives = 0, delivered = 0;
    char id[16], name[32];

    for (unsigned i = 0; i < N; i++) {
        snprintf(name, sizeof(name), "%u.queued", i);
        put(&place, name, "x");
    }
    for (bool dies = true; dies; lives++) {
        live(now);
        caution_begin(&caution, 0, now);
        dies = false;
        for (unsigned i = 0; i < N && !dies; i++) {
            snprintf(id, sizeof(id), "%u", i);
            snprintf(name, sizeof(name), "%u.queued", i);
            if (faccessat(place.fd, name, F_OK, 0) < 0 || !may_read(id, now, &due))
                continue;
            dies = i % (N / DEADLY) == 0 && i / (N / DEADLY) < DEADLY;
            if (dies)
                break;
            caution_was_read(&caution, id);
            delivered += unlinkat(place.fd, name, 0) == 0;
        }
    }
    ck_assert_uint_eq(delivered, N - DEADLY);
    ck_assert_uint_eq(lives, DEADLY + 1);
}
END_TEST

/* In a drop box anybody can put something there. */
START_TEST(a_strangers_thing_in_the_place_of_the_marks_is_not_used)
{
    usec_t due;

    ck_assert_int_eq(symlinkat("/tmp", place.fd, ".reading"), 0);
    caution_begin(&caution, 0, NOW);
    ck_assert(may_read("outbox-test-of-a-mark", NOW, &due));
    ck_assert_int_lt(access("/tmp/outbox-test-of-a-mark", F_OK), 0);
    caution_was_read(&caution, "outbox-test-of-a-mark");
    caution_rest(&caution);
    ck_assert(has_marks());
}
END_TEST

/* The place at which each of ten names comes, over many seeds: every name comes once, and first
 * about as often as any other. */
START_TEST(names_are_mixed_and_none_is_left_out)
{
    unsigned first[10] = {0};

    for (uint64_t seed = 0; seed < 1000; seed++) {
        unsigned seen = 0, n = 0;
        char id[SPOOL_NAME_MAX];
        Names names = {0};
        NameKind kind;

        ck_assert_int_eq(names_init(&names, place.spool, USEC_PER_DAY), 0);
        names.order = (HashKey){{seed, 1}};
        names.mixes = true;
        for (unsigned i = 0; i < 10; i++) {
            snprintf(id, sizeof(id), "%u", i);
            names_put(&names, id, NAME_QUEUED, 0);
        }
        for (; names_take(&names, NOW, id, &kind) > 0; n++) {
            first[atoi(id)] += n == 0;
            seen |= 1u << atoi(id);
        }
        ck_assert_uint_eq(n, 10);
        ck_assert_uint_eq(seen, 1023);
        names_done(&names);
    }
    for (unsigned i = 0; i < 10; i++)
        ck_assert_uint_gt(first[i], 50); /* of 1000; 100 are expected */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue/caution");
    TCase *t = tcase_create("caution");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, without_a_death_nothing_is_marked_or_held_up);
    tcase_add_test(t, what_is_in_hand_doubles_as_messages_pass_or_time_does);
    tcase_add_test(t, one_that_was_being_read_when_its_process_died_waits);
    tcase_add_test(t, short_lives_do_not_keep_one_that_has_waited_from_its_turn);
    tcase_add_test(t, a_mark_does_not_outlast_its_message_nor_the_last_one_the_directory);
    tcase_add_test(t, as_many_lives_as_there_are_deadly_ones);
    tcase_add_test(t, a_strangers_thing_in_the_place_of_the_marks_is_not_used);
    tcase_add_test(t, names_are_mixed_and_none_is_left_out);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
