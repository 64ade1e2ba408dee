/* daemon: what is counted. */
#include <stdlib.h>

#include "daemon/counters.h"
#include "unit.h"

#define NOW ((usec_t)1767323045000000)

static void note(Counters *counters, const char *relay, DeliveryKind kind, size_t n, usec_t delay)
{
    const DeliveryOutcome outcome = {.kind = kind};
    const OutcomeReport report = {
        .outcome = &outcome, .relay = relay, .n_recipients = n, .bytes = 100, .delay_usec = delay};

    counters_note_outcome(counters, &report, NOW);
}

START_TEST(recipients_are_counted_by_outcome)
{
    _cleanup_(counters_done) Counters c = {0};

    note(&c, "one", DELIVERY_DELIVERED, 3, USEC_PER_SEC);
    note(&c, "one", DELIVERY_CUT_OFF, 2, 0);
    note(&c, "two", DELIVERY_DEFERRED, 1, 0);
    note(&c, "two", DELIVERY_REFUSED, 4, 0);
    note(&c, "two", DELIVERY_POSTPONED, 9, 0);
    note(&c, NULL, DELIVERY_REFUSED, 1, 0);
    ck_assert_uint_eq(c.recipients.delivered, 3);
    ck_assert_uint_eq(c.recipients.deferred, 3);
    ck_assert_uint_eq(c.recipients.refused, 5);
    ck_assert_uint_eq(c.bytes, 100);
    ck_assert_uint_eq(counters_relay(&c, "one")->recipients.delivered, 3);
    ck_assert_uint_eq(counters_relay(&c, "one")->last_delivered, NOW);
    ck_assert_uint_eq(counters_relay(&c, "two")->recipients.refused, 4);
    ck_assert_uint_eq(counters_relay(&c, "two")->last_delivered, 0);
    ck_assert_ptr_null(counters_relay(&c, "three"));
}
END_TEST

START_TEST(a_delay_is_in_the_first_bucket_that_it_fits)
{
    _cleanup_(counters_done) Counters c = {0};
    json_t *all, *json;

    note(&c, "one", DELIVERY_DELIVERED, 1, USEC_PER_SEC / 10);
    note(&c, "one", DELIVERY_DELIVERED, 2, USEC_PER_SEC / 10 + 1);
    note(&c, "one", DELIVERY_DELIVERED, 1, 30 * USEC_PER_DAY);
    note(&c, "one", DELIVERY_DELIVERED, 1, 0); /* that cannot be told */
    ck_assert_uint_eq(c.delays[0], 1);
    ck_assert_uint_eq(c.delays[1], 2);
    ck_assert_uint_eq(c.delays[COUNTERS_DELAYS], 1);
    ck_assert_uint_eq(c.delay_sum, 3 * USEC_PER_SEC / 10 + 2 + 30 * USEC_PER_DAY);
    all = counters_to_json(&c);
    json = json_object_get(all, "delay");
    ck_assert_uint_eq(json_array_size(json_object_get(json, "bounds")), COUNTERS_DELAYS);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "counts")), COUNTERS_DELAYS + 1);
    json_decref(all);
}
END_TEST

START_TEST(relays_are_bounded)
{
    RelayConfig kept = {.name = (char[]){"relay 7"}};
    RelayConfig *relays[] = {&kept};
    const Config config = {.relays = relays, .n_relays = 1};
    _cleanup_(counters_done) Counters c = {0};
    char name[20];

    for (int i = 0; i < COUNTERS_RELAYS + 5; i++) {
        snprintf(name, sizeof(name), "relay %d", i);
        counters_note_relay(&c, &(RelayReport){.relay = name, .change = RELAY_HELD});
        counters_note_relay(&c, &(RelayReport){.relay = name, .change = RELAY_RESUMED});
    }
    ck_assert_ptr_null(counters_relay(&c, name));
    ck_assert_uint_eq(counters_relay(&c, "relay 7")->holds, 1);
    counters_keep_relays(&c, &config);
    ck_assert_ptr_null(counters_relay(&c, "relay 8"));
    counters_note_relay(&c, &(RelayReport){.relay = name, .change = RELAY_HELD});
    ck_assert_uint_eq(counters_relay(&c, name)->holds, 1);
    ck_assert_uint_eq(counters_relay(&c, "relay 7")->holds, 1);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("daemon/counters");
    TCase *tc = tcase_create("counters");

    tcase_add_test(tc, recipients_are_counted_by_outcome);
    tcase_add_test(tc, a_delay_is_in_the_first_bucket_that_it_fits);
    tcase_add_test(tc, relays_are_bounded);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
