/* delivery/engine: what becomes of messages when the relay behaves, and when it judges them. */
#include "engine.h"

START_TEST(a_message_goes_out_and_its_file_goes_away)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    put_message(&s, "A.queued", "ann@example.com");
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_str_eq(events(&s), "A:delivered:ann@example.com A:sent idle ");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "ann@example.com"), 1);
    assert_names(&s.place, "");
    ck_assert_uint_eq(figures(&s).sent, 1);
    ck_assert_uint_eq(figures(&s).in_flight, 0);
}
END_TEST

START_TEST(many_messages_share_few_connections)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    for (unsigned i = 0; i < 300; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%u.queued", i);
        put_message(&s, name, "ann@example.com");
    }
    scene_open(&s, "connections = 4;");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "ann@example.com"), 300);
    ck_assert_uint_le(test_relay_connections(s.relays[0]), 4);
    assert_names(&s.place, "");
}
END_TEST

START_TEST(an_empty_directory_is_idle_and_sleeps)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    s.unwatched = true;
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert(sleeps(&s, 2 * USEC_PER_SEC));
    ck_assert_uint_eq(test_relay_connections(s.relays[0]), 0);
}
END_TEST

START_TEST(nothing_wakes_when_all_is_delivered)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    s.unwatched = true;
    scene_open(&s, "idle_timeout = \"300ms\";");
    put_message(&s, "A.queued", "ann@example.com");
    engine_start(s.engine);
    run_until(&s, "A:sent");
    while (figures(&s).connections > 0) /* it is given up */
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    run_for(&s, USEC_PER_SEC);
    ck_assert(sleeps(&s, 2 * USEC_PER_SEC));
    ck_assert_uint_eq(count_events(&s, "A:sent"), 1);
}
END_TEST

/* ---- one recipient and the others ---- */

static const char *refuse_bob(_unused_ void *user, const TestCommand *command)
{
    return strcasecmp(command->line, "RCPT TO:<bob@example.com>") == 0 ? "550 5.1.1 no such user"
                                                                       : NULL;
}

START_TEST(a_refused_recipient_does_not_stop_the_others)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_free_
    char *record = NULL;
    char line[300];

    scene_init(&s);
    add_relay(&s, 0, refuse_bob, NULL, "");
    scene_open(&s, "");
    engine_start(s.engine);
    queue_message(&s, "A", "ann@example.com bob@example.com eve@example.com");
    run_until(&s, "idle");
    ck_assert_str_eq(events(&s), "A:refused:bob@example.com A:delivered:ann@example.com "
                                 "A:delivered:eve@example.com A:failed:9004 idle ");
    assert_names(&s.place, "A.failed A.status ");
    record = content(&s.place, "A.status");
    snprintf(line, sizeof(line),
        "\"event\":\"refused\",\"recipient\":\"bob@example.com\",\"attempt\":1,\"code\":550,"
        "\"enhanced\":\"5.1.1\",\"stage\":\"rcpt\",\"text\":\"no such user\",\"relay\":\"one\","
        "\"address\":\"127.0.0.1:%u\"}\n",
        s.ports[0]);
    ck_assert_msg(strstr(record, line) != NULL, "%s", record);
    ck_assert_ptr_nonnull(strstr(record,
        "\"event\":\"delivered\",\"recipient\":\"ann@example.com\",\"attempt\":1,\"code\":250,"));
    ck_assert_ptr_nonnull(
        strstr(record, "\"event\":\"failed\",\"error\":9004,\"text\":\"1 of 3 "
                       "recipients refused; bob@example.com refused at rcpt: 550 5.1.1 no "
                       "such user"));
    ck_assert_uint_eq(figures(&s).failed, 1);

    /* Tried again by hand, the one that was refused is all that is sent to. */
    forget_events(&s);
    ck_assert_int_eq(renameat(s.place.fd, "A.failed", s.place.fd, "A.queued"), 0);
    run_until(&s, "idle");
    ck_assert_str_eq(events(&s), "A:refused:bob@example.com A:failed:9004 idle ");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "ann@example.com"), 1);
}
END_TEST

static const char *defer_first_bob(void *user, const TestCommand *command)
{
    unsigned *times = user;

    if (strcasecmp(command->line, "RCPT TO:<bob@example.com>") != 0 || (*times)++ > 0)
        return NULL;
    return "450 4.2.1 mailbox busy";
}

START_TEST(a_deferred_recipient_is_tried_again_at_its_time)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_free_
    char *record = NULL;
    unsigned times = 0;
    usec_t begin;

    scene_init(&s);
    add_relay(&s, 0, defer_first_bob, &times, "");
    scene_open(&s, "");
    engine_start(s.engine);
    queue_message(&s, "A", "bob@example.com ann@example.com");
    run_until(&s, "A:deferred");
    begin = clock_monotonic();
    ck_assert_str_eq(
        events(&s), "A:deferred:bob@example.com A:delivered:ann@example.com A:deferred ");
    assert_names(&s.place, "A.deferred A.status ");
    record = content(&s.place, "A.status");
    ck_assert_ptr_nonnull(strstr(record, "\"event\":\"retry\",\"attempt\":1,\"next\":\""));
    run_until(&s, "A:sent");
    ck_assert_uint_ge(clock_monotonic() - begin, 500 * USEC_PER_MSEC);
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "ann@example.com"), 1);
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "bob@example.com"), 1);
    assert_names(&s.place, "");
    ck_assert_uint_eq(figures(&s).deferred, 1);
}
END_TEST

