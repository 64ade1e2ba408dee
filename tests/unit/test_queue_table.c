/* queue/table: each name once, in its turn or at its time, in bounded memory. */
#include <stdio.h>
#include <string.h>

#include "queue/shares.h"
#include "queue/table.h"
#include "unit.h"

static NameTable *make(size_t limit)
{
    NameTable *table;

    ck_assert_int_eq(name_table_new(limit, &table), 0);
    return table;
}

#define _cleanup_table_ _cleanup_(name_table_free_p)

static void assert_takes(NameTable *table, usec_t now, const char *id, NameKind kind)
{
    char got[NAME_ID_MAX];
    NameKind got_kind;

    ck_assert_int_eq(name_table_take(table, now, got, &got_kind), 1);
    ck_assert_str_eq(got, id);
    ck_assert_int_eq(got_kind, kind);
}

static void assert_empty(NameTable *table, usec_t now)
{
    char id[NAME_ID_MAX];
    NameKind kind;

    ck_assert_int_eq(name_table_take(table, now, id, &kind), 0);
}

START_TEST(a_name_is_known_once_however_often_it_comes_up)
{
    _cleanup_table_ NameTable *t = make(1 << 20);

    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(name_table_put(t, "a", NAME_QUEUED, 0, 0), 1);
    ck_assert_int_eq(name_table_put(t, "a", NAME_UNSETTLED, 0, 5 * USEC_PER_SEC), 1);
    ck_assert_uint_eq(name_table_ready(t), 1);
    assert_takes(t, 0, "a", NAME_QUEUED);
    assert_empty(t, USEC_NEVER - 1);
    ck_assert_uint_eq(name_table_ready(t), 0);
}
END_TEST

START_TEST(the_queued_and_the_deferred_file_of_an_id_are_two)
{
    _cleanup_table_ NameTable *t = make(1 << 20);

    ck_assert_int_eq(name_table_put(t, "a", NAME_DEFERRED, 0, 9 * USEC_PER_SEC), 1);
    ck_assert_int_eq(name_table_put(t, "a", NAME_QUEUED, 0, 0), 1);
    ck_assert_uint_eq(name_table_deferred(t), 1);
    assert_takes(t, 0, "a", NAME_QUEUED);
    assert_takes(t, 9 * USEC_PER_SEC, "a", NAME_DEFERRED);
    ck_assert_uint_eq(name_table_deferred(t), 0);
}
END_TEST

START_TEST(a_new_time_takes_the_place_of_the_old_one)
{
    _cleanup_table_ NameTable *t = make(1 << 20);

    ck_assert_int_eq(name_table_put(t, "a", NAME_DEFERRED, 0, 90 * USEC_PER_SEC), 1);
    ck_assert_int_eq(name_table_put(t, "a", NAME_DEFERRED, 0, 5 * USEC_PER_SEC), 1);
    ck_assert_uint_eq(name_table_next(t), 5 * USEC_PER_SEC);
    assert_takes(t, 5 * USEC_PER_SEC, "a", NAME_DEFERRED);
    assert_empty(t, 99 * USEC_PER_SEC);
    ck_assert_int_eq(name_table_put(t, "a", NAME_DEFERRED, 0, 5 * USEC_PER_SEC), 1);
    ck_assert_int_eq(name_table_put(t, "a", NAME_DEFERRED, 0, 90 * USEC_PER_SEC), 1);
    assert_empty(t, 89 * USEC_PER_SEC);
    assert_takes(t, 90 * USEC_PER_SEC, "a", NAME_DEFERRED);
}
END_TEST

