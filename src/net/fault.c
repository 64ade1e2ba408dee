/* The one place where failures of name lookup, sockets and TLS become outcomes. Must never hold one
 * against a message that was not under way. */
#include "net/fault.h"

#include "base/errors.h"

/* Whether the number is one of those that speak of certificates. */
static bool is_about_certificate(int number)
{
    switch (number) {
    case ERROR_CERTIFICATE_CHAIN_MISSING:
    case ERROR_CERTIFICATE_CHAIN:
    case ERROR_CERTIFICATE_VERIFY:
    case ERROR_CLIENT_CERTIFICATE:
    case ERROR_SERVER_CERTIFICATE: return true;
    default: return false;
    }
}

DeliveryOutcome fault_before_session(const Connection *c, const Failure *failure)
{
    DeliveryStage stage = transport_stage(c);

    if (c->found.secret_failed)
        stage = STAGE_AUTH;
    else if (stage == STAGE_TLS && is_about_certificate(failure->number))
        stage = STAGE_CERTIFICATE;
    return (DeliveryOutcome){
        .kind = DELIVERY_CUT_OFF,
        .stage = stage,
        .error = failure->number,
        .text = failure_text(failure),
    };
}

DeliveryOutcome fault_in_session(const Connection *c, const Failure *failure)
{
    DeliveryStage stage = smtp_session_stage(c->session);

    return (DeliveryOutcome){
        .kind = delivery_stage_is_relay(stage) ? DELIVERY_CUT_OFF : DELIVERY_DEFERRED,
        .stage = stage,
        .error = failure->number,
        .text = failure_text(failure),
    };
}
