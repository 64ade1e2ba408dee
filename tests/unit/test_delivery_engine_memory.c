/* delivery/engine: memory that cannot be had, at every place where the engine and all below it ask
 * for some, once each. Nothing may be lost, nothing sent twice, and nothing stop for good. */
#include <errno.h>

#include "engine.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t n);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t n);
char *__wrap_strdup(const char *text);

/* Of this thread alone: the relay's have all they want. */
static _Thread_local bool counting;
static _Thread_local unsigned n_allocations, allocation_to_fail;

static bool fails(void)
{
    return counting && n_allocations++ == allocation_to_fail;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t n)
{
    return fails() ? NULL : __real_realloc(memory, n);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

/* The value of a call whose allocations count. */
#define COUNTED(call)            \
    ({                           \
        __typeof__(call) _value; \
                                 \
        counting = true;         \
        _value = (call);         \
        counting = false;        \
        _value;                  \
    })

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

int main(void)
{
    Suite *suite = suite_create("delivery/engine: memory");
    TCase *t = tcase_create("memory");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, no_allocation_that_fails_costs_a_message, 0, (int)ELEMENTSOF(settings));
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
