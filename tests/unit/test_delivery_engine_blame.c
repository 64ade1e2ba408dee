/* delivery/engine: connections that end without a verdict, who waits for whom, and limits of
 * relays, with real connections. */
#include "engine.h"

static bool is_bob(const TestCommand *command)
{
    return strcasecmp(command->line, "RCPT TO:<bob@example.com>") == 0;
}

static const char *close_at_bob(void *user, const TestCommand *command)
{
    return is_bob(command) ? user : NULL;
}

/* ---- one message that the relay stumbles over ---- */

static const char *const endings[] = {"421 4.3.0 oops", "CLOSE", "999 what", "250-half\r\n221 odd"};

START_TEST(a_message_that_always_ends_the_connection_is_deferred_and_the_others_pass)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_free_
    char *record = NULL;

    scene_init(&s);
    add_relay(&s, 0, close_at_bob, (void *)endings[_i], "");
    put_message(&s, "bad.queued", "bob@example.com");
    put_many(&s, 20);
    scene_open_with(&s, "connections = 2;", "retry.first=1h");
    engine_start(s.engine);
    run_until(&s, "bad:deferred");
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).sent, 20);
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "ann@example.com"), 20);
    ck_assert_uint_eq(count_events(&s, "bad:deferred"), 1);
    ck_assert_uint_eq(figures(&s).relays_held, 0);
    record = content(&s.place, "bad.status");
    ck_assert_ptr_nonnull(strstr(record, "\"event\":\"retry\",\"attempt\":1,"));
    ck_assert_ptr_nonnull(strstr(record, "\"recipient\":\"bob@example.com\""));
}
END_TEST

START_TEST(it_is_deferred_though_there_is_no_other)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, close_at_bob, (void *)endings[_i], "");
    put_message(&s, "bad.queued", "bob@example.com");
    scene_open_with(&s, "", "retry.first=1h");
    engine_start(s.engine);
    run_until(&s, "bad:deferred");
    ck_assert_uint_le(test_relay_connections(s.relays[0]), 4);
    queue_message(&s, "good", "ann@example.com");
    run_until(&s, "good:sent");
    ck_assert_uint_eq(figures(&s).relays_held, 0);
}
END_TEST

static const char *postpone_bob_and_close(_unused_ void *user, const TestCommand *command)
{
    if (is_bob(command))
        return "450 4.3.0 perhaps too many";
    return strcasecmp(command->line, "DATA") == 0 ? "CLOSE" : NULL;
}

/* What may be a limit postpones a recipient: that is no verdict, and the relay has not worked. */
START_TEST(it_is_deferred_though_a_recipient_is_postponed_each_time)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, postpone_bob_and_close, NULL, "");
    put_message(&s, "bad.queued", "ann@example.com bob@example.com");
    scene_open_with(&s, "", "retry.first=1h");
    engine_start(s.engine);
    run_until(&s, "bad:deferred");
    ck_assert_uint_le(test_relay_connections(s.relays[0]), 4);
}
END_TEST

static const char *close_at_end(_unused_ void *user, const TestCommand *command)
{
    return strcmp(command->line, ".") == 0 ? "CLOSE" : NULL;
}

START_TEST(what_may_have_been_delivered_is_counted_and_the_next_relay_takes_over)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, close_at_end, NULL, "");
    add_relay(&s, 1, NULL, NULL, "");
    put_many(&s, 6);
    scene_open_with(
        &s, "connections = 2; hold_first = \"1h\"; hold_max = \"1h\";", "retry.first=300ms");
    engine_start(s.engine);
    run_until(&s, "held:one:content");
    for (unsigned i = 0; i < 6; i++) {
        char event[32];

        snprintf(event, sizeof(event), "%u:sent", i);
        run_until(&s, event);
    }
    ck_assert_uint_ge(figures(&s).deferred, 2);
    ck_assert_uint_le(figures(&s).deferred, 4); /* those on the two connections that were lost */
    ck_assert_uint_eq(test_relay_taken(s.relays[1], ""), 6);
}
END_TEST

