/* delivery/rate, delivery/restraint: how much may be sent, and when. */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "delivery/rate.h"
#include "delivery/restraint.h"
#include "unit.h"

#define NOW (1000 * USEC_PER_SEC)
#define REAL (1795780800 * USEC_PER_SEC) /* 2026-11-27T12:00:00Z, a Friday */

static uint64_t random_below(uint64_t *state, uint64_t n)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % n;
}

static RateWindow window_of(uint32_t limit, usec_t per)
{
    const Rate rate = {limit, per};
    RateWindow w;

    rate_init(&w, &rate);
    return w;
}

START_TEST(a_burst_is_sent_and_then_what_the_rate_lets)
{
    RateWindow w = window_of(100, USEC_PER_HOUR);

    ck_assert_uint_eq(rate_room(&w, NOW), 100);
    rate_note(&w, 99, NOW);
    ck_assert_uint_eq(rate_when(&w, 1, NOW), NOW);
    rate_note(&w, 1, NOW + USEC_PER_MINUTE);
    ck_assert_uint_eq(rate_room(&w, NOW + USEC_PER_MINUTE), 0);
    ck_assert_uint_ge(rate_when(&w, 1, NOW + USEC_PER_MINUTE), NOW + USEC_PER_HOUR);
    ck_assert_uint_le(rate_when(&w, 1, NOW + USEC_PER_MINUTE), NOW + USEC_PER_HOUR * 62 / 60);
    ck_assert_uint_ge(rate_room(&w, NOW + USEC_PER_HOUR * 62 / 60), 99);
}
END_TEST

/* More than the whole of it goes where nothing else did. */
START_TEST(what_is_more_than_the_limit_waits_for_all_of_it)
{
    RateWindow w = window_of(10, USEC_PER_MINUTE);

    ck_assert_uint_eq(rate_when(&w, 50, NOW), NOW);
    rate_note(&w, 50, NOW);
    ck_assert_uint_eq(rate_room(&w, NOW), 0);
    ck_assert_uint_gt(rate_when(&w, 50, NOW), NOW + USEC_PER_MINUTE - 1);
    ck_assert_uint_eq(rate_room(&w, NOW + 2 * USEC_PER_MINUTE), 10);
}
END_TEST

/* (An assertion of each message would take longer than all the rest: each is written to a file.)
 * A day of somebody who sends whenever it is allowed: in no stretch of time is there more than the
 * limit, what is said of when is exact, and nearly all of the limit is used. */
START_TEST(no_stretch_of_time_has_more_than_the_limit)
{
    enum { N = 4000 };
    static usec_t sent[N];
    uint64_t random = 2463534242u;

    for (unsigned round = 0; round < 40; round++) {
        usec_t per = (1 + random_below(&random, 3600)) * USEC_PER_SEC, now = NOW, took;
        uint32_t limit = (uint32_t)(1 + random_below(&random, 200));
        RateWindow w = window_of(limit, per);
        size_t n = 0;

        while (n < N) {
            usec_t when = rate_when(&w, 1, now);
            bool exact = when == now || (when > now && rate_room(&w, when - 1) == 0);

            now = when;
            sent[n++] = now;
            if (!exact || rate_room(&w, now) == 0 || (n > limit && now - sent[n - 1 - limit] < per))
                ck_abort_msg("round %u, %zu: %" PRIu64, round, n, now);
            rate_note(&w, 1, now);
            now += random_below(&random, per / limit + 1);
        }
        took = sent[N - 1] - sent[0];
        ck_assert_uint_le(took, (N / limit + 1) * (per + per / 20));
    }
}
END_TEST

