/* Driving connections from an sd-event loop: for the queue engine. */
#pragma once

#include <systemd/sd-event.h>

#include "net/connection.h"

typedef struct ConnectionSource ConnectionSource;

/* Called for every event of the connection. It may submit and give content; it must not free the
 * source or the connection. A negative return ends the round and the source's work. */
typedef int (*ConnectionHandler)(void *user, Connection *connection, const SmtpEvent *event);

/* Called after a round of events, once the connection has nothing to do until more I/O, and after
 * CLOSED or a failure once and for the last time: `result` is 0, or what the step (-ENOMEM) or the
 * handler returned. The place to submit (and kick, which starts another round when this one is
 * done), or to free the source and then the connection. */
typedef void (*ConnectionSettled)(void *user, Connection *connection, int result);

/* Connection and loop are borrowed; `settled` may be NULL. The source runs a first step from the
 * loop by itself. */
int connection_source_new(sd_event *loop, Connection *connection, ConnectionHandler handler,
    ConnectionSettled settled, void *user, ConnectionSource **ret);

/* Steps the connection now: call it after submitting from outside of a handler. After CLOSED it
 * does nothing. */
void connection_source_kick(ConnectionSource *source);

/* Before the connection is freed. Accepts NULL; not from a handler, but from `settled`. */
void connection_source_free(ConnectionSource *source);

DEFINE_CLEANUP(ConnectionSource, connection_source_free);
