/* Names of outcomes and stages. */
#include "base/outcome.h"

#include <stdio.h>

#include "base/macros.h"

const char *delivery_kind_name(DeliveryKind kind)
{
    static const char *const names[] = {
        [DELIVERY_DELIVERED] = "delivered",
        [DELIVERY_DEFERRED] = "deferred",
        [DELIVERY_REFUSED] = "refused",
        [DELIVERY_POSTPONED] = "postponed",
        [DELIVERY_CUT_OFF] = "fault",
    };

    return (size_t)kind < ELEMENTSOF(names) ? names[kind] : "unknown";
}

const char *delivery_stage_name(DeliveryStage stage)
{
    static const char *const names[] = {
        [STAGE_NONE] = "none",
        [STAGE_LOOKUP] = "lookup",
        [STAGE_CONNECT] = "connect",
        [STAGE_PROXY] = "proxy",
        [STAGE_TLS] = "tls",
        [STAGE_CERTIFICATE] = "certificate",
        [STAGE_GREETING] = "greeting",
        [STAGE_EHLO] = "ehlo",
        [STAGE_STARTTLS] = "starttls",
        [STAGE_AUTH] = "auth",
        [STAGE_MAIL] = "mail",
        [STAGE_RCPT] = "rcpt",
        [STAGE_DATA] = "data",
        [STAGE_CONTENT] = "content",
        [STAGE_RSET] = "rset",
        [STAGE_QUIT] = "quit",
        [STAGE_IDLE] = "idle",
        [STAGE_MESSAGE] = "message",
    };

    return (size_t)stage < ELEMENTSOF(names) ? names[stage] : "unknown";
}

const char *delivery_format_codes(
    const DeliveryOutcome *outcome, char ret[static DELIVERY_CODES_MAX])
{
    const char *enhanced = outcome->enhanced;

    ret[0] = '\0';
    if (outcome->code > 0)
        snprintf(ret, DELIVERY_CODES_MAX, "%d %s%s", outcome->code, enhanced, *enhanced ? " " : "");
    return ret;
}

bool delivery_stage_is_relay(DeliveryStage stage)
{
    return stage >= STAGE_LOOKUP && stage <= STAGE_AUTH;
}
