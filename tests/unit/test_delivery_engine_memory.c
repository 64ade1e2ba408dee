/* delivery/engine: memory that cannot be had, at every place where the engine and all below it ask
 * for some, once each. Nothing may be lost, nothing sent twice, and nothing stop for good. */
#include <errno.h>

#include "engine.h"
#include "short_memory.h"

static const char *refuse_bob(_unused_ void *user, const TestCommand *command)
{
    return strcasecmp(command->line, "RCPT TO:<bob@example.com>") == 0 ? "550 5.1.1 no such user"
                                                                       : NULL;
}

/* Does not record anything, and needs no memory. */
static const EngineObserver nobody = {0};

static bool is_done(const Scene *s)
{
    return there(&s->place, "A.failed") && !there(&s->place, "B.queued") &&
           !there(&s->place, "B.sending") && there(&s->place, "C.failed") &&
           figures(s).in_flight == 0;
}

static int open_engine(Scene *s)
{
    const DirectoryOptions options = {.path = s->place.path, .config = s->config, .watch = true};
    int r = 0;

    if (!s->directory)
        r = directory_new(s->loop, s->worker, &options, &s->directory, NULL);
    return r < 0 ? r
                 : engine_new(s->loop, directory_source(s->directory), s->worker, s->config,
                       &nobody, NULL, &s->engine);
}

/* One life of an engine in which allocation number `k` fails. False when there are not so many. */
static bool try_with_failure(Scene *s, unsigned k)
{
    usec_t end = clock_monotonic() + PATIENCE;
    int r;

    put_message(s, "A.queued", "ann@example.com bob@example.com");
    put_message(s, "B.queued", "eve@example.com");
    put(&s->place, "C.queued", "");
    n_allocations = 0;
    allocation_to_fail = k;
    r = COUNTED(open_engine(s));
    if (r == -ENOMEM)
        r = open_engine(s);
    ck_assert_int_eq(r, 0);
    engine_start(s->engine);
    while (!is_done(s)) {
        r = COUNTED(sd_event_run(s->loop, 20 * USEC_PER_MSEC));
        ck_assert_int_ge(r, 0);
        ck_assert_msg(clock_monotonic() < end, "allocation %u: nothing moves", k);
        if (r == 0)
            engine_flush(s->engine); /* it does not wait for memory longer than it must */
    }
    engine_free(TAKE_PTR(s->engine));
    directory_free(TAKE_PTR(s->directory));
    return n_allocations > k;
}

static const char *const settings[] = {"", "recipients_per_transaction = 1;"};

START_TEST(no_allocation_that_fails_costs_a_message)
{
    _cleanup_scene_ Scene s = {0};
    unsigned k = 0;
    bool failed = true;

    scene_init(&s);
    ck_assert_int_ge(sd_event_new(&s.loop), 0);
    ck_assert_int_eq(worker_new(&s.worker), 0);
    for (; failed; k++) {
        add_relay(&s, 0, refuse_bob, NULL, "");
        s.config = load_config(&s, settings[_i], NULL);
        failed = try_with_failure(&s, k);
        ck_assert_msg(test_relay_taken(s.relays[0], "ann@example.com") == 1 &&
                          test_relay_taken(s.relays[0], "eve@example.com") == 1,
            "allocation %u: sent %u and %u times", k,
            test_relay_taken(s.relays[0], "ann@example.com"),
            test_relay_taken(s.relays[0], "eve@example.com"));
        s.config = config_unref(s.config);
        drop_relay(&s, 0);
        s.ports[0] = 0;
        place_empty(&s.place);
    }
    ck_assert_uint_gt(k, 50);
}
END_TEST

static Config *load_text(const char *text)
{
    _cleanup_failure_ Failure f = {0};
    Config *config = NULL;

    ck_assert_msg(config_load_text("test", text, strlen(text), NULL, &config, &f) == 0, "%s",
        failure_text(&f));
    return config;
}

static void assert_relays(const Scene *s, size_t n, const char *first, bool has_lanes)
{
    EngineRelay relay;
    EngineLane lane;

    ck_assert_uint_eq(figures(s).relays, n);
    ck_assert(engine_relay(s->engine, 0, &relay));
    ck_assert_str_eq(relay.config->name, first);
    ck_assert_int_eq(engine_lane(s->engine, 1, &lane), has_lanes);
}

/* Relays, lanes and the ways of routes are those of one configuration, whatever fails. */
START_TEST(a_reload_that_lacks_memory_changes_nothing)
{
    _cleanup_config_ Config *config = load_text(
        "relays = ( { name = \"new\"; host = \"127.0.0.1\"; port = 1; tls = \"none\"; },\n"
        "           { name = \"other\"; host = \"127.0.0.1\"; port = 2; tls = \"none\"; } );\n"
        "lanes = ( { name = \"bulk\"; message_rate = \"10/h\"; } );\n"
        "routes = ( { sender = \"*@a.example\"; relays = [\"other\"]; } );\n");
    _cleanup_scene_ Scene s = {0};
    int r = -ENOMEM;

    scene_init(&s);
    add_relay(&s, 0, NULL, NULL, "");
    scene_open(&s, "");
    for (allocation_to_fail = 0; r < 0; allocation_to_fail++) {
        n_allocations = 0;
        r = COUNTED(engine_reload(s.engine, config));
        ck_assert(r == 0 || r == -ENOMEM);
        assert_relays(&s, r < 0 ? 1 : 2, r < 0 ? "one" : "new", r == 0);
        if (r < 0) {
            engine_flush(s.engine);
            ck_assert_int_ge(sd_event_run(s.loop, 0), 0);
        }
    }
    ck_assert_uint_gt(allocation_to_fail, 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delivery/engine: memory");
    TCase *t = tcase_create("memory");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, no_allocation_that_fails_costs_a_message, 0, (int)ELEMENTSOF(settings));
    tcase_add_test(t, a_reload_that_lacks_memory_changes_nothing);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
