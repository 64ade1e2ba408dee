/* delivery/engine: messages that a relay cannot take, and that another can. */
#include "engine.h"

#define MANY 200

/* Two relays of which the first offers less; `override` as of scene_open_with(). */
static void open_two(Scene *s, const char *first, const char *second, const char *override)
{
    scene_init(s);
    add_relay(s, 0, NULL, NULL, first);
    add_relay(s, 1, NULL, NULL, second);
    scene_open_with(s, "", override);
    engine_start(s->engine);
}

static void queue_with(Scene *s, const char *id, const char *parameters, const char *body)
{
    char name[64];
    _cleanup_buffer_ Buffer text = {0};

    ck_assert_int_eq(buffer_appendf(&text,
                         "X-Sender: <shop@example.org> %s\nX-Receiver: <ann@example.com>\n"
                         "Subject: test\n%s\n",
                         parameters, body),
        0);
    ck_assert_int_eq(buffer_append(&text, "", 1), 0);
    snprintf(name, sizeof(name), "%s.queued", id);
    put(&s->place, name, buffer_data(&text));
}

/* The only refusal of that message in its record. */
static void assert_refused_with(Scene *s, const char *id, const char *words)
{
    _cleanup_buffer_ Buffer record = {0};
    char name[64];

    snprintf(name, sizeof(name), "%s.status", id);
    ck_assert_int_eq(file_load(s->place.fd, name, 100000, &record), 0);
    ck_assert_int_eq(buffer_append(&record, "", 1), 0);
    ck_assert_msg(strstr(buffer_data(&record), words), "%s", buffer_data(&record));
}

START_TEST(what_an_address_needs_decides)
{
    _cleanup_scene_ Scene s = {0};

    open_two(&s, "8BITMIME", "8BITMIME SMTPUTF8", NULL);
    queue_message(&s, "A", "ann@example.com");
    queue_message(&s, "B", "j\xc3\xb6rg@example.com");
    queue_message(&s, "C", "bob@example.com j\xc3\xb6rg@example.com");
    run_until(&s, "A:sent");
    run_until(&s, "B:sent");
    run_until(&s, "C:sent");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], "ann@example.com"), 1);
    ck_assert_uint_eq(test_relay_taken(s.relays[0], ""), 1);
    ck_assert_uint_eq(test_relay_taken(s.relays[1], ""), 2);
    assert_names(&s.place, "");
}
END_TEST

START_TEST(what_a_sender_needs_decides)
{
    _cleanup_scene_ Scene s = {0};

    open_two(&s, "DELIVERBY", "FUTURERELEASE DELIVERBY", NULL);
    queue_with(&s, "A", "HOLDFOR=3600", "\nx");
    queue_with(&s, "B", "BY=3600;R", "\nx");
    queue_with(&s, "C", "RET=FULL ENVID=x", "\nx"); /* a wish */
    run_until(&s, "A:sent");
    run_until(&s, "B:sent");
    run_until(&s, "C:sent");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], ""), 2);
    ck_assert_uint_eq(test_relay_taken(s.relays[1], ""), 1);
    /* Neither has verified TLS. */
    queue_with(&s, "D", "REQUIRETLS", "\nx");
    run_until(&s, "D:failed:9004");
    assert_refused_with(&s, "D", "nor can relay");
}
END_TEST

START_TEST(what_the_content_needs_decides)
{
    static const char mime[] =
        "MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=s\n\n--s\n\n\xc3\xa4\n--s--\n";
    _cleanup_scene_ Scene s = {0};
    char large[3000] = "\n";

    memset(large + 1, 'x', 900);
    for (size_t i = 901; i < sizeof(large) - 1; i++)
        large[i] = i % 60 == 0 ? '\n' : 'x';
    open_two(&s, "SIZE:2000", "8BITMIME SIZE:5000", NULL);
    queue_with(&s, "A", "", mime); /* a signature is not to be converted */
    queue_with(&s, "B", "", large);
    queue_with(&s, "C", "", "\nsmall");
    queue_with(&s, "D", "", "\n\xc3\xa4\n");
    run_until(&s, "A:sent");
    run_until(&s, "B:sent");
    run_until(&s, "C:sent");
    run_until(&s, "D:sent");
    ck_assert_uint_eq(test_relay_taken(s.relays[0], ""), 2);
    ck_assert_uint_eq(test_relay_taken(s.relays[1], ""), 2);
}
END_TEST

START_TEST(where_nobody_can_each_is_named)
{
    _cleanup_scene_ Scene s = {0};

    open_two(&s, "8BITMIME", "DSN", NULL);
    queue_message(&s, "A", "j\xc3\xb6rg@example.com bob@example.com");
    run_until(&s, "A:failed:9004");
    ck_assert(happened(&s, "A:delivered:bob@example.com"));
    ck_assert(happened(&s, "A:refused:j\xc3\xb6rg@example.com"));
    assert_refused_with(&s, "A",
        "the address needs SMTPUTF8, which the relay does not offer; nor can relay one take it, "
        "which does not offer SMTPUTF8");
    /* What they lack is known now: nobody is asked again. */
    queue_message(&s, "B", "j\xc3\xb6rg@example.com");
    run_until(&s, "B:failed:9004");
    assert_refused_with(&s, "B", "nor can relay two take it");
    ck_assert_uint_eq(test_relay_connections(s.relays[1]), 1);
}
END_TEST

