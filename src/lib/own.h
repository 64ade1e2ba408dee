/* What outbox's own programs take of a client beyond the public headers. Nothing of it is in the
 * ABI. */
#pragma once

#include <outbox/client.h>

#include "net/connection.h"
#include "settings/config.h"

/* By this configuration (referenced) in place of settings by name. NULL when memory or descriptors
 * are short. */
OutboxClient *client_new_by(Config *config);

/* The envelope of a raw message is its own, and its lists only say who is named to whom. */
void message_keep_envelope(OutboxMessage *message);

/* The exit status that goes with the faults of the relays that the last call met with, of which the
 * number of the last one alone does not tell whether another try is worth while
 * (delivery/advice.h). */
int client_fault_status(const OutboxClient *client);

/* The relay in use, or that was last. NULL: none was. */
const RelayConfig *client_relay(const OutboxClient *client);

/* The last reply of the connection that stands; NULL without one. Borrowed until the next call. */
const SmtpReply *client_last_reply(OutboxClient *client);

/* The line that says `verb` with this argument; `verb` NULL: the argument is the command. The
 * caller frees it. NULL: *ret_fault is why it cannot be said, to stand behind the argument ("is
 * empty"), and *ret_reserved whether it is what a client says by itself alone; or NULL, and memory
 * is short. */
char *say_line(const char *verb, const char *argument, const char **ret_fault, bool *ret_reserved);

/* The last one that was to be said; NULL: none. Borrowed until the next call. */
const char *client_said(const OutboxClient *client);

/* From now on the relay at this place of the configuration alone, in place of each in turn. */
void client_use_relay(OutboxClient *client, size_t i);

/* To be told why a relay could not be connected to, before that connection is closed. The client
 * may be asked meanwhile, as within an event. All that it is given is borrowed. */
typedef void (*ClientFault)(void *user, OutboxClient *client, const DeliveryOutcome *fault);
void client_on_fault(OutboxClient *client, ClientFault callback, void *user);

/* The connection that there is, however far it came; NULL: none. Borrowed until the next call. */
Connection *client_connection(OutboxClient *client);
