/* What the service manager is told (sd_notify(3)). It is sent without waiting: a manager that does
 * not read holds up nothing. */
#pragma once

#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/macros.h"

#define NOTIFY_STATUS_MAX 512

typedef struct Notify Notify;

/* Serves the watchdog as well, when there is one ($WATCHDOG_USEC). The loop is borrowed. `path` is
 * the manager's socket, $NOTIFY_SOCKET: absolute, or abstract with '@' in front; NULL when there is
 * no manager, and then, as with an address of another kind, nothing is ever done. 0 or a negative
 * errno. */
int notify_new(sd_event *loop, const char *path, Notify **ret);
void notify_free(Notify *notify); /* accepts NULL */

/* Changes of state. None is ever lost: what is not taken at once is tried again by itself. A reload
 * ends with the next notify_ready(); a stop may take `timeout` from now. */
void notify_ready(Notify *notify, const char *status);
void notify_reloading(Notify *notify);
void notify_stopping(Notify *notify, const char *status, usec_t timeout);

/* The line for `systemctl status`, sent when it differs from the last. One that is not taken goes
 * with whatever is said next. */
void notify_status(Notify *notify, const char *status);

DEFINE_CLEANUP(Notify, notify_free);