START_TEST(a_relay_that_is_down_is_waited_for_by_what_needs_it_alone)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "8BITMIME");
    add_relay(&s, 1, NULL, NULL, "SMTPUTF8");
    drop_relay(&s, 1);
    scene_open(&s, "");
    s.config->relays[1]->hold_first = USEC_PER_HOUR;
    engine_start(s.engine);
    queue_message(&s, "A", "j\xc3\xb6rg@example.com");
    run_until(&s, "held:two:connect");
    queue_message(&s, "B", "ann@example.com");
    run_until(&s, "B:sent");
    while (!there(&s.place, "A.queued"))
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    ck_assert_uint_eq(figures(&s).in_flight, 0);
    ck_assert(!happened(&s, "A:failed:9004"));
    add_relay(&s, 1, NULL, NULL, "SMTPUTF8");
    engine_flush(s.engine);
    run_until(&s, "A:sent");
    ck_assert_uint_eq(test_relay_taken(s.relays[1], ""), 1);
}
END_TEST

START_TEST(where_every_error_is_final_nobody_is_waited_for)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "8BITMIME");
    add_relay(&s, 1, NULL, NULL, "SMTPUTF8");
    drop_relay(&s, 1);
    scene_open_with(&s, "", "retry.max_attempts=1");
    s.config->relays[1]->hold_first = USEC_PER_HOUR;
    engine_start(s.engine);
    queue_message(&s, "A", "j\xc3\xb6rg@example.com");
    run_until(&s, "held:two:connect");
    run_until(&s, "A:failed:9004");
    assert_refused_with(&s, "A", "relay two, which may take it, cannot be used");
}
END_TEST

/* More than may be held for another relay, in front of mail that needs none. */
START_TEST(nobody_waits_for_many_that_go_elsewhere)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    add_relay(&s, 1, NULL, NULL, "SMTPUTF8");
    for (unsigned i = 0; i < MANY; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%u.queued", i);
        put_message(&s, name, i % 2 == 0 ? "j\xc3\xb6rg@example.com" : "ann@example.com");
    }
    scene_open(&s, "connections = 2;");
    engine_start(s.engine);
    run_until(&s, "idle");
    while (figures(&s).sent < MANY)
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    ck_assert_uint_eq(test_relay_taken(s.relays[0], ""), MANY / 2);
    ck_assert_uint_eq(test_relay_taken(s.relays[1], ""), MANY / 2);
    assert_names(&s.place, "");
}
END_TEST

static const char *hang_at_greeting(_unused_ void *user, const TestCommand *command)
{
    return command->line[0] == '\0' ? "HANG" : NULL;
}

/* While one waits for a relay that says nothing: a reload, and a stop. */
START_TEST(what_waits_elsewhere_goes_with_a_reload_and_comes_back_at_a_stop)
{
    _cleanup_scene_ Scene s = {0};

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    add_relay(&s, 1, hang_at_greeting, NULL, "SMTPUTF8");
    scene_open(&s, "");
    engine_start(s.engine);
    queue_message(&s, "A", "j\xc3\xb6rg@example.com");
    queue_message(&s, "B", "ann@example.com");
    run_until(&s, "B:sent");
    while (test_relay_connections(s.relays[1]) == 0)
        ck_assert_int_ge(sd_event_run(s.loop, USEC_PER_SEC / 10), 0);
    ck_assert(there(&s.place, "A.sending"));
    ck_assert_int_eq(engine_reload(s.engine, s.config), 0);
    run_for(&s, USEC_PER_SEC / 2);
    ck_assert(!happened(&s, "A:failed:9004"));
    engine_stop(s.engine, clock_monotonic() + 5 * USEC_PER_SEC);
    run_until(&s, "idle");
    assert_names(&s.place, "A.queued ");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("delivery/engine: which relay");
    TCase *tcase = tcase_create("route");

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, what_an_address_needs_decides);
    tcase_add_test(tcase, what_a_sender_needs_decides);
    tcase_add_test(tcase, what_the_content_needs_decides);
    tcase_add_test(tcase, where_nobody_can_each_is_named);
    tcase_add_test(tcase, a_relay_that_is_down_is_waited_for_by_what_needs_it_alone);
    tcase_add_test(tcase, where_every_error_is_final_nobody_is_waited_for);
    tcase_add_test(tcase, nobody_waits_for_many_that_go_elsewhere);
    tcase_add_test(tcase, what_waits_elsewhere_goes_with_a_reload_and_comes_back_at_a_stop);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
