/* The public face of the engine: its life, and what is told to it. The work is in pump.c, active.c,
 * link.c and attempt.c. */
#include "delivery/engine.h"

#include <errno.h>

#include "delivery/active.h"
#include "delivery/fleet.h"
#include "delivery/lanes.h"
#include "delivery/link.h"
#include "delivery/pump.h"
#include "delivery/restrain.h"
#include "delivery/ways.h"

static int on_pump(_unused_ sd_event_source *source, void *user)
{
    Engine *engine = user;

    engine->pumped++;
    engine_pump(engine);
    return 0;
}

static int on_yield(_unused_ sd_event_source *source, _unused_ uint64_t when, void *user)
{
    Engine *engine = user;

    engine->pumped = 0;
    engine_pump(engine);
    return 0;
}

static int on_timer(_unused_ sd_event_source *source, _unused_ uint64_t when, void *user)
{
    Engine *engine = user;

    engine->timer_at = 0;
    engine_pump(engine);
    return 0;
}

static int add_sources(Engine *engine)
{
    int r = sd_event_add_defer(engine->loop, &engine->pump_source, on_pump, engine);

    if (r >= 0)
        r = sd_event_source_set_enabled(engine->pump_source, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time(engine->loop, &engine->yield, CLOCK_BOOTTIME, 0, 1, on_yield, engine);
    if (r >= 0)
        r = sd_event_source_set_enabled(engine->yield, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time(engine->loop, &engine->timer, CLOCK_BOOTTIME, 0, 0, on_timer, engine);
    return r < 0 ? r : sd_event_source_set_enabled(engine->timer, SD_EVENT_OFF);
}

/* What is made of a configuration: all of it, or nothing is in force. */
typedef struct Made {
    RelaySet *relays;
    PlanRelay *views; /* room for the plan's view of them */
    struct EngineLanes *lanes;
    struct Ways *ways;
} Made;

static void made_done(Made *made)
{
    (void)relay_set_unref(made->relays);
    free(made->views);
    lanes_free(made->lanes);
    ways_free(made->ways);
}

static int make(const Engine *engine, Config *config, Made *ret)
{
    int r;

    ret->views = calloc(config->n_relays, sizeof(PlanRelay));
    if (!ret->views)
        return -ENOMEM;
    r = relay_set_new(config, engine->worker, engine->relays, &ret->relays);
    if (r >= 0)
        r = lanes_new(engine, config, &ret->lanes);
    return r < 0 ? r : ways_new(config, &ret->ways);
}

static int use_config(Engine *engine, Config *config)
{
    _cleanup_(made_done) Made made = {0};
    int r = make(engine, config, &made);

    if (r < 0)
        return r;
    free(engine->plan_relays);
    engine->plan_relays = TAKE_PTR(made.views);
    (void)relay_set_unref(engine->relays);
    engine->relays = TAKE_PTR(made.relays);
    lanes_use(engine, config, TAKE_PTR(made.lanes));
    ways_use(engine, TAKE_PTR(made.ways));
    config_unref(engine->config);
    engine->config = config_ref(config);
    engine->context.retry = &config->retry;
    engine->context.keep_sent = config->spool.keep_sent;
    fleet_apply(engine);
    return 0;
}

int engine_new(sd_event *loop, Source *source, Worker *worker, Config *config,
    const EngineObserver *observer, void *user, Engine **ret)
{
    _cleanup_(engine_free_p) Engine *engine = calloc(1, sizeof(Engine));
    int r;

    if (!engine)
        return -ENOMEM;
    engine->loop = sd_event_ref(loop);
    engine->worker = worker_ref(worker);
    engine->context.observer = observer;
    engine->context.user = user;
    engine->links_max = SIZE_MAX;
    engine->share = SHARE_WHOLE;
    suspects_init(&engine->suspects);
    r = use_config(engine, config);
    if (r >= 0)
        r = add_sources(engine);
    if (r < 0)
        return r;
    engine->source = source;
    source->handlers = &engine_source_handlers;
    source->user = engine;
    *ret = TAKE_PTR(engine);
    return 0;
}

void engine_free(Engine *engine)
{
    if (!engine)
        return;
    engine->stopping = true;
    while (engine->links) {
        Link *link = engine->links;

        engine->links = link->next;
        link_free(link);
    }
    engine_empty_lane(engine);
    engine_abandon_unsettled(engine);
    ways_free(TAKE_PTR(engine->ways));
    if (engine->source)
        restrain_save(engine);
    lanes_free(TAKE_PTR(engine->lanes));
    if (engine->source)
        engine->source->handlers = NULL;
    sd_event_source_disable_unref(engine->pump_source);
    sd_event_source_disable_unref(engine->yield);
    sd_event_source_disable_unref(engine->timer);
    relay_set_unref(engine->relays);
    buffer_done(&engine->scratch);
    free(engine->plan_links);
    free(engine->plan_relays);
    config_unref(engine->config);
    (void)worker_unref(engine->worker);
    sd_event_unref(engine->loop);
    free(engine);
}

void engine_trace(Engine *engine, SmtpTrace trace, void *user)
{
    engine->trace = trace;
    engine->trace_user = user;
}

void engine_limit_connections(Engine *engine, size_t n)
{
    engine->links_max = MAX(n, (size_t)1);
}

void engine_start(Engine *engine)
{
    restrain_load(engine);
    engine_wake(engine);
}

void engine_flush(Engine *engine)
{
    engine->source->ops->flush(engine->source);
    relay_set_flush(engine->relays);
    engine->paused_until = engine->stuck_until = 0;
    engine_wake(engine);
}

int engine_reload(Engine *engine, Config *config)
{
    bool lanes = engine->lanes || config->n_lanes > 0;
    int r = use_config(engine, config);

    if (r < 0)
        return r;
    if (lanes) /* what is held has a number among others */
        engine_empty_lane(engine);
    engine_recall_elsewhere(engine, true); /* the relays are others, and what is known of them */
    engine_wake(engine);
    return 0;
}

void engine_stop(Engine *engine, usec_t deadline)
{
    usec_t now = engine_now_monotonic(engine);

    engine->stopping = true;
    engine->stop_deadline = usec_add(engine_now(engine), deadline > now ? deadline - now : 0);
    /* What cannot be written is tried now, and once more at the end. */
    engine->paused_until = engine->stuck_until = 0;
    engine->idle_reported = false;
    engine_wake(engine);
}

static void count_relay(const Relay *relay, EngineStatistics *ret)
{
    bool held = engine_relay_is_at_fault(relay);

    ret->relays_held += held;
    ret->relays_restrained += relay->restrained && !held;
}

void engine_statistics(const Engine *engine, EngineStatistics *ret)
{
    SourceFigures figures;

    engine->source->ops->figures(engine->source, &figures);
    *ret = engine->statistics;
    ret->waiting = figures.waiting;
    ret->deferred_waiting = figures.deferred;
    ret->deferred_uncounted = figures.uncounted;
    ret->next_due = figures.next_due;
    ret->relays = engine->relays->n_relays;
    ret->connections = engine->n_links;
    ret->paused_until = engine_to_real(engine, engine->paused_until);
    ret->unsettled = engine_count_stuck(engine);
    for (size_t i = 0; i < engine->relays->n_relays; i++)
        count_relay(&engine->relays->relays[i], ret);
}