START_TEST(what_waits_comes_in_order_and_not_before_its_time)
{
    _cleanup_table_ NameTable *t = make(1 << 20);
    char id[NAME_ID_MAX];
    NameKind kind;
    usec_t last = 0;

    ck_assert_uint_eq(name_table_next(t), USEC_NEVER);
    for (unsigned i = 0; i < 5000; i++) {
        unsigned due = (i * 7919) % 5000 + 1;

        snprintf(id, sizeof(id), "%u", due);
        ck_assert_int_eq(name_table_put(t, id, NAME_DEFERRED, 0, due * USEC_PER_SEC - 7), 1);
    }
    ck_assert_uint_eq(name_table_next(t), USEC_PER_SEC); /* whole seconds, rounded up */
    assert_empty(t, USEC_PER_SEC - 1);
    for (unsigned i = 0; i < 5000; i++) {
        usec_t due;

        ck_assert_int_eq(name_table_take(t, 5000 * USEC_PER_SEC, id, &kind), 1);
        due = strtoul(id, NULL, 10);
        ck_assert_uint_gt(due, last);
        last = due;
    }
    assert_empty(t, 5000 * USEC_PER_SEC);
}
END_TEST

START_TEST(ready_and_due_take_turns)
{
    _cleanup_table_ NameTable *t = make(1 << 20);
    char id[NAME_ID_MAX], order[9] = "";
    NameKind kind;

    for (char c = '1'; c <= '4'; c++)
        ck_assert_int_eq(name_table_put(t, (char[]){c, '\0'}, NAME_QUEUED, 0, 0), 1);
    for (char c = 'a'; c <= 'd'; c++)
        ck_assert_int_eq(name_table_put(t, (char[]){c, '\0'}, NAME_DEFERRED, 0, USEC_PER_SEC), 1);
    while (name_table_take(t, USEC_PER_SEC, id, &kind))
        strcat(order, id);
    for (unsigned i = 0; i < 8; i += 2) /* one of each, the ready ones in their order */
        ck_assert(order[i] >= 'a' && order[i + 1] == (char)('1' + i / 2));
}
END_TEST

START_TEST(a_full_table_keeps_the_earlier_and_says_from_when_it_is_incomplete)
{
    _cleanup_table_ NameTable *t = make(64 * 1024);
    char id[NAME_ID_MAX];
    NameKind kind;
    usec_t horizon;
    unsigned taken = 0;

    for (unsigned i = 100000; i > 0; i--) {
        snprintf(id, sizeof(id), "message-%06u", i);
        ck_assert_int_ge(name_table_put(t, id, NAME_DEFERRED, 0, i * USEC_PER_SEC), 0);
    }
    horizon = name_table_horizon(t);
    ck_assert_uint_ne(horizon, USEC_NEVER);
    ck_assert_uint_gt(horizon, 500 * USEC_PER_SEC);
    while (name_table_take(t, USEC_NEVER - 1, id, &kind))
        ck_assert_uint_eq(strtoul(id + 8, NULL, 10), ++taken);
    ck_assert_uint_eq((taken + 1) * USEC_PER_SEC, horizon);
    ck_assert_uint_eq(name_table_next(t), horizon);
    ck_assert_int_eq(name_table_put(t, "later", NAME_DEFERRED, 0, horizon), 0);
    ck_assert_int_eq(name_table_put(t, "sooner", NAME_DEFERRED, 0, horizon - 1), 0);
    ck_assert_int_eq(name_table_put(t, "sooner", NAME_DEFERRED, 0, horizon - 2 * USEC_PER_SEC), 1);
}
END_TEST

START_TEST(what_is_ready_is_bounded_too)
{
    _cleanup_table_ NameTable *t = make(1 << 24);
    unsigned put = 0, taken = 0;
    char id[NAME_ID_MAX];
    NameKind kind;

    while (
        snprintf(id, sizeof(id), "id-%u", put) > 0 && name_table_put(t, id, NAME_QUEUED, 0, 0) == 1)
        put++;
    ck_assert_uint_ge(put, 4096);
    ck_assert(!name_table_has_room(t));
    ck_assert_uint_eq(name_table_ready(t), put);
    while (name_table_take(t, 0, id, &kind))
        ck_assert_uint_eq(strtoul(id + 3, NULL, 10), taken++);
    ck_assert_uint_eq(taken, put);
    ck_assert(name_table_has_room(t));
    memset(id, 'x', 255);
    id[255] = '\0';
    ck_assert_int_eq(name_table_put(t, id, NAME_QUEUED, 0, 0), 1);
    assert_takes(t, 0, id, NAME_QUEUED);
}
END_TEST

