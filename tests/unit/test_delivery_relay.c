/* delivery: choice and health of relays, and the verdict at the end of an attempt. */
#include <string.h>

#include "base/errors.h"
#include "delivery/relay.h"
#include "delivery/verdict.h"
#include "settings/load.h"
#include "unit.h"

#define SECOND USEC_PER_SEC
#define START (1000 * USEC_PER_SEC)

static const char text[] =
    "spool = { directory = \"/nowhere\"; };\n"
    "relays = ( { name = \"one\"; host = \"127.0.0.1\"; tls = \"none\"; connections = 5;\n"
    "             hold_first = \"10s\"; hold_max = \"30s\"; },\n"
    "           { name = \"two\"; host = \"127.0.0.2\"; tls = \"none\"; connections = 2; } );\n";

static const DeliveryOutcome refused_connection = {
    .kind = DELIVERY_CUT_OFF,
    .stage = STAGE_CONNECT,
    .error = ERROR_CONNECTING,
    .text = "nobody listens",
};

static RelaySet *make_set(void)
{
    _cleanup_worker_ Worker *worker = NULL;
    _cleanup_config_ Config *config = NULL;
    _cleanup_failure_ Failure f = {0};
    RelaySet *set;
    int r = config_load_text("test", text, strlen(text), NULL, &config, &f);

    ck_assert_msg(r == 0, "%s", failure_text(&f));
    ck_assert_int_eq(worker_new(&worker), 0);
    ck_assert_int_eq(relay_set_new(config, worker, &set), 0);
    return set;
}

START_TEST(the_first_relay_has_all_the_mail_it_can_take)
{
    RelaySet *set = make_set();

    for (unsigned i = 0; i < 5; i++) {
        ck_assert_ptr_eq(relay_set_choose(set, START), &set->relays[0]);
        set->relays[0].connections++;
    }
    /* Busy is not at fault. */
    ck_assert_ptr_null(relay_set_choose(set, START));
    ck_assert_uint_eq(relay_set_next(set, START), USEC_NEVER);
    relay_set_unref(set);
}
END_TEST

START_TEST(a_fault_holds_a_relay_and_the_next_one_takes_over)
{
    RelaySet *set = make_set();
    Relay *one = &set->relays[0], *two = &set->relays[1];

    ck_assert(relay_fault(one, &refused_connection, 0, START));
    ck_assert_str_eq(one->fault.text, "nobody listens");
    ck_assert_ptr_ne(one->fault.text, refused_connection.text);
    ck_assert_ptr_eq(relay_set_choose(set, START), two);
    ck_assert_uint_eq(relay_set_next(set, START), START + 10 * SECOND);
    ck_assert(!relay_set_all_held(set, START));
    ck_assert(relay_fault(two, &refused_connection, 0, START));
    ck_assert(relay_set_all_held(set, START));
    ck_assert_ptr_null(relay_set_choose(set, START));

    /* Its time is over: one connection finds out, and the other relay is not kept from the mail. */
    ck_assert_ptr_eq(relay_set_choose(set, START + 10 * SECOND), one);
    one->connections = 1;
    ck_assert_ptr_eq(relay_set_choose(set, START + 10 * SECOND), two);
    ck_assert(relay_works(one));
    ck_assert(!relay_works(one));
    ck_assert_ptr_eq(relay_set_choose(set, START + 10 * SECOND), one);
    relay_set_unref(set);
}
END_TEST

START_TEST(a_hold_grows_to_its_limit_and_is_news_once)
{
    RelaySet *set = make_set();
    Relay *one = &set->relays[0];
    DeliveryOutcome other = refused_connection;

    ck_assert(relay_fault(one, &refused_connection, 0, START));
    ck_assert(!relay_fault(one, &refused_connection, 0, START));
    ck_assert_uint_eq(one->held_until, START + 20 * SECOND);
    ck_assert(!relay_fault(one, &refused_connection, 0, START));
    ck_assert_uint_eq(one->held_until, START + 30 * SECOND);
    other.stage = STAGE_AUTH;
    ck_assert(relay_fault(one, &other, 15, START)); /* jitter: a tenth less at most */
    ck_assert_uint_eq(one->held_until, START + 27 * SECOND);
    relay_set_flush(set);
    ck_assert_ptr_eq(relay_set_choose(set, START), one);
    (void)relay_works(one);
    ck_assert(relay_fault(one, &refused_connection, 0, START));
    ck_assert_uint_eq(one->held_until, START + 10 * SECOND);
    relay_set_unref(set);
}
END_TEST

START_TEST(a_fault_beside_other_connections_lowers_their_number_for_a_while)
{
    RelaySet *set = make_set();
    Relay *one = &set->relays[0];

    one->connections = 2; /* the third was refused */
    ck_assert(!relay_fault(one, &refused_connection, 0, START));
    ck_assert(!one->held);
    ck_assert_uint_eq(relay_set_next(set, START), START + USEC_PER_MINUTE);
    ck_assert_ptr_null(relay_set_choose(set, START + SECOND));
    one->connections = 1;
    ck_assert_ptr_eq(relay_set_choose(set, START + SECOND), one);
    one->connections = 2;
    ck_assert_ptr_eq(relay_set_choose(set, START + USEC_PER_MINUTE), one);
    /* With the last one it was no limit. */
    ck_assert(!relay_fault(one, &refused_connection, 0, START));
    one->connections = 0;
    ck_assert(relay_fault(one, &refused_connection, 0, START));
    ck_assert_uint_eq(one->limit, 5);
    relay_set_unref(set);
}
END_TEST

