/* A client of the library whose events are told to whoever sits before the terminal. */
#pragma once

#include <outbox/outbox.h>

#include "base/macros.h"
#include "lib/own.h"

/* By this configuration; `verbose` prints the dialogue to standard error. NULL when memory is
 * short. Errors that do not end a call are said as they happen. */
OutboxClient *watched_client(Config *config, bool verbose);

/* The same table of events, to have more of them. */
OutboxEvents watched_events(bool verbose);

/* What the event `error` prints. */
void watched_error(int error, const char *text);

/* Says why the last call failed. Returns the exit status. */
int watched_fail(const OutboxClient *client);

DEFINE_CLEANUP(OutboxClient, outbox_client_free);