static const char *defer_all(_unused_ void *user, const TestCommand *command)
{
    return strncasecmp(command->line, "MAIL", 4) == 0 ? "451 4.3.0 later" : NULL;
}

START_TEST(a_message_expires)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_free_
    char *record = NULL;

    scene_init(&s);
    add_relay(&s, 0, defer_all, NULL, "");
    scene_open(&s, "");
    s.config->retry.max_attempts = 2;
    engine_start(s.engine);
    queue_message(&s, "A", "ann@example.com");
    run_until(&s, "A:failed:9005");
    ck_assert_uint_eq(count_events(&s, "A:deferred"), 1);
    assert_names(&s.place, "A.failed A.status ");
    record = content(&s.place, "A.status");
    ck_assert_ptr_nonnull(
        strstr(record, "given up after 2 attempts; the last: ann@example.com deferred at mail: "));
}
END_TEST

START_TEST(one_attempt_makes_every_error_final)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, defer_all, NULL, "");
    scene_open(&s, "");
    s.config->retry.max_attempts = 1;
    engine_start(s.engine);
    queue_message(&s, "A", "ann@example.com");
    run_until(&s, "idle");
    ck_assert_str_eq(events(&s), "A:deferred:ann@example.com A:failed:9005 idle ");
    assert_names(&s.place, "A.failed A.status ");
}
END_TEST

START_TEST(a_flush_tries_deferred_messages_now)
{
    _cleanup_scene_ Scene s = {0};
    unsigned times = 0;

    scene_init(&s);
    add_relay(&s, 0, defer_first_bob, &times, "");
    scene_open(&s, "");
    s.config->retry.first = s.config->retry.max = USEC_PER_HOUR;
    engine_start(s.engine);
    queue_message(&s, "A", "bob@example.com");
    run_until(&s, "A:deferred");
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).deferred_waiting, 1);
    engine_flush(s.engine);
    run_until(&s, "A:sent");
}
END_TEST

/* Flushed twice as nothing is known yet but that there is a directory: each message is tried once.
 */
START_TEST(a_flush_before_or_during_a_scan_tries_each_message_once)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, defer_all, NULL, "");
    for (unsigned i = 0; i < 50; i++) {
        const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 4000000000}};
        char name[32];

        snprintf(name, sizeof(name), "%u.deferred", i);
        put_message(&s, name, "ann@example.com");
        snprintf(name, sizeof(name), "%u.status", i);
        put(&s.place, name, "");
        ck_assert_int_eq(utimensat(s.place.fd, name, times, 0), 0);
    }
    scene_open(&s, "");
    s.config->retry.first = s.config->retry.max = USEC_PER_HOUR;
    engine_start(s.engine);
    engine_flush(s.engine);
    ck_assert_int_ge(sd_event_run(s.loop, 0), 0);
    engine_flush(s.engine);
    run_until(&s, "idle");
    run_for(&s, USEC_PER_SEC);
    ck_assert_uint_eq(test_relay_mails(s.relays[0]), 50);
    ck_assert_uint_eq(figures(&s).deferred, 50);
}
END_TEST

START_TEST(a_delivered_message_is_kept_where_that_is_wanted)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_free_
    char *record = NULL;

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    s.ports[1] = 0;
    scene_open_with(&s, "", "keep_sent=true");
    engine_start(s.engine);
    queue_message(&s, "A", "ann@example.com");
    run_until(&s, "idle");
    assert_names(&s.place, "A.sent A.status ");
    record = content(&s.place, "A.status");
    ck_assert_ptr_nonnull(strstr(record, "\"event\":\"delivered\""));
    ck_assert_ptr_nonnull(strstr(record, "\"event\":\"sent\"}\n"));

    /* Another one that died just before its end is kept too. */
    put_message(&s, "B.sending", "ann@example.com");
    put(&s.place, "B.status",
        "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"delivered\",\"recipient\":\"ann@"
        "example.com\",\"attempt\":1,\"code\":250}\n");
    forget_events(&s);
    engine_flush(s.engine);
    run_until(&s, "idle");
    assert_names(&s.place, "A.sent A.status B.sent B.status ");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], ""), 1);
}
END_TEST

START_TEST(what_a_dead_process_left_is_taken_over)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    put_message(&s, "A.sending", "ann@example.com bob@example.com");
    put(&s.place, "A.status",
        "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"delivered\",\"recipient\":\"ann@"
        "example.com\",\"attempt\":1,\"code\":250}\n");
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_str_eq(events(&s), "A:recovered A:delivered:bob@example.com A:sent idle ");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "ann@example.com"), 0);
    assert_names(&s.place, "");
}
END_TEST

