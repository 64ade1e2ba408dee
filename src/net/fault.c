/* The one place where failures of name lookup, sockets and TLS become outcomes. Must never say
 * whose fault one is. */
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

/* Some are nothing that the relay or the network did. */
static DeliveryCause cause_of(int number)
{
    switch (number) {
    case ERROR_TIMEOUT: return CAUSE_TIMEOUT;
    case ERROR_CONFIGURATION:
    case ERROR_CERTIFICATE_STORE:
    case ERROR_CLIENT_CERTIFICATE: return CAUSE_OWN;
    default: return CAUSE_LOST;
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
        .cause = c->found.secret_failed ? CAUSE_OWN : cause_of(failure->number),
        .stage = stage,
        .error = failure->number,
        .text = failure_text(failure),
    };
}

DeliveryOutcome fault_in_session(const Failure *failure)
{
    return (DeliveryOutcome){
        .kind = DELIVERY_CUT_OFF,
        .cause = cause_of(failure->number),
        .stage = STAGE_NONE,
        .error = failure->number,
        .text = failure_text(failure),
    };
}
