/* The queue engine: takes messages from a queue directory, delivers them over the configured
 * relays, and brings every one to its next state. Used by the daemon (for ever) and by `outbox
 * process` (once). It runs on an sd-event loop and never blocks it on the network. */
#pragma once

#include <systemd/sd-event.h>

#include "base/failure.h"
#include "delivery/report.h"
#include "settings/config.h"
#include "smtp/session.h"
#include "spool/spool.h"

typedef struct Engine Engine;

/* All four are borrowed but the Config, which is referenced. Callbacks of the observer may be NULL.
 */
int engine_new(sd_event *loop, Spool *spool, Config *config, const EngineObserver *observer,
    void *user, Engine **ret);
void engine_free(Engine *engine); /* returns what is in flight to `.queued`; accepts NULL */

/* The dialogue of every connection, for `outbox process -v`. Before engine_start(). */
void engine_trace(Engine *engine, SmtpTrace trace, void *user);

/* Starts the first scan of the directory. Whoever watches the directory sets the watch before. */
void engine_start(Engine *engine);

/* What the watch on the directory saw. */
typedef enum EngineNotice {
    ENGINE_NOTICE_CREATED, /* appeared, but its writer may not be done (IN_CREATE): looked at after
                              the settle time */
    ENGINE_NOTICE_READY, /* complete: closed after writing, or renamed (IN_CLOSE_WRITE, IN_MOVED_TO)
                          */
} EngineNotice;
void engine_notice(Engine *engine, const char *file_name, EngineNotice notice);

/* The watch lost events, or nobody watches: read the whole directory (soon, and once, however often
 * it is called). */
void engine_rescan(Engine *engine);

/* Tries everything now: deferred messages, and relays on hold. */
void engine_flush(Engine *engine);

/* From now on by this configuration; connections that are open finish what they carry. The
 * directory stays the same. */
int engine_reload(Engine *engine, Config *config);

/* No message is claimed any more; what is in flight ends by itself or, `deadline` (monotonic)
 * passed, is returned to `.queued`. The `idle` callback comes when all is done. */
void engine_stop(Engine *engine, usec_t deadline);

void engine_statistics(const Engine *engine, EngineStatistics *ret);

DEFINE_CLEANUP(Engine, engine_free);