START_TEST(what_was_sent_counts_after_a_restart)
{
    RateWindow w = window_of(2000, USEC_PER_DAY), other = window_of(2000, USEC_PER_DAY);
    _cleanup_buffer_ Buffer text = {0};
    usec_t later = NOW + USEC_PER_HOUR;

    rate_note(&w, 1500, NOW);
    rate_note(&w, 300, later);
    ck_assert_int_eq(rate_format(&w, later, &text), 0);
    ck_assert_int_eq(buffer_append(&text, "", 1), 0);
    /* Another machine's clock: it began to run a second ago, an hour after that was written. */
    rate_parse(&other, buffer_data(&text), USEC_PER_HOUR, USEC_PER_SEC);
    ck_assert_uint_eq(rate_room(&other, USEC_PER_SEC), 200);
    ck_assert_uint_ge(rate_room(&other, USEC_PER_SEC + 23 * USEC_PER_HOUR), 1700);
    ck_assert_uint_eq(rate_room(&other, USEC_PER_SEC + 25 * USEC_PER_HOUR), 2000);
}
END_TEST

START_TEST(what_cannot_be_read_counts_nothing)
{
    static const char *const texts[] = {"", "x", "1", "1:", ":", "1:2x", "99999999999999999999:5",
        "-1:5", "1:2,,3:4", "0:99999999999999999999"};

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        RateWindow w = window_of(10, USEC_PER_HOUR);

        rate_parse(&w, texts[i], 0, NOW);
        ck_assert_uint_le(rate_room(&w, NOW), 10);
        ck_assert_uint_eq(rate_room(&w, NOW + 2 * USEC_PER_HOUR), 10);
    }
}
END_TEST

/* ---- a relay's ---- */

static Restraint *restraint_of(
    const char *messages, const char *recipients, const char *quiet, const Restraint *former)
{
    const RestraintTerms terms = {messages, recipients, quiet};
    Restraint *restraint;

    ck_assert_int_eq(restraint_new(terms, former, &restraint), 0);
    return restraint;
}

START_TEST(a_relay_without_any_has_none)
{
    ck_assert_ptr_null(restraint_of(NULL, NULL, NULL, NULL));
}
END_TEST

START_TEST(all_rates_hold_at_once)
{
    Restraint *r = restraint_of("2/s, 5/m", "100/h", NULL, NULL);
    RestraintRoom room = restraint_room(r, NOW, REAL);
    char text[RESTRAINT_TEXT_MAX];

    ck_assert_uint_eq(room.messages, 2);
    ck_assert_uint_eq(room.recipients, 100);
    restraint_note(r, 2, 2, NOW);
    room = restraint_room(r, NOW, REAL);
    ck_assert_int_eq(room.kind, RESTRAINT_MESSAGES);
    ck_assert_uint_ge(room.from, NOW + USEC_PER_SEC);
    ck_assert_uint_le(room.from, NOW + USEC_PER_SEC + USEC_PER_SEC / 20);
    restraint_note(r, 3, 90, NOW + 2 * USEC_PER_SEC);
    room = restraint_room(r, NOW + 2 * USEC_PER_SEC, REAL);
    ck_assert_uint_ge(room.from, NOW + USEC_PER_MINUTE);
    ck_assert_str_eq(
        restraint_explain(r, room.kind, text), "it has taken 5 messages in 1m (message_rate)");
    ck_assert_uint_eq(restraint_when(r, 8, NOW + 2 * USEC_PER_SEC), NOW + 2 * USEC_PER_SEC);
    ck_assert_uint_gt(restraint_when(r, 9, NOW + 2 * USEC_PER_SEC), NOW + 2 * USEC_PER_SEC);
    usec_t when = restraint_when(r, 9, NOW + 2 * USEC_PER_SEC);
    ck_assert_uint_eq(restraint_when(r, 9, when), when);
    restraint_free(r);
}
END_TEST

