/* Telling what a client of the library does. */
#include "tool/watched.h"

#include <stdio.h>

#include "base/errors.h"
#include "tool/command.h"
#include "tool/dialogue.h"

static void on_trace(void *user _unused_, int direction, const char *line, size_t n)
{
    dialogue_print(NULL, (SmtpTraceDirection)direction, line, n);
}

void watched_error(int error, const char *text)
{
    if (error != 0)
        (void)tool_fail_number(error, "%s", text);
    else
        fprintf(stderr, "outbox: %s\n", text);
}

static void on_error(void *user _unused_, int error, const char *text)
{
    watched_error(error, text);
}

OutboxEvents watched_events(bool verbose)
{
    return (OutboxEvents){
        .size = sizeof(OutboxEvents),
        .error = on_error,
        .trace = verbose ? on_trace : NULL,
    };
}

OutboxClient *watched_client(Config *config, bool verbose)
{
    OutboxClient *client = client_new_by(config);
    OutboxEvents events = watched_events(verbose);

    if (client)
        (void)outbox_set_events(client, &events);
    return client;
}

/* A fault of a relay has a status of its own. */
int watched_fail(const OutboxClient *client)
{
    int number = outbox_error(client), status;

    status = tool_fail_number(number, "%s", outbox_error_text(client));
    return client_relay(client) && client_fault_status(client) != 0 ? client_fault_status(client)
                                                                    : status;
}
