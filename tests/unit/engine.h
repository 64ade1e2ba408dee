/* An engine on a queue directory of its own, with its watch, a real event loop and up to two relays
 * of the test's. */
#pragma once

#include <stdarg.h>

#include "base/errors.h"
#include "base/worker.h"
#include "delivery/engine.h"
#include "queue/directory.h"
#include "relay.h"
#include "settings/load.h"
#include "spool.h"
#include "unit.h"

#define PATIENCE (120 * USEC_PER_SEC)

typedef struct Scene {
    Place place;
    TestRelay *relays[2];
    uint16_t ports[2];
    sd_event *loop;
    Config *config;
    Worker *worker;
    Directory *directory;
    Engine *engine;
    bool unwatched; /* set before scene_open(): mounts elsewhere on the machine wake a watch */
    Buffer events;  /* one word each, a blank behind it: "A:delivered:ann@example.com", "A:sent",
                       "held:one:connect", "idle", ... */
} Scene;

static inline void note(Scene *scene, const char *format, ...) _printf_(2, 3);
static inline void note(Scene *scene, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    ck_assert_int_eq(buffer_appendv(&scene->events, format, arguments), 0);
    va_end(arguments);
    ck_assert_int_eq(buffer_append_string(&scene->events, " "), 0);
}

static inline void on_outcome(void *user, const OutcomeReport *report)
{
    for (size_t i = 0; i < report->n_recipients; i++)
        note(user, "%s:%s:%s", report->id, delivery_kind_name(report->outcome->kind),
            report->recipients[i]);
}

static inline void on_message(void *user, const MessageReport *report)
{
    static const char *const words[MESSAGE_CHANGE_MAX] = {
        [MESSAGE_SENT] = "sent",
        [MESSAGE_DEFERRED] = "deferred",
        [MESSAGE_FAILED] = "failed",
        [MESSAGE_RETURNED] = "returned",
        [MESSAGE_RECOVERED] = "recovered",
        [MESSAGE_WAITING] = "waiting",
        [MESSAGE_HELD] = "held",
        [MESSAGE_ABANDONED] = "abandoned",
        [MESSAGE_NOTICE] = "notice",
        [MESSAGE_UNTOLD] = "untold",
    };
    Scene *scene = user;

    if (report->change == MESSAGE_FAILED)
        note(scene, "%s:failed:%d", report->id, report->error);
    else
        note(scene, "%s:%s", report->id, words[report->change]);
}

static inline void on_relay(void *user, const RelayReport *report)
{
    static const char *const words[] = {
        [RELAY_HELD] = "held",
        [RELAY_REFUSED_MORE] = "limited",
        [RELAY_SILENT] = "silent",
        [RELAY_LACKS] = "lacks",
        [RELAY_EXPIRES] = "expires",
        [RELAY_POLICY] = "policy",
        [RELAY_RESTRAINED] = "restrained",
        [RELAY_UNRESTRAINED] = "unrestrained",
        [RELAY_RESUMED] = "resumed",
    };

    if (!report->outcome)
        note(user, "%s:%s", words[report->change], report->relay);
    else if (report->news)
        note(user, "%s:%s:%s", words[report->change], report->relay,
            delivery_stage_name(report->outcome->stage));
}

static inline void on_problem(void *user, const ProblemReport *report)
{
    note(user, "problem:%s:%s", report->id ?: "-", report->pauses ? "pauses" : "goes-on");
    ck_assert_int_ne(report->failure->number, 0);
}

static inline void on_source(void *user, bool back, _unused_ const Failure *failure)
{
    note(user, "%s", back ? "back" : "lost");
}

static inline void on_idle(void *user)
{
    note(user, "idle");
}

static const EngineObserver observer = {
    .outcome = on_outcome,
    .message = on_message,
    .relay = on_relay,
    .problem = on_problem,
    .source = on_source,
    .idle = on_idle,
};

/* `relay` are settings of the first relay, `override` is one of any section, or NULL. */
static inline Config *load_config(const Scene *scene, const char *relay, const char *override)
{
    const char *const overrides[] = {override, NULL};
    _cleanup_failure_ Failure f = {0};
    Config *config;
    char text[2000];
    int n, r;

    n = snprintf(text, sizeof(text),
        "spool = { directory = \"%s\"; settle = \"200ms\"; };\n"
        "retry = { first = \"1s\"; };\n"
        "bounce = { to = \"none\"; };\n"
        "relays = ( { name = \"one\"; host = \"127.0.0.1\"; port = %u; tls = \"none\"; hello = "
        "\"client.example\"; %s %s }",
        scene->place.path, scene->ports[0],
        strstr(relay, "hold_first") ? "" : "hold_first = \"200ms\";", relay);
    if (scene->ports[1] != 0)
        n += snprintf(text + n, sizeof(text) - (size_t)n,
            ", { name = \"two\"; host = \"127.0.0.1\"; port = %u; tls = \"none\"; hello = "
            "\"client.example\"; hold_first = \"200ms\"; }",
            scene->ports[1]);
    n += snprintf(text + n, sizeof(text) - (size_t)n, " );\n");
    r = config_load_text("test", text, (size_t)n, overrides, &config, &f);
    ck_assert_msg(r == 0, "%s", failure_text(&f));
    return config;
}

/* `relay` are settings of the first relay; change `scene->config->retry` and so on before
 * engine_start(). */