START_TEST(a_reload_and_a_restart_forget_nothing)
{
    Restraint *r = restraint_of("100/h", "300/d", NULL, NULL), *next;
    _cleanup_buffer_ Buffer text = {0};
    char *line, *rest;

    restraint_note(r, 60, 200, NOW);
    next = restraint_of("80/h", "300/d, 10/s", "Sat", r);
    ck_assert_uint_eq(restraint_room(next, NOW, REAL).messages, 20);
    ck_assert_uint_eq(restraint_room(next, NOW, REAL).recipients, 10);
    ck_assert(restraint_is_long(next));
    ck_assert_int_eq(restraint_save(next, "my relay", NOW, &text), 0);
    ck_assert_int_eq(buffer_append(&text, "", 1), 0);
    restraint_free(r);
    r = restraint_of("80/h", "300/d, 10/s", NULL, NULL);
    rest = text.memory;
    while ((line = strsep(&rest, "\n"))) {
        restraint_load(r, "my", line, 0, 0);
        restraint_load(r, "my relay", line, USEC_PER_MINUTE, 0);
    }
    ck_assert_uint_eq(restraint_room(r, 0, REAL).messages, 20);
    ck_assert_uint_eq(restraint_room(r, 2 * USEC_PER_HOUR, REAL).recipients, 10);
    restraint_note(r, 1, 95, 2 * USEC_PER_HOUR);
    ck_assert_uint_eq(restraint_room(r, 3 * USEC_PER_HOUR, REAL).recipients, 5);
    restraint_free(r);
    restraint_free(next);
}
END_TEST

/* ---- shared by several processes ---- */

START_TEST(the_parts_of_a_limit_are_all_of_it)
{
    for (unsigned limit = 1; limit < 50; limit++)
        for (unsigned count = 1; count < 20; count++) {
            unsigned sum = 0;

            for (unsigned place = 0; place < count; place++)
                sum += share_of(&(Share){place, count, true}, limit);
            ck_assert_uint_eq(sum, limit >= count ? limit : count);
            ck_assert_uint_eq(share_of(&(Share){0, count, false}, limit), 1);
        }
}
END_TEST

START_TEST(a_rate_is_shared)
{
    Restraint *r = restraint_of("11/d", "100/h", NULL, NULL), *next;
    char text[RESTRAINT_TEXT_MAX];

    restraint_share(r, &(Share){1, 2, true});
    ck_assert_uint_eq(restraint_room(r, NOW, REAL).messages, 5);
    ck_assert_uint_eq(restraint_room(r, NOW, REAL).recipients, 50);
    restraint_note(r, 5, 5, NOW);
    ck_assert_uint_gt(restraint_room(r, NOW, REAL).from, NOW + USEC_PER_DAY - 1);
    ck_assert_str_eq(restraint_explain(r, RESTRAINT_MESSAGES, text),
        "it has taken 5 messages in 1d (message_rate: 11, shared by 2 daemons)");

    /* A third comes, who does not know of it yet, and then it is alone. */
    restraint_share(r, &(Share){1, 3, false});
    ck_assert_uint_eq(restraint_room(r, NOW, REAL).messages, 0);
    ck_assert_uint_eq(restraint_room(r, NOW, REAL).from, NOW + USEC_PER_SEC); /* it knows soon */
    restraint_share(r, &SHARE_WHOLE);
    ck_assert_uint_eq(restraint_room(r, NOW, REAL).messages, 6);
    ck_assert_uint_eq(restraint_when(r, 95, NOW), NOW);
    restraint_share(r, &(Share){0, 2, true});
    ck_assert_uint_eq(restraint_when(r, 45, NOW), NOW);
    ck_assert_uint_gt(restraint_when(r, 46, NOW), NOW);

    /* The settings are read again. */
    next = restraint_of("20/d", NULL, NULL, r);
    ck_assert_uint_eq(restraint_room(next, NOW, REAL).messages, 15);
    restraint_share(next, &(Share){0, 2, true});
    ck_assert_uint_eq(restraint_room(next, NOW, REAL).messages, 5);
    restraint_free(r);
    restraint_free(next);
}
END_TEST