START_TEST(what_comes_next_can_be_seen)
{
    _cleanup_table_ NameTable *t = make(1 << 20);
    char id[NAME_ID_MAX];
    NameKind kind;
    size_t at = 0;

    ck_assert_int_eq(name_table_peek(t, &at, id, &kind), 0);
    ck_assert_int_eq(name_table_put(t, "gone", NAME_QUEUED, 0, 0), 1);
    ck_assert_int_eq(name_table_put(t, "first", NAME_UNSETTLED, 0, 0), 1);
    ck_assert_int_eq(name_table_put(t, "second", NAME_DEFERRED, 0, 0), 1);
    assert_takes(t, 0, "gone", NAME_QUEUED);
    at = 0;
    ck_assert_int_eq(name_table_peek(t, &at, id, &kind), 1);
    ck_assert_str_eq(id, "first");
    ck_assert_int_eq(name_table_peek(t, &at, id, &kind), 1);
    ck_assert_str_eq(id, "second");
    ck_assert_int_eq(kind, NAME_DEFERRED);
    ck_assert_int_eq(name_table_peek(t, &at, id, &kind), 0);
    ck_assert_uint_eq(name_table_ready(t), 2);
}
END_TEST

static void put_of_share(NameTable *t, unsigned share, unsigned n, usec_t due)
{
    char id[NAME_ID_MAX];

    for (unsigned i = 0; i < n; i++) {
        snprintf(id, sizeof(id), "%u-%u", share, i);
        ck_assert_int_ge(name_table_put(t, id, due ? NAME_DEFERRED : NAME_QUEUED, share, due), 0);
    }
}

/* How many names come before the last of that share's `n`. */
static unsigned taken_before(NameTable *t, usec_t now, unsigned share, unsigned n)
{
    char id[NAME_ID_MAX];
    NameKind kind;
    unsigned taken = 0;

    for (; n > 0; taken++) {
        ck_assert_int_eq(name_table_take(t, now, id, &kind), 1);
        n -= strtoul(id, NULL, 10) == share;
    }
    return taken;
}

START_TEST(a_share_of_many_names_keeps_no_other_waiting)
{
    _cleanup_table_ NameTable *t = make(1 << 24);

    put_of_share(t, 5, 6000, 0);
    put_of_share(t, 9, 1, 0);
    put_of_share(t, 63, 10, 0);
    ck_assert_uint_le(taken_before(t, 0, 9, 1), 3);
    ck_assert_uint_le(taken_before(t, 0, 63, 10), 2 * 10);
    put_of_share(t, 0, 1, 0); /* it came when the others had had their turns already */
    ck_assert_uint_le(taken_before(t, 0, 0, 1), 2);
}
END_TEST

START_TEST(what_is_due_has_shares_too)
{
    _cleanup_table_ NameTable *t = make(1 << 24);

    put_of_share(t, 5, 6000, USEC_PER_SEC);
    put_of_share(t, 9, 1, 2 * USEC_PER_SEC);
    ck_assert_uint_eq(name_table_next(t), USEC_PER_SEC);
    ck_assert_uint_le(taken_before(t, 2 * USEC_PER_SEC, 9, 1), 2);
}
END_TEST

