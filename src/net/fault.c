/* The one place where failures of name lookup, sockets and TLS become outcomes. Must never say
 * whose fault one is. */
#include "net/fault.h"

#include "base/errors.h"

static bool is_time_out(int number)
{
    return number == ERROR_TIMEOUT || number == ERROR_CONNECTION_TIMED_OUT;
}

static DeliveryCause cause_before_session(const Connection *c, const Failure *failure)
{
    if (c->own)
        return CAUSE_OWN;
    if (is_time_out(failure->number))
        return CAUSE_TIMEOUT;
    switch (failure->number) {
    case ERROR_CERTIFICATE_CHAIN_MISSING:
    case ERROR_CERTIFICATE_CHAIN:
    case ERROR_CERTIFICATE_VERIFY:
    case ERROR_CLIENT_CERTIFICATE:
    case ERROR_SERVER_CERTIFICATE:
    case ERROR_TLS_LIBRARY:
    case ERROR_TLS_HANDSHAKE:
    case ERROR_TLS_ENCRYPT:
    case ERROR_TLS_DECRYPT: return CAUSE_PROTOCOL;
    default: return CAUSE_LOST;
    }
}

DeliveryOutcome fault_of_transport(const Connection *c, const Failure *failure)
{
    return (DeliveryOutcome){
        .kind = DELIVERY_CUT_OFF,
        .cause = cause_before_session(c, failure),
        .stage = c->found.secret_failed ? STAGE_AUTH : transport_stage(c),
        .error = failure->number,
        .reason = failure->reason,
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
        .reason = failure->reason,
        .text = failure_text(failure),
    };
}
