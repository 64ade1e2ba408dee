/* delivery/engine: relays that are at fault, and what that is to messages: nothing is lost, nothing
 * is sent twice, and no attempt is counted where the relay is to blame. */
#include "engine.h"

START_TEST(a_relay_that_is_down_holds_the_mail_until_it_is_back)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    drop_relay(&s, 0);
    put_many(&s, 5);
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "held:one:connect");
    run_for(&s, USEC_PER_SEC);
    ck_assert_uint_eq(count_events(&s, "held:one:connect"), 1);
    assert_names(&s.place, "0.queued 1.queued 2.queued 3.queued 4.queued ");
    ck_assert_uint_eq(figures(&s).relays_held, 1);
    add_relay(&s, 0, NULL, NULL, "");
    run_until(&s, "idle");
    ck_assert(happened(&s, "resumed:one"));
    ck_assert_uint_eq(figures(&s).sent, 5);
    ck_assert_uint_eq(figures(&s).relays_held, 0);
    assert_names(&s.place, "");
}
END_TEST

START_TEST(a_held_relay_without_mail_wakes_nobody)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    drop_relay(&s, 0);
    put_message(&s, "A.queued", "ann@example.com");
    s.unwatched = true;
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "held:one:connect");
    while (!there(&s.place, "A.queued"))
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    ck_assert_int_eq(unlinkat(s.place.fd, "A.queued", 0), 0);
    add_relay(&s, 0, NULL, NULL, "");
    run_until(&s, "idle");
    engine_flush(s.engine);
    run_for(&s, USEC_PER_SEC / 2);
    ck_assert(sleeps(&s, 2 * USEC_PER_SEC));
}
END_TEST

START_TEST(a_flush_tries_a_held_relay_now)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    drop_relay(&s, 0);
    scene_open(&s, "");
    s.config->relays[0]->hold_first = USEC_PER_HOUR;
    engine_start(s.engine);
    queue_message(&s, "A", "ann@example.com");
    run_until(&s, "held:one:connect");
    add_relay(&s, 0, NULL, NULL, "");
    engine_flush(s.engine);
    run_until(&s, "resumed:one"); /* what is told of the relay comes behind what has to be done */
    ck_assert_str_eq(
        events(&s), "held:one:connect A:delivered:ann@example.com A:sent resumed:one ");
}
END_TEST

START_TEST(the_second_relay_carries_the_mail_until_the_first_is_back)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    add_relay(&s, 1, NULL, NULL, "");
    drop_relay(&s, 0);
    scene_open(&s, "");
    engine_start(s.engine);
    queue_message(&s, "A", "ann@example.com");
    run_until(&s, "A:sent");
    ck_assert_uint_eq(test_relay_taken(s.relays[1], ""), 1);
    ck_assert(happened(&s, "held:one:connect"));
    add_relay(&s, 0, NULL, NULL, "");
    run_for(&s, 300 * USEC_PER_MSEC); /* past the hold */
    for (unsigned i = 0; i < 400 && !happened(&s, "resumed:one"); i++) {
        char id[16];

        snprintf(id, sizeof(id), "B%u", i);
        queue_message(&s, id, "bob@example.com");
        run_for(&s, 50 * USEC_PER_MSEC);
    }
    ck_assert(happened(&s, "resumed:one"));
    forget_events(&s);
    queue_message(&s, "C", "eve@example.com");
    run_until(&s, "C:sent");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "eve@example.com"), 1);
}
END_TEST

/* ---- how many connections ---- */

static const char *no_third(_unused_ void *user, const TestCommand *command)
{
    if (command->line[0] == '\0' && command->connection >= 3)
        return "421 4.7.0 too many connections";
    return NULL;
}

START_TEST(a_relay_that_refuses_more_connections_is_not_held)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, no_third, NULL, "");
    put_many(&s, 200);
    scene_open(&s, "connections = 10;");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).sent, 200);
    ck_assert(!happened(&s, "held:one:greeting"));
    ck_assert_uint_le(test_relay_connections(s.relays[0]), 10); /* those of the beginning */
}
END_TEST

/* ---- faults in the middle ---- */

static const char *say_421_to_mail(_unused_ void *user, const TestCommand *command)
{
    return strncasecmp(command->line, "MAIL", 4) == 0 ? "421 4.3.2 going down" : NULL;
}