START_TEST(a_full_table_has_room_for_a_few_of_every_share)
{
    _cleanup_table_ NameTable *t = make(1 << 24);
    size_t full;

    put_of_share(t, 5, 20000, 0);
    ck_assert(!name_table_has_room(t));
    full = name_table_ready(t);
    for (unsigned share = 6; share < NAME_SHARES; share++)
        put_of_share(t, share, 1000, 0);
    ck_assert_uint_ge(name_table_ready(t), full + 58 * 10);
    ck_assert_uint_le(name_table_ready(t), full + 58 * 100);
    ck_assert_uint_le(taken_before(t, 0, 63, 1), 64);
}
END_TEST

/* One of them has thousands, all others a message each time they are asked. */
START_TEST(more_owners_than_shares_come_behind_none_who_has_many)
{
    _cleanup_table_ NameTable *t = make(1 << 24);
    Shares shares = {.several = true};
    unsigned most = shares_of_owner(&shares, t, 1000);

    put_of_share(t, most, 6000, 0);
    for (uid_t owner = 1001; owner < 1001 + 3 * NAME_SHARES; owner++) {
        unsigned share = shares_of_owner(&shares, t, owner);
        char id[NAME_ID_MAX];

        ck_assert_uint_ne(share, most);
        snprintf(id, sizeof(id), "of-%u", owner);
        ck_assert_int_eq(name_table_put(t, id, NAME_QUEUED, share, 0), 1);
        ck_assert_uint_le(name_table_of_share(t, share), 4);
    }
    ck_assert_uint_eq(shares_of_owner(&shares, t, 1000), most);
}
END_TEST

START_TEST(everything_can_be_made_due)
{
    _cleanup_table_ NameTable *t = make(1 << 20);

    name_table_flush(t); /* none */
    ck_assert_int_eq(name_table_put(t, "settling", NAME_UNSETTLED, 0, 50 * USEC_PER_SEC), 1);
    ck_assert_int_eq(name_table_put(t, "deferred", NAME_DEFERRED, 0, 99 * USEC_PER_SEC), 1);
    name_table_flush(t);
    ck_assert_uint_eq(name_table_deferred(t), 1);
    assert_takes(t, USEC_PER_SEC, "settling", NAME_UNSETTLED);
    assert_takes(t, USEC_PER_SEC, "deferred", NAME_DEFERRED_NOW);
}
END_TEST

START_TEST(no_time_is_further_away_than_it_may_be)
{
    _cleanup_table_ NameTable *t = make(1 << 20);

    ck_assert_int_eq(name_table_put(t, "far", NAME_DEFERRED, 0, 900 * USEC_PER_SEC), 1);
    ck_assert_int_eq(name_table_put(t, "near", NAME_DEFERRED, 0, 9 * USEC_PER_SEC), 1);
    name_table_cap(t, 60 * USEC_PER_SEC);
    assert_takes(t, 60 * USEC_PER_SEC, "near", NAME_DEFERRED);
    assert_takes(t, 60 * USEC_PER_SEC, "far", NAME_DEFERRED);
}
END_TEST

START_TEST(a_pass_forgets_what_it_has_not_seen)
{
    _cleanup_table_ NameTable *t = make(1 << 20);

    ck_assert_int_eq(name_table_put(t, "gone", NAME_DEFERRED, 0, 5 * USEC_PER_SEC), 1);
    ck_assert_int_eq(name_table_put(t, "gone too", NAME_QUEUED, 0, 0), 1);
    ck_assert_int_eq(name_table_put(t, "there", NAME_DEFERRED, 0, 6 * USEC_PER_SEC), 1);
    name_table_begin_pass(t);
    ck_assert_int_eq(name_table_see(t, "there", NAME_DEFERRED), 1);
    ck_assert_int_eq(name_table_see(t, "there", NAME_QUEUED), 0);
    ck_assert_int_eq(name_table_put(t, "new", NAME_QUEUED, 0, 0), 1);
    name_table_end_pass(t);
    assert_takes(t, 9 * USEC_PER_SEC, "there", NAME_DEFERRED);
    assert_takes(t, 9 * USEC_PER_SEC, "new", NAME_QUEUED);
    assert_empty(t, 9 * USEC_PER_SEC);
}
END_TEST