static const char *close_at_mail(_unused_ void *user, const TestCommand *command)
{
    return strncasecmp(command->line, "MAIL", 4) == 0 ? "CLOSE" : NULL;
}

START_TEST(a_relay_that_loses_every_connection_leaves_the_mail_to_the_next)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, close_at_mail, NULL, "");
    add_relay(&s, 1, NULL, NULL, "");
    put_many(&s, 6);
    scene_open(&s, "hold_first = \"1h\"; hold_max = \"1h\";");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert(happened(&s, "held:one:mail"));
    ck_assert_uint_eq(figures(&s).sent, 6);
    ck_assert_uint_eq(figures(&s).deferred, 0);
    ck_assert_uint_eq(test_relay_taken(s.relays[1], ""), 6);
}
END_TEST

/* ---- who waits for whom ---- */

/* The first message's end is not answered until somebody says so. */
static const char *hang_at_first_end(void *user, const TestCommand *command)
{
    bool *hung = user;

    if (strcmp(command->line, ".") != 0 || *hung)
        return NULL;
    *hung = true;
    return "HANG";
}

START_TEST(nobody_waits_behind_a_slow_message_while_connections_may_be_opened)
{
    _cleanup_scene_ Scene s = {0};
    bool hung = false;

    scene_init(&s);
    add_relay(&s, 0, hang_at_first_end, &hung, "");
    scene_open(&s, "");
    engine_start(s.engine);
    queue_message(&s, "slow", "ann@example.com");
    while (!__atomic_load_n(&hung, __ATOMIC_RELAXED))
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    queue_message(&s, "quick", "ann@example.com");
    run_until(&s, "quick:sent");
    ck_assert_uint_eq(test_relay_connections(s.relays[0]), 2);
}
END_TEST

static const char *hang_in_first_greeting(_unused_ void *user, const TestCommand *command)
{
    return command->connection == 1 && command->line[0] == '\0' ? "HANG" : NULL;
}

START_TEST(nobody_waits_for_a_connection_that_hangs_in_its_greeting)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, hang_in_first_greeting, NULL, "");
    put_many(&s, 1);
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "0:sent"); /* over another one, after PLAN_FRESH */
    ck_assert_uint_ge(test_relay_connections(s.relays[0]), 2);
}
END_TEST

START_TEST(a_corrected_configuration_does_not_wait_for_connections_of_the_old_one)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_config_ Config *config = NULL;
    uint16_t hangs;

    scene_init(&s);
    add_relay(&s, 0, hang_in_first_greeting, NULL, "");
    put_many(&s, 1);
    scene_open(&s, "connections = 1;");
    engine_start(s.engine);
    while (test_relay_connections(s.relays[0]) == 0)
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    hangs = s.ports[0];
    add_relay(&s, 1, NULL, NULL, "");
    s.ports[0] = s.ports[1];
    s.ports[1] = 0;
    config = load_config(&s, "connections = 1;", NULL);
    s.ports[1] = s.ports[0];
    s.ports[0] = hangs;
    ck_assert_int_eq(engine_reload(s.engine, config), 0);
    run_until(&s, "0:sent");
    ck_assert_uint_eq(test_relay_taken(s.relays[1], ""), 1);
}
END_TEST

/* One connection, and no other while it is there; its first message takes for ever. */
static const char *one_connection(void *user, const TestCommand *command)
{
    if (command->connection > 1 && command->line[0] == '\0')
        return "421 4.7.0 one connection is all you get";
    return hang_at_first_end(user, command);
}

START_TEST(a_relay_that_bears_no_more_leaves_the_rest_to_the_next)
{
    _cleanup_scene_ Scene s = {0};
    bool hung = false;

    scene_init(&s);
    add_relay(&s, 0, one_connection, &hung, "");
    add_relay(&s, 1, NULL, NULL, "");
    scene_open(&s, "");
    engine_start(s.engine);
    queue_message(&s, "long", "ann@example.com");
    while (!__atomic_load_n(&hung, __ATOMIC_RELAXED))
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    queue_message(&s, "other", "ann@example.com");
    run_until(&s, "other:sent");
    ck_assert(happened(&s, "limited:one:greeting"));
    ck_assert(!happened(&s, "held:one:greeting"));
    ck_assert_uint_eq(test_relay_taken(s.relays[1], ""), 1);
}
END_TEST