static inline void scene_open_with(Scene *scene, const char *relay, const char *override)
{
    DirectoryOptions options = {.path = scene->place.path, .watch = !scene->unwatched};
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_ge(sd_event_new(&scene->loop), 0);
    scene->config = load_config(scene, relay, override);
    options.config = scene->config;
    ck_assert_int_eq(worker_new(&scene->worker), 0);
    ck_assert_msg(directory_new(scene->loop, scene->worker, &options, &scene->directory, &f) == 0,
        "%s", failure_text(&f));
    ck_assert_int_eq(engine_new(scene->loop, directory_source(scene->directory), scene->worker,
                         scene->config, &observer, scene, &scene->engine),
        0);
}

static inline void scene_open(Scene *scene, const char *relay)
{
    scene_open_with(scene, relay, NULL);
}

static inline void scene_init(Scene *scene)
{
    place_init(&scene->place);
}

static inline void add_relay(
    Scene *scene, unsigned i, TestAnswer answer, void *user, const char *extensions)
{
    scene->relays[i] = test_relay_start(answer, user, extensions, scene->ports[i]);
    scene->ports[i] = test_relay_port(scene->relays[i]);
}

static inline void drop_relay(Scene *scene, unsigned i)
{
    test_relay_stop(TAKE_PTR(scene->relays[i]));
}

static inline void scene_close_engine(Scene *scene)
{
    engine_free(TAKE_PTR(scene->engine));
    directory_free(TAKE_PTR(scene->directory));
    scene->worker = worker_unref(scene->worker);
    scene->config = config_unref(scene->config);
    scene->loop = sd_event_unref(scene->loop);
}

static inline void scene_done(Scene *scene)
{
    scene_close_engine(scene);
    drop_relay(scene, 0);
    drop_relay(scene, 1);
    buffer_done(&scene->events);
    place_done(&scene->place);
}

#define _cleanup_scene_ _cleanup_(scene_done)

static inline const char *events(Scene *scene)
{
    ck_assert_ptr_nonnull(buffer_reserve(&scene->events, 1));
    scene->events.memory[scene->events.end] = '\0';
    return buffer_data(&scene->events);
}

static inline void forget_events(Scene *scene)
{
    buffer_clear(&scene->events);
}

static inline bool happened(Scene *scene, const char *event)
{
    char word[300];

    snprintf(word, sizeof(word), "%s ", event);
    return strstr(events(scene), word) != NULL;
}

static inline unsigned count_events(Scene *scene, const char *event)
{
    char word[300];
    unsigned n = 0;

    snprintf(word, sizeof(word), "%s ", event);
    for (const char *at = events(scene); (at = strstr(at, word)); at++)
        n++;
    return n;
}

static inline void run_for(Scene *scene, usec_t span)
{
    usec_t end = clock_monotonic() + span;

    for (usec_t now; (now = clock_monotonic()) < end;)
        ck_assert_int_ge(sd_event_run(scene->loop, end - now), 0);
}

static inline void run_until(Scene *scene, const char *event)
{
    usec_t end = clock_monotonic() + PATIENCE;

    while (!happened(scene, event) && clock_monotonic() < end)
        ck_assert_int_ge(sd_event_run(scene->loop, USEC_PER_SEC / 10), 0);
    ck_assert_msg(happened(scene, event), "no \"%s\" among: %s", event, events(scene));
}

/* How often the loop wakes in that time. */
static inline unsigned count_wakes(Scene *scene, usec_t span)
{
    usec_t end = clock_monotonic() + span;
    unsigned n = 0;

    for (usec_t now; (now = clock_monotonic()) < end;) {
        int r = sd_event_run(scene->loop, end - now);

        ck_assert_int_ge(r, 0);
        n += r > 0;
    }
    return n;
}

/* Whether it comes to rest: for that time nothing wakes it. To be stopped and to go on does, once.
 */
static inline bool sleeps(Scene *scene, usec_t span)
{
    for (unsigned i = 0; i < 20; i++)
        if (count_wakes(scene, span) == 0)
            return true;
    return false;
}

static inline EngineStatistics figures(const Scene *scene)
{
    EngineStatistics statistics;

    engine_statistics(scene->engine, &statistics);
    return statistics;
}

/* A message to these recipients, a blank between them. */
static inline void put_message(const Scene *scene, const char *name, const char *recipients)
{
    _cleanup_buffer_ Buffer text = {0};

    ck_assert_int_eq(buffer_append_string(&text, "X-Sender: <shop@example.org>\n"), 0);
    for (const char *at = recipients; *at != '\0';) {
        size_t n = strcspn(at, " ");

        ck_assert_int_eq(buffer_appendf(&text, "X-Receiver: <%.*s>\n", (int)n, at), 0);
        at += n + (at[n] == ' ');
    }
    ck_assert_int_eq(buffer_append_string(&text, "Subject: test\n\nHello\n"), 0);
    ck_assert_int_eq(buffer_append(&text, "", 1), 0);
    put(&scene->place, name, buffer_data(&text));
}

/* `0.queued` and so on, so many messages. */
static inline void put_many(const Scene *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%u.queued", i);
        put_message(s, name, "ann@example.com");
    }
}

/* Puts `X.queued` there. */
static inline void queue_message(Scene *scene, const char *id, const char *recipients)
{
    char name[SPOOL_NAME_MAX];

    snprintf(name, sizeof(name), "%s.queued", id);
    put_message(scene, name, recipients);
}
