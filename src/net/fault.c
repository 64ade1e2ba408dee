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

static bool is_time_out(int number)
{
    return number == ERROR_TIMEOUT || number == ERROR_CONNECTION_TIMED_OUT;
}

static DeliveryCause cause_before_session(const Connection *c, int number)
{
    if (c->own)
        return CAUSE_OWN;
    if (is_time_out(number))
        return CAUSE_TIMEOUT;
    switch (number) {
    case ERROR_TLS_LIBRARY:
    case ERROR_TLS_HANDSHAKE:
    case ERROR_TLS_ENCRYPT:
    case ERROR_TLS_DECRYPT: return CAUSE_PROTOCOL;
    default: return is_about_certificate(number) ? CAUSE_PROTOCOL : CAUSE_LOST;
    }
}

DeliveryOutcome fault_of_transport(const Connection *c, const Failure *failure)
{
    DeliveryStage stage = transport_stage(c);

    if (c->found.secret_failed)
        stage = STAGE_AUTH;
    else if (stage == STAGE_TLS && is_about_certificate(failure->number))
        stage = STAGE_CERTIFICATE;
    return (DeliveryOutcome){
        .kind = DELIVERY_CUT_OFF,
        .cause = cause_before_session(c, failure->number),
        .stage = stage,
        .error = failure->number,
        .text = failure_text(failure),
    };
}

DeliveryOutcome fault_in_session(const Failure *failure)
{
    return (DeliveryOutcome){
        .kind = DELIVERY_CUT_OFF,
        .cause = is_time_out(failure->number) ? CAUSE_TIMEOUT : CAUSE_LOST,
        .stage = STAGE_NONE,
        .error = failure->number,
        .text = failure_text(failure),
    };
}
