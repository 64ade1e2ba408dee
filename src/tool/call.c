/* Connecting to a relay for one command. */
#include "tool/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "delivery/advice.h"
#include "tool/command.h"
#include "tool/dialogue.h"

int call_wait(Call *call, SmtpEvent *ret)
{
    return connection_wait(call->connection, false, ret);
}

/* For whoever sits before the terminal. */
static void tell_silence(void *user, const Connection *connection)
{
    const Call *call = user;

    fprintf(stderr,
        "outbox: relay %s (%s) has taken the connection and says nothing yet; a port that expects "
        "TLS at once wants tls = \"implicit\", and some servers keep newcomers waiting\n",
        call->relay->name, connection_address(connection));
}

/* Whoever passes the dialogue on is to know what is in it. */
static const char secrets_shown[] =
    "mask_secrets is false: what follows may hold the password, which base64 does not hide";

static int connect_relay(Call *call, const DeliveryOutcome **ret_fault)
{
    SmtpEvent event;
    int r = connection_new(call->shared, call->verbose ? dialogue_print : NULL, NULL,
        clock_monotonic(), &call->connection);

    if (r >= 0) {
        connection_show_secrets(call->connection);
        if (call->verbose && !call->relay->mask_secrets)
            dialogue_print(NULL, SMTP_TRACE_INFO, secrets_shown, strlen(secrets_shown));
        connection_on_silence(call->connection, tell_silence, call);
        r = call_wait(call, &event);
    }
    if (r < 0)
        return r;
    if (event.type == SMTP_EVENT_READY)
        return 1;
    *ret_fault = event.outcome;
    return 0;
}

int call_open(RelayConfig *relay, bool verbose, Call *ret, const DeliveryOutcome **ret_fault)
{
    int r;

    *ret = (Call){.relay = relay, .verbose = verbose};
    r = worker_new(&ret->worker);
    if (r >= 0)
        r = connection_shared_new(relay, ret->worker, &ret->shared);
    return r < 0 ? r : connect_relay(ret, ret_fault);
}

int call_open_again(Call *call, const DeliveryOutcome **ret_fault)
{
    if (!connection_has_learned(call->connection))
        return -EALREADY;
    connection_free(call->connection);
    call->connection = NULL;
    return connect_relay(call, ret_fault);
}

void call_quit(Call *call)
{
    SmtpEvent event;

    smtp_session_quit(connection_session(call->connection), clock_monotonic());
    while (call_wait(call, &event) > 0 && event.type != SMTP_EVENT_CLOSED)
        continue;
}

void call_done(Call *call)
{
    connection_free(call->connection);
    connection_shared_unref(call->shared);
    worker_unref(call->worker);
    *call = (Call){0};
}

int call_say_fault(const RelayConfig *relay, const DeliveryOutcome *fault)
{
    char codes[DELIVERY_CODES_MAX];

    const char *advice = advice_on(fault, relay);

    (void)tool_fail_number(fault->error, "relay %s, %s: %s%s%s%s", relay->name,
        delivery_stage_name(fault->stage), delivery_format_codes(fault, codes), fault->text,
        advice ? "; " : "", advice ?: "");
    return advice_status(fault);
}