START_TEST(a_refusal_that_a_dead_process_left_is_reported)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    put_message(&s, "A.queued", "ann@example.com");
    put(&s.place, "A.status",
        "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"refused\",\"recipient\":\"ann@"
        "example.com\",\"attempt\":1,\"code\":550}\n");
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_str_eq(events(&s), "A:failed:9004 idle ");
    assert_names(&s.place, "A.failed A.status ");
    ck_assert_uint_eq(figures(&s).failed, 1);
}
END_TEST

START_TEST(what_is_no_message_fails_at_once_and_stops_nobody)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    for (unsigned i = 0; i < 40; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%u.queued", i);
        put(&s.place, name, "");
    }
    ck_assert_int_eq(symlinkat("/etc/passwd", s.place.fd, "link.queued"), 0);
    put_message(&s, "Z.queued", "ann@example.com");
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_uint_eq(figures(&s).failed, 41);
    ck_assert_uint_eq(figures(&s).sent, 1);
    ck_assert(happened(&s, "Z:sent"));
    ck_assert(happened(&s, "link:failed:303"));
}
END_TEST

START_TEST(a_message_over_the_relays_size_fails_at_once)
{
    _cleanup_scene_ Scene s = {0};
    _cleanup_free_
    char *record = NULL;

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "SIZE:30");
    scene_open(&s, "");
    engine_start(s.engine);
    queue_message(&s, "A", "ann@example.com");
    run_until(&s, "idle");
    ck_assert_str_eq(events(&s), "A:refused:ann@example.com A:failed:9004 idle ");
    record = content(&s.place, "A.status");
    ck_assert_ptr_nonnull(strstr(record, "more than the relay takes (30, its SIZE limit)"));
    ck_assert_uint_eq(test_relay_mails(s.relays[0]), 0);
}
END_TEST

START_TEST(recipients_beyond_the_limit_go_in_further_transactions)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    scene_open(&s, "recipients_per_transaction = 2;");
    engine_start(s.engine);
    queue_message(&s, "A", "a@example.com b@example.com c@example.com d@example.com e@example.com");
    run_until(&s, "A:sent");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], ""), 3);
    for (char address[] = "a@example.com"; address[0] <= 'e'; address[0]++)
        ck_assert_uint_eq(test_relay_taken(s.relays[0], address), 1);
    ck_assert_uint_eq(test_relay_connections(s.relays[0]), 1);
}
END_TEST

START_TEST(a_connection_carries_so_many_messages_and_no_more)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    for (unsigned i = 0; i < 9; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%u.queued", i);
        put_message(&s, name, "ann@example.com");
    }
    scene_open(&s, "connections = 1; messages_per_connection = 3;");
    engine_start(s.engine);
    run_until(&s, "idle");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], ""), 9);
    ck_assert_uint_eq(test_relay_connections(s.relays[0]), 3);
}
END_TEST

START_TEST(a_file_that_is_still_written_waits_and_a_created_one_is_found)
{
    _cleanup_scene_ Scene s = {0};
    int writer;

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    put_message(&s, "A.queued", "ann@example.com");
    writer = openat(s.place.fd, "A.queued", O_WRONLY | O_APPEND | O_CLOEXEC);
    scene_open(&s, "");
    engine_start(s.engine);
    run_until(&s, "idle");
    assert_names(&s.place, "A.queued ");
    ck_assert_int_eq(close(writer), 0);
    run_until(&s, "A:sent");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("delivery/engine");
    TCase *t = tcase_create("engine");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_message_goes_out_and_its_file_goes_away);
    tcase_add_test(t, many_messages_share_few_connections);
    tcase_add_test(t, an_empty_directory_is_idle_and_sleeps);
    tcase_add_test(t, nothing_wakes_when_all_is_delivered);
    tcase_add_test(t, a_refused_recipient_does_not_stop_the_others);
    tcase_add_test(t, a_deferred_recipient_is_tried_again_at_its_time);
    tcase_add_test(t, a_message_expires);
    tcase_add_test(t, one_attempt_makes_every_error_final);
    tcase_add_test(t, a_flush_tries_deferred_messages_now);
    tcase_add_test(t, a_flush_before_or_during_a_scan_tries_each_message_once);
    tcase_add_test(t, a_delivered_message_is_kept_where_that_is_wanted);
    tcase_add_test(t, what_a_dead_process_left_is_taken_over);
    tcase_add_test(t, a_refusal_that_a_dead_process_left_is_reported);
    tcase_add_test(t, what_is_no_message_fails_at_once_and_stops_nobody);
    tcase_add_test(t, a_message_over_the_relays_size_fails_at_once);
    tcase_add_test(t, recipients_beyond_the_limit_go_in_further_transactions);
    tcase_add_test(t, a_connection_carries_so_many_messages_and_no_more);
    tcase_add_test(t, a_file_that_is_still_written_waits_and_a_created_one_is_found);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
