/* What outbox's own programs take of a client beyond the public headers. Nothing of it is in the
 * ABI. */
#pragma once

#include <outbox/client.h>

#include "settings/config.h"
#include "smtp/reply.h"

/* By this configuration (referenced) in place of settings by name. NULL when memory or descriptors
 * are short. */
OutboxClient *client_new_by(Config *config);

/* The envelope of a raw message is its own, and its lists only say who is named to whom. */
void message_keep_envelope(OutboxMessage *message);

/* The exit status that goes with the fault of a relay that the last call ended with, of which the
 * number alone does not tell whether another try is worth while (delivery/advice.h). */
int client_fault_status(const OutboxClient *client);

/* The relay in use, or that was last. NULL: none was. */
const RelayConfig *client_relay(const OutboxClient *client);

/* The last reply of the connection that stands; NULL without one. Borrowed until the next call. */
const SmtpReply *client_last_reply(OutboxClient *client);
