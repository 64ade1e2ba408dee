/* Commands said to a relay. */
#pragma once

#include <outbox/client.h>
#include <stdbool.h>

#include "base/outcome.h"

typedef struct Saying {
    char *line;
    bool is_question; /* VRFY or EXPN: it changes nothing */
    bool expands;     /* its reply is a list of addresses */
} Saying;

int say_begin(OutboxClient *client);
int say_on_reply(OutboxClient *client, const DeliveryOutcome *outcome);
void say_done(OutboxClient *client);