START_TEST(a_relay_that_answers_every_mail_with_421_is_held_and_counts_nothing)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, say_421_to_mail, NULL, "");
    put_many(&s, 20);
    scene_open(&s, "connections = 4;");
    engine_start(s.engine);
    run_until(&s, "held:one:mail");
    run_for(&s, 2 * USEC_PER_SEC);
    ck_assert_uint_eq(count_events(&s, "held:one:mail"), 1);
    ck_assert(!happened(&s, "resumed:one"));
    /* 4 at first, and then one each time at 0.2, 0.6, 1.4 seconds. */
    ck_assert_uint_le(test_relay_connections(s.relays[0]), 8);
    ck_assert_uint_eq(figures(&s).deferred, 0);
    while (figures(&s).in_flight > 0) /* it is tried again just now */
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    for (unsigned i = 0; i < 20; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%u.queued", i);
        ck_assert(there(&s.place, name));
        snprintf(name, sizeof(name), "%u.status", i);
        ck_assert(!there(&s.place, name));
    }
}
END_TEST

static const char *close_at_mail(_unused_ void *user, const TestCommand *command)
{
    return strncasecmp(command->line, "MAIL", 4) == 0 ? "CLOSE" : NULL;
}

START_TEST(a_relay_that_loses_connections_at_mail_is_held_and_counts_nothing)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, close_at_mail, NULL, "");
    put_many(&s, 10);
    scene_open(&s, "connections = 2;");
    engine_start(s.engine);
    run_until(&s, "held:one:mail");
    run_for(&s, 2 * USEC_PER_SEC);
    ck_assert_uint_eq(count_events(&s, "held:one:mail"), 1);
    ck_assert_uint_eq(figures(&s).deferred, 0);
    ck_assert_uint_le(test_relay_connections(s.relays[0]), 10);
}
END_TEST

static const char *close_at_second_mail(_unused_ void *user, const TestCommand *command)
{
    return strncasecmp(command->line, "MAIL", 4) == 0 && command->message == 2 ? "CLOSE" : NULL;
}

START_TEST(a_kept_connection_that_is_lost_when_reused_is_nobodys_fault)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, close_at_second_mail, NULL, "");
    put_many(&s, 10);
    scene_open(&s, "connections = 1;");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).sent, 10);
    ck_assert_uint_eq(figures(&s).deferred, 0);
    ck_assert_uint_eq(test_relay_taken(s.relays[0], ""), 10);
    ck_assert(!happened(&s, "held:one:mail"));
}
END_TEST

/* Loses the connection in the middle of the third message of each. */
static const char *close_at_third_content(_unused_ void *user, const TestCommand *command)
{
    return strcmp(command->line, ".") == 0 && command->message == 3 ? "CLOSE" : NULL;
}

START_TEST(a_connection_lost_with_two_messages_on_it_defers_the_first_alone)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, close_at_third_content, NULL, "");
    put_many(&s, 5);
    scene_open(&s, "connections = 1;");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).deferred, 1);
    ck_assert_uint_eq(figures(&s).sent, 4);
    ck_assert_uint_eq(test_relay_taken(s.relays[0], ""), 4);
}
END_TEST

START_TEST(a_connection_lost_between_parts_costs_no_recipient_a_second_copy)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_free_
    char *record = NULL;

    scene_init(&s);
    add_relay(&s, 0, close_at_third_content, NULL, "");
    scene_open(&s, "connections = 1; recipients_per_transaction = 2;");
    engine_start(s.engine);
    queue_message(&s, "A",
        "a@example.com b@example.com c@example.com d@example.com e@example.com f@example.com "
        "g@example.com");
    run_until(&s, "A:deferred");
    record = content(&s.place, "A.status");
    ck_assert_ptr_nonnull(
        strstr(record, "\"event\":\"delivered\",\"recipient\":\"d@example.com\""));
    ck_assert_ptr_nonnull(strstr(record, "\"event\":\"deferred\",\"recipient\":\"f@example.com\""));
    ck_assert_ptr_null(strstr(record, "g@example.com"));
    run_until(&s, "A:sent");
    for (char address[] = "a@example.com"; address[0] <= 'g'; address[0]++)
        ck_assert_uint_eq(test_relay_taken(s.relays[0], address), 1);
}
END_TEST