START_TEST(what_others_sent_counts_as_well)
{
    Restraint *r = restraint_of("11/d", NULL, NULL, NULL);
    char text[RESTRAINT_TEXT_MAX];
    RestraintRoom room;

    restraint_share(r, &(Share){0, 2, true});
    restraint_note(r, 2, 2, NOW);
    restraint_load_others(r, "r", "m 86400 0:3,3600:3 r", 0, NOW);
    restraint_load_others(r, "r", "m 3600 0:9 r", 0, NOW);
    restraint_load_others(r, "r", "m 86400 0:9 another", 0, NOW);
    ck_assert_uint_eq(restraint_room(r, NOW, REAL).messages, 3);

    /* Those are gone: all of it is for this one from now on, less what they have used. */
    restraint_share(r, &SHARE_WHOLE);
    ck_assert_uint_eq(restraint_room(r, NOW, REAL).messages, 3);
    restraint_note(r, 3, 3, NOW);
    room = restraint_room(r, NOW, REAL);
    ck_assert_uint_eq(room.messages, 0);
    ck_assert_uint_ge(room.from, NOW + 23 * USEC_PER_HOUR);
    ck_assert_uint_le(room.from, NOW + 24 * USEC_PER_HOUR);
    ck_assert_str_eq(restraint_explain(r, room.kind, text),
        "it has taken 11 messages in 1d from all daemons (message_rate)");
    ck_assert_uint_eq(restraint_room(r, room.from, REAL).messages, 3);
    restraint_forget_others(r);
    ck_assert_uint_eq(restraint_room(r, NOW, REAL).messages, 6);
    restraint_free(r);
}
END_TEST

START_TEST(one_to_many_goes_when_all_of_the_rate_has_room)
{
    Restraint *r = restraint_of(NULL, "600/h", NULL, NULL);
    char text[RESTRAINT_TEXT_MAX];

    restraint_share(r, &(Share){0, 3, true});
    restraint_load_others(r, "r", "r 3600 0:100 r", 0, NOW);
    ck_assert_uint_eq(
        restraint_when(r, 500, NOW), NOW); /* more than its part, where it sent nothing */
    restraint_load_others(r, "r", "r 3600 0:1 r", 0, NOW);
    ck_assert_uint_gt(restraint_when(r, 500, NOW), NOW);
    ck_assert_uint_eq(restraint_when(r, 200, NOW), NOW);
    restraint_note(r, 1, 450, NOW);
    ck_assert_str_eq(restraint_explain(r, RESTRAINT_RECIPIENTS, text),
        "it has taken 450 recipients in 1h (recipient_rate: 600, shared by 3 daemons)");
    restraint_free(r);
}
END_TEST

START_TEST(one_of_several_transactions_waits_for_room_for_all)
{
    Restraint *r = restraint_of("4/s, 10/m", NULL, NULL, NULL);

    ck_assert_uint_eq(restraint_when_several(r, 8, NOW), NOW); /* "4/s" is not asked */
    restraint_note(r, 8, 80, NOW);
    ck_assert_uint_eq(restraint_when_several(r, 1, NOW), NOW);
    ck_assert_uint_eq(restraint_when_several(r, 2, NOW), NOW);
    ck_assert_uint_ge(restraint_when_several(r, 3, NOW), NOW + 59 * USEC_PER_SEC);
    restraint_share(r, &(Share){1, 4, true});
    ck_assert_uint_gt(
        restraint_when_several(r, 8, NOW + 2 * USEC_PER_MINUTE), NOW + 2 * USEC_PER_MINUTE);
    restraint_free(r);
}
END_TEST