START_TEST(connections_are_held_to_what_descriptors_allow)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    put_many(&s, 100);
    scene_open(&s, "connections = 20;");
    engine_limit_connections(s.engine, 3);
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).sent, 100);
    ck_assert_uint_le(test_relay_most(s.relays[0]), 3);
}
END_TEST

/* ---- recipients beyond what a relay takes ---- */

typedef struct Limit {
    unsigned recipients, max; /* of the transaction under way */
} Limit;

static const char *take_some(void *user, const TestCommand *command)
{
    Limit *limit = user;

    if (strncasecmp(command->line, "MAIL", 4) == 0)
        limit->recipients = 0;
    if (strncasecmp(command->line, "RCPT", 4) != 0 || ++limit->recipients <= limit->max)
        return NULL;
    return "452 4.5.3 too many recipients";
}

START_TEST(recipients_beyond_the_limit_go_at_once_and_it_is_remembered)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_buffer_ Buffer all = {0};
    Limit limit = {.max = 40};

    scene_init(&s);
    add_relay(&s, 0, take_some, &limit, "");
    for (unsigned i = 0; i < 250; i++)
        ck_assert_int_eq(buffer_appendf(&all, "%su%u@example.com", i > 0 ? " " : "", i), 0);
    ck_assert_int_eq(buffer_append(&all, "", 1), 0);
    put_message(&s, "A.queued", buffer_data(&all));
    scene_open(&s, "recipients_per_transaction = 100;");
    engine_start(s.engine);
    run_until(&s, "A:sent");
    ck_assert_uint_eq(figures(&s).deferred, 0);
    for (unsigned i = 0; i < 250; i++) {
        char address[32];

        snprintf(address, sizeof(address), "u%u@example.com", i);
        ck_assert_uint_eq(test_relay_taken(s.relays[0], address), 1);
    }
    /* 40 of the first 100, and from then on no more than 40 at a time. */
    ck_assert_uint_eq(test_relay_mails(s.relays[0]), 7);
    ck_assert_uint_eq(test_relay_connections(s.relays[0]), 1);
}
END_TEST

START_TEST(a_limit_that_the_relay_states_is_kept)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "LIMITS:RCPTMAX=2:MAILMAX=2");
    put_message(&s, "A.queued", "a@example.com b@example.com c@example.com");
    put_many(&s, 4);
    scene_open(&s, "connections = 1;");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).sent, 5);
    ck_assert_uint_eq(test_relay_mails(s.relays[0]), 6);
    ck_assert_uint_ge(test_relay_connections(s.relays[0]), 3);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("delivery/engine: blame, waiting and limits");
    TCase *t = tcase_create("blame");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t,
        a_message_that_always_ends_the_connection_is_deferred_and_the_others_pass, 0,
        (int)ELEMENTSOF(endings));
    tcase_add_loop_test(t, it_is_deferred_though_there_is_no_other, 0, (int)ELEMENTSOF(endings));
    tcase_add_test(t, it_is_deferred_though_a_recipient_is_postponed_each_time);
    tcase_add_test(t, what_may_have_been_delivered_is_counted_and_the_next_relay_takes_over);
    tcase_add_test(t, a_relay_that_loses_every_connection_leaves_the_mail_to_the_next);
    tcase_add_test(t, nobody_waits_behind_a_slow_message_while_connections_may_be_opened);
    tcase_add_test(t, nobody_waits_for_a_connection_that_hangs_in_its_greeting);
    tcase_add_test(t, a_corrected_configuration_does_not_wait_for_connections_of_the_old_one);
    tcase_add_test(t, a_relay_that_bears_no_more_leaves_the_rest_to_the_next);
    tcase_add_test(t, connections_are_held_to_what_descriptors_allow);
    tcase_add_test(t, recipients_beyond_the_limit_go_at_once_and_it_is_remembered);
    tcase_add_test(t, a_limit_that_the_relay_states_is_kept);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
