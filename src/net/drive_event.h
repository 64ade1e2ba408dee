/* Driving connections from an sd-event loop: for the queue engine. */
#pragma once

#include <systemd/sd-event.h>

#include "net/connection.h"

typedef struct ConnectionSource ConnectionSource;

/* Called for every event of the connection. After SMTP_EVENT_CLOSED, or a negative return, the
 * source calls nothing more; the handler, or who gets the negative value from `failed`, frees
 * source and connection outside of the handler (defer it). */
typedef int (*ConnectionHandler)(void *user, Connection *connection, const SmtpEvent *event);

/* Called after a round of events, once the connection has nothing to do until more I/O: the time to
 * submit or to free it. */
typedef void (*ConnectionSettled)(void *user, Connection *connection, int result);

/* Connection and loop are borrowed. The source runs a first step from the loop by itself. */
int connection_source_new(sd_event *loop, Connection *connection, ConnectionHandler handler,
    ConnectionSettled settled, void *user, ConnectionSource **ret);

/* Steps the connection now: call it after submitting from outside of a handler. */
void connection_source_kick(ConnectionSource *source);
void connection_source_free(
    ConnectionSource *source); /* accepts NULL; may be called from `settled` */
