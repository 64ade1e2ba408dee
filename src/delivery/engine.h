/* The queue engine: takes messages from a source, delivers them over the configured relays, and
 * settles every one. Used by the daemon (for ever) and by `outbox process` (once). It runs on an
 * sd-event loop and never blocks it on the network. */
#pragma once

#include <systemd/sd-event.h>

#include "base/failure.h"
#include "base/worker.h"
#include "delivery/health.h"
#include "delivery/report.h"
#include "queue/source.h"
#include "settings/config.h"
#include "smtp/session.h"

/* The source and the observer are borrowed, all else is referenced; the engine becomes the source's
 * handlers. Callbacks of the observer may be NULL. 0 or a negative errno. */
int engine_new(sd_event *loop, Source *source, Worker *worker, Config *config,
    const EngineObserver *observer, void *user, Engine **ret);

/* What is in flight is settled, as far as its record can be written; accepts NULL. Before the
 * source is freed. */
void engine_free(Engine *engine);

/* The dialogue of every connection, for `outbox process -v`. Before engine_start(). */
void engine_trace(Engine *engine, SmtpTrace trace, void *user);

/* At most so many connections at a time, whatever is configured: descriptors are limited. */
void engine_limit_connections(Engine *engine, size_t n);

/* Begins to take messages, from the loop. */
void engine_start(Engine *engine);

/* Tries everything now: deferred messages, and relays on hold. */
void engine_flush(Engine *engine);

/* From now on by this configuration; connections that are open finish what they carry. 0 or a
 * negative errno, and nothing is changed. */
int engine_reload(Engine *engine, Config *config);

/* No message is taken any more; what is in flight ends by itself or, `deadline` (monotonic) passed,
 * goes back to the queue. The `idle` callback comes when all is done. */
void engine_stop(Engine *engine, usec_t deadline);

void engine_statistics(const Engine *engine, EngineStatistics *ret);

DEFINE_CLEANUP(Engine, engine_free);
