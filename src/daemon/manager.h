/* The daemon: the event loop, signals, systemd's notifications, reload and stop. */
#pragma once

#include "daemon/log.h"
#include "settings/config.h"

typedef struct Manager Manager;

/* Blocks the signals that the loop serves and ignores those that nobody needs: the first thing of
 * all, so that a signal that comes before the loop runs waits for it. manager_release_signals()
 * takes it back for what ends without a loop. */
void manager_take_signals(void);
void manager_release_signals(void);

/* Opens the queue and is ready to run. `overrides` (a NULL-terminated list, or NULL) is borrowed
 * for reloads, as the log is; the configuration is referenced. 0, or a negative errno with a
 * Failure; its number gives the exit status. */
int manager_new(Log *log, Config *config, const char *const *overrides, Manager **ret, Failure *f);

/* Serves the queue until a signal ends it. 0 or a negative errno. */
int manager_run(Manager *manager);

/* Puts what is in flight back to `.queued`. Accepts NULL. */
void manager_free(Manager *manager);

DEFINE_CLEANUP(Manager, manager_free);