#define MODEL_IDS 400

static uint64_t random_below(uint64_t *state, uint64_t n)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % n;
}

static bool is_nothing_due(const usec_t due[static MODEL_IDS], usec_t now)
{
    for (unsigned i = 0; i < MODEL_IDS; i++)
        if (due[i] != 0 && due[i] <= now)
            return false;
    return true;
}

/* Against a table that is plain and slow. */
START_TEST(it_behaves_as_a_plain_table_does)
{
    _cleanup_table_ NameTable *t = make(1 << 20);
    usec_t due[MODEL_IDS] = {0}; /* 0: not there; 1: ready; else a time */
    uint64_t random = 88172645463325252u;
    char id[NAME_ID_MAX];
    NameKind kind;

    for (unsigned round = 0; round < 20000; round++) {
        unsigned i = (unsigned)random_below(&random, MODEL_IDS);
        usec_t when = (2 + random_below(&random, 1000)) * USEC_PER_SEC;

        snprintf(id, sizeof(id), "%u-%0*u", i, (int)(i % 90), i);
        switch (random_below(&random, 8)) {
        case 0:
            ck_assert_int_eq(name_table_put(t, id, NAME_QUEUED, 0, 0), 1);
            due[i] = 1;
            break;
        case 1:
        case 2:
        case 3:
            ck_assert_int_eq(name_table_put(t, id, NAME_UNSETTLED, 0, when), 1);
            due[i] = due[i] == 1 ? 1 : when;
            break;
        case 4: ck_assert_int_eq(name_table_see(t, id, NAME_QUEUED), due[i] != 0); break;
        default:
            if (name_table_take(t, when, id, &kind) == 1) {
                i = (unsigned)strtoul(id, NULL, 10);
                ck_assert_uint_ne(due[i], 0);
                ck_assert_uint_le(due[i], when);
                due[i] = 0;
            } else {
                ck_assert(is_nothing_due(due, when));
            }
        }
    }
    while (name_table_take(t, USEC_NEVER - 1, id, &kind)) {
        unsigned i = (unsigned)strtoul(id, NULL, 10);

        ck_assert_uint_ne(due[i], 0);
        due[i] = 0;
    }
    for (unsigned i = 0; i < MODEL_IDS; i++)
        ck_assert_uint_eq(due[i], 0);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("queue/table");
    TCase *tcase = tcase_create("table");

    tcase_add_test(tcase, a_name_is_known_once_however_often_it_comes_up);
    tcase_add_test(tcase, the_queued_and_the_deferred_file_of_an_id_are_two);
    tcase_add_test(tcase, a_new_time_takes_the_place_of_the_old_one);
    tcase_add_test(tcase, what_waits_comes_in_order_and_not_before_its_time);
    tcase_add_test(tcase, ready_and_due_take_turns);
    tcase_add_test(tcase, a_full_table_keeps_the_earlier_and_says_from_when_it_is_incomplete);
    tcase_add_test(tcase, what_is_ready_is_bounded_too);
    tcase_add_test(tcase, what_comes_next_can_be_seen);
    tcase_add_test(tcase, a_share_of_many_names_keeps_no_other_waiting);
    tcase_add_test(tcase, what_is_due_has_shares_too);
    tcase_add_test(tcase, a_full_table_has_room_for_a_few_of_every_share);
    tcase_add_test(tcase, more_owners_than_shares_come_behind_none_who_has_many);
    tcase_add_test(tcase, everything_can_be_made_due);
    tcase_add_test(tcase, no_time_is_further_away_than_it_may_be);
    tcase_add_test(tcase, a_pass_forgets_what_it_has_not_seen);
    tcase_add_test(tcase, it_behaves_as_a_plain_table_does);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