START_TEST(every_fault_has_a_hint)
{
    for (int stage = STAGE_NONE; stage < STAGE_MAX; stage++) {
        const DeliveryOutcome outcome = {.stage = (DeliveryStage)stage, .text = ""};

        ck_assert_uint_gt(strlen(relay_hint(&outcome)), 20);
    }
    ck_assert_ptr_nonnull(
        strstr(relay_hint(&(DeliveryOutcome){.error = ERROR_AUTHENTICATION}), "user, password"));
}
END_TEST

/* ---- the verdict ---- */

static const RetryConfig retry = {
    .first = USEC_PER_MINUTE,
    .max = USEC_PER_HOUR,
    .factor = 2.0,
    .give_up_after = USEC_PER_DAY,
};

static Verdict judge(const Tally *tally, usec_t now)
{
    return verdict_reach(tally, &retry, 0, now);
}

START_TEST(verdicts_follow_the_outcomes)
{
    static const struct {
        Tally tally;
        MessageChange change;
        int error;
        const char *text;
    } cases[] = {
        {{.attempt = 1, .recipients = 1, .pending = 1, .delivered = 1}, MESSAGE_SENT, 0, NULL},
        {{.attempt = 1, .recipients = 1, .pending = 1}, MESSAGE_RETURNED, 0, NULL},
        {{.attempt = 1, .recipients = 2, .pending = 2, .delivered = 1}, MESSAGE_RETURNED, 0, NULL},
        {{.attempt = 1, .recipients = 2, .pending = 2, .refused = 1}, MESSAGE_RETURNED, 0, NULL},
        {{.attempt = 1, .recipients = 2, .pending = 2, .delivered = 1, .refused = 1, .reason = "r"},
            MESSAGE_FAILED, ERROR_REFUSED, "1 of 2 recipients refused; r"},
        {{.attempt = 2, .recipients = 2, .pending = 1, .delivered = 1, .refused_before = 1},
            MESSAGE_FAILED, ERROR_REFUSED,
            "1 of 2 recipients refused; recipients were refused in an earlier attempt"},
        {{.attempt = 1, .recipients = 2, .pending = 2, .refused = 1, .deferred = 1, .reason = "r"},
            MESSAGE_DEFERRED, 0, "r"},
        {{.attempt = 1, .recipients = 2, .pending = 2, .deferred = 1, .reason = "r"},
            MESSAGE_DEFERRED, 0, "r"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        Verdict v = judge(&cases[i].tally, START);

        ck_assert_int_eq(v.change, cases[i].change);
        ck_assert_int_eq(v.error, cases[i].error);
        if (cases[i].text)
            ck_assert_str_eq(v.text, cases[i].text);
        else
            ck_assert_ptr_null(v.text);
        free(v.text);
    }
}
END_TEST

START_TEST(a_deferred_message_has_its_time_or_expires)
{
    Tally tally = {
        .attempt = 3, .retry_start = START, .recipients = 1, .pending = 1, .deferred = 1};
    Verdict v = judge(&tally, START);

    ck_assert_uint_eq(v.next, START + 4 * USEC_PER_MINUTE);
    ck_assert_str_eq(v.text, "not enough memory to tell"); /* there was none for the reason */
    free(v.text);
    tally.reason = "the reason";
    v = judge(&tally, START + USEC_PER_DAY);
    ck_assert_int_eq(v.change, MESSAGE_FAILED);
    ck_assert_int_eq(v.error, ERROR_EXPIRED);
    ck_assert_str_eq(v.text, "given up after 3 attempts; the last: the reason");
    free(v.text);
    v = verdict_reach(&tally, &(RetryConfig){.max_attempts = 3}, 0, START);
    ck_assert_int_eq(v.error, ERROR_EXPIRED);
    free(v.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delivery: relays and verdicts");
    TCase *relays = tcase_create("relays"), *verdicts = tcase_create("verdicts");

    tcase_add_test(relays, the_first_relay_has_all_the_mail_it_can_take);
    tcase_add_test(relays, a_fault_holds_a_relay_and_the_next_one_takes_over);
    tcase_add_test(relays, a_hold_grows_to_its_limit_and_is_news_once);
    tcase_add_test(relays, a_fault_beside_other_connections_lowers_their_number_for_a_while);
    tcase_add_test(relays, every_fault_has_a_hint);
    tcase_add_test(verdicts, verdicts_follow_the_outcomes);
    tcase_add_test(verdicts, a_deferred_message_has_its_time_or_expires);
    suite_add_tcase(suite, relays);
    suite_add_tcase(suite, verdicts);
    return unit_run(suite);
}