/* The file becomes shorter while it is sent. */
static const char *shorten(void *user, const TestCommand *command)
{
    Scene *s = user;

    if (strcmp(command->line, "DATA") == 0 && test_relay_port(s->relays[0]) != 0) {
        int fd = openat(s->place.fd, "A.sending", O_WRONLY | O_CLOEXEC);

        if (fd >= 0) {
            (void)!ftruncate(fd, 2000);
            (void)close(fd);
        }
    }
    return NULL;
}

START_TEST(a_file_that_becomes_shorter_is_never_sent_in_part)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_buffer_ Buffer text = {0};

    scene_init(&s);
    add_relay(&s, 0, shorten, &s, "");
    ck_assert_int_eq(buffer_append_string(&text, "From: a@example.org\nTo: b@example.org\n\n"), 0);
    for (unsigned i = 0; i < 50000; i++)
        ck_assert_int_eq(buffer_appendf(&text, "line %u of the message\n", i), 0);
    ck_assert_int_eq(buffer_append(&text, "", 1), 0);
    put(&s.place, "A.queued", buffer_data(&text));
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "A:returned");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], ""), 0);
    ck_assert(happened(&s, "problem:A:goes-on"));
    ck_assert(!there(&s.place, "A.status")); /* it is no attempt of the message's */
    ck_assert(!happened(&s, "held:one:message"));
}
END_TEST

START_TEST(one_attempt_makes_the_relays_fault_final)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_free_
    char *record = NULL;

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    drop_relay(&s, 0);
    put_many(&s, 40);
    scene_open(&s, "");
    s.config->retry.max_attempts = 1;
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).failed, 40);
    ck_assert_uint_eq(count_events(&s, "held:one:connect"), 1);
    ck_assert(there(&s.place, "7.failed"));
    record = content(&s.place, "7.status");
    ck_assert_ptr_nonnull(strstr(record, "\"event\":\"failed\",\"error\":10061,\"text\":\"relay "
                                         "one, connect: "));
}
END_TEST

START_TEST(a_reload_moves_the_mail_to_the_new_relay)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_config_ Config *config = NULL;
    unsigned before;

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    add_relay(&s, 1, NULL, NULL, "");
    put_many(&s, 300);
    scene_open(&s, "connections = 1;");
    engine_start(s.engine);
    while (test_relay_taken(s.relays[0], "") < 20)
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC), 0);
    s.ports[0] = s.ports[1];
    s.ports[1] = 0;
    config = load_config(&s, "", NULL);
    ck_assert_int_eq(engine_reload(s.engine, config), 0);
    before = test_relay_taken(s.relays[0], "");
    run_until(&s, "idle");
    /* What was on the connection, or is answered while it is being closed. */
    ck_assert_uint_le(test_relay_taken(s.relays[0], "") - before, 4);
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "") + test_relay_taken(s.relays[1], ""), 300);
    ck_assert_uint_eq(figures(&s).sent, 300);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("delivery/engine: relays");
    TCase *t = tcase_create("relays");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_relay_that_is_down_holds_the_mail_until_it_is_back);
    tcase_add_test(t, a_held_relay_without_mail_wakes_nobody);
    tcase_add_test(t, a_flush_tries_a_held_relay_now);
    tcase_add_test(t, the_second_relay_carries_the_mail_until_the_first_is_back);
    tcase_add_test(t, a_relay_that_refuses_more_connections_is_not_held);
    tcase_add_test(t, a_relay_that_answers_every_mail_with_421_is_held_and_counts_nothing);
    tcase_add_test(t, a_relay_that_loses_connections_at_mail_is_held_and_counts_nothing);
    tcase_add_test(t, a_kept_connection_that_is_lost_when_reused_is_nobodys_fault);
    tcase_add_test(t, a_connection_lost_with_two_messages_on_it_defers_the_first_alone);
    tcase_add_test(t, a_connection_lost_between_parts_costs_no_recipient_a_second_copy);
    tcase_add_test(t, a_file_that_becomes_shorter_is_never_sent_in_part);
    tcase_add_test(t, one_attempt_makes_the_relays_fault_final);
    tcase_add_test(t, a_reload_moves_the_mail_to_the_new_relay);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