START_TEST(one_to_more_than_a_part_is_for_the_first_alone)
{
    Restraint *r = restraint_of(NULL, "600/h", NULL, NULL);

    restraint_share(r, &(Share){1, 3, true});
    ck_assert_uint_eq(restraint_when(r, 200, NOW), NOW);
    ck_assert_uint_eq(restraint_when(r, 201, NOW), NOW + USEC_PER_MINUTE);
    ck_assert_uint_eq(restraint_when(r, 700, NOW), NOW + USEC_PER_MINUTE);
    restraint_share(r, &(Share){0, 1, false});
    ck_assert_uint_eq(restraint_when(r, 2, NOW), NOW + USEC_PER_SEC);
    restraint_share(r, &(Share){0, 1, true});
    ck_assert_uint_eq(restraint_when(r, 700, NOW), NOW);
    restraint_free(r);
}
END_TEST

START_TEST(a_sixtieth_of_a_rate_is_due_to_be_kept)
{
    Restraint *r = restraint_of("30/s", "600/h", NULL, NULL);
    _cleanup_buffer_ Buffer text = {0};

    restraint_note(r, 9, 9, NOW);
    ck_assert(!restraint_is_due(r));
    restraint_note(r, 1, 1, NOW);
    ck_assert(restraint_is_due(r));
    ck_assert_int_eq(restraint_save(r, "relay", NOW, &text), 0);
    ck_assert(!restraint_is_due(r));
    restraint_free(r);
    r = restraint_of("3/m", NULL, NULL, NULL);
    ck_assert(!restraint_is_due(r));
    restraint_note(r, 1, 1, NOW);
    ck_assert(restraint_is_due(r));
    restraint_free(r);
}
END_TEST

START_TEST(nothing_goes_in_quiet_hours)
{
    Restraint *r;
    RestraintRoom room;

    ck_assert_int_eq(setenv("TZ", "UTC", 1), 0);
    r = restraint_of(NULL, NULL, "12:00-13:30", NULL);
    room = restraint_room(r, NOW, REAL - 1);
    ck_assert_int_eq(room.kind, RESTRAINT_NONE);
    room = restraint_room(r, NOW, REAL);
    ck_assert_int_eq(room.kind, RESTRAINT_QUIET);
    ck_assert_uint_eq(room.messages, 0);
    ck_assert_uint_eq(room.from, NOW + USEC_PER_HOUR * 3 / 2);
    room = restraint_room(r, NOW, REAL + USEC_PER_HOUR);
    ck_assert_uint_eq(room.from, NOW + USEC_PER_HOUR / 2);
    room = restraint_room(r, NOW, REAL + USEC_PER_HOUR * 3 / 2);
    ck_assert_int_eq(room.kind, RESTRAINT_NONE);
    room = restraint_room(r, NOW, REAL + USEC_PER_MINUTE); /* the clock was set back */
    ck_assert_int_eq(room.kind, RESTRAINT_QUIET);
    restraint_free(r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delivery_restraint");
    TCase *t = tcase_create("delivery_restraint");

    tcase_add_test(t, a_burst_is_sent_and_then_what_the_rate_lets);
    tcase_add_test(t, what_is_more_than_the_limit_waits_for_all_of_it);
    tcase_add_test(t, no_stretch_of_time_has_more_than_the_limit);
    tcase_add_test(t, what_was_sent_counts_after_a_restart);
    tcase_add_test(t, what_cannot_be_read_counts_nothing);
    tcase_add_test(t, a_relay_without_any_has_none);
    tcase_add_test(t, all_rates_hold_at_once);
    tcase_add_test(t, a_reload_and_a_restart_forget_nothing);
    tcase_add_test(t, the_parts_of_a_limit_are_all_of_it);
    tcase_add_test(t, a_rate_is_shared);
    tcase_add_test(t, what_others_sent_counts_as_well);
    tcase_add_test(t, one_to_many_goes_when_all_of_the_rate_has_room);
    tcase_add_test(t, one_of_several_transactions_waits_for_room_for_all);
    tcase_add_test(t, one_to_more_than_a_part_is_for_the_first_alone);
    tcase_add_test(t, a_sixtieth_of_a_rate_is_due_to_be_kept);
    tcase_add_test(t, nothing_goes_in_quiet_hours);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
