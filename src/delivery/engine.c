/* The public face of the engine: its life, and what is told to it. The work is in pump.c, link.c
 * and delivery.c. */
#include "delivery/engine.h"

#include <errno.h>

#include "delivery/engine_internal.h"

usec_t engine_now(const Engine *engine, clockid_t clock)
{
    uint64_t now = 0;

    (void)sd_event_now(engine->loop, clock, &now);
    return now;
}

usec_t engine_now_real(const Engine *engine)
{
    return engine_now(engine, CLOCK_REALTIME);
}

void engine_wake(Engine *engine)
{
    engine->idle_reported = engine->idle_reported && engine->stopping;
    (void)sd_event_source_set_enabled(engine->pump_source, SD_EVENT_ONESHOT);
}

static int on_pump(sd_event_source *source _unused_, void *user)
{
    engine_pump(user);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t when _unused_, void *user)
{
    Engine *engine = user;

    if (source == engine->timer)
        engine->timer_at = 0;
    else
        engine->due_timer_at = 0;
    engine_pump(engine);
    return 0;
}

static int add_sources(Engine *engine)
{
    int r;

    r = sd_event_add_defer(engine->loop, &engine->pump_source, on_pump, engine);
    if (r >= 0)
        r = sd_event_source_set_enabled(engine->pump_source, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time(
            engine->loop, &engine->timer, CLOCK_MONOTONIC, 0, 0, on_timer, engine);
    if (r >= 0)
        r = sd_event_source_set_enabled(engine->timer, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time(
            engine->loop, &engine->due_timer, CLOCK_REALTIME, 0, 0, on_timer, engine);
    if (r >= 0)
        r = sd_event_source_set_enabled(engine->due_timer, SD_EVENT_OFF);
    return r;
}

static void use_config(Engine *engine, Config *config)
{
    config_unref(engine->config);
    engine->config = config_ref(config);
    engine->context.retry = &config->retry;
    engine->context.keep_sent = config->spool.keep_sent;
}

int engine_new(sd_event *loop, Spool *spool, Config *config, const EngineObserver *observer,
    void *user, Engine **ret)
{
    _cleanup_(engine_free_p) Engine *engine = calloc(1, sizeof(Engine));
    int r;

    if (!engine)
        return -ENOMEM;
    engine->loop = sd_event_ref(loop);
    engine->context.observer = observer;
    engine->context.user = user;
    use_config(engine, config);
    r = worker_new(&engine->worker);
    if (r >= 0)
        r = spool_use_worker(spool, engine->worker);
    if (r >= 0)
        r = relay_set_new(config, engine->worker, &engine->relays);
    if (r >= 0)
        r = spool_source_new(spool, &config->spool, &engine->spool_source);
    if (r >= 0)
        r = add_sources(engine);
    if (r < 0)
        return r;
    engine->source = spool_source_base(engine->spool_source);
    *ret = TAKE_PTR(engine);
    return 0;
}

void engine_free(Engine *engine)
{
    if (!engine)
        return;
    while (engine->links) {
        Link *link = engine->links;

        engine->links = link->next;
        link_free(link);
    }
    engine_abandon_stuck(engine);
    sd_event_source_disable_unref(engine->pump_source);
    sd_event_source_disable_unref(engine->timer);
    sd_event_source_disable_unref(engine->due_timer);
    relay_set_unref(engine->relays);
    spool_source_free(engine->spool_source);
    buffer_done(&engine->scratch);
    config_unref(engine->config);
    worker_unref(engine->worker);
    sd_event_unref(engine->loop);
    free(engine);
}

void engine_trace(Engine *engine, SmtpTrace trace, void *user)
{
    engine->trace = trace;
    engine->trace_user = user;
}

void engine_start(Engine *engine)
{
    engine_rescan(engine);
}

void engine_notice(Engine *engine, const char *file_name, EngineNotice notice)
{
    spool_source_notice(engine->spool_source, file_name, notice, engine_now_real(engine));
    engine_wake(engine);
}

void engine_rescan(Engine *engine)
{
    spool_source_rescan(engine->spool_source);
    engine_wake(engine);
}

void engine_flush(Engine *engine)
{
    engine->source->ops->flush(engine->source);
    relay_set_flush(engine->relays);
    engine->trouble_until = 0;
    engine_wake(engine);
}

int engine_reload(Engine *engine, Config *config)
{
    RelaySet *relays;
    int r;

    r = relay_set_new(config, engine->worker, &relays);
    if (r < 0)
        return r;
    relay_set_unref(engine->relays);
    engine->relays = relays;
    use_config(engine, config);
    spool_source_configure(engine->spool_source, &config->spool);
    engine_wake(engine);
    return 0;
}

void engine_stop(Engine *engine, usec_t deadline)
{
    engine->stopping = true;
    engine->stop_deadline = deadline;
    engine->trouble_until = 0; /* what cannot be written is tried now, and once more at the end */
    engine->idle_reported = false;
    engine_wake(engine);
}

void engine_statistics(const Engine *engine, EngineStatistics *ret)
{
    *ret = engine->statistics;
    ret->waiting = engine->source->ops->waiting(engine->source);
    ret->deferred_waiting = engine->source->ops->deferred_waiting(engine->source);
    ret->next_due = engine->source->ops->next_due(engine->source);
    ret->relays = engine->relays->n_relays;
    for (const Link *link = engine->links; link; link = link->next)
        ret->connections++;
    for (size_t i = 0; i < engine->relays->n_relays; i++)
        ret->relays_held += engine->relays->relays[i].held;
}
