/* The one place where failures of name lookup, sockets and TLS become outcomes. Must never say
 * whose fault one is. */
#include "net/fault.h"

#include "base/errors.h"

static bool is_time_out(int number)
{
    return number == ERROR_TIMEOUT || number == ERROR_CONNECTION_TIMED_OUT;
}

/* What a proxy says is no matter of how many connections there are: that is told by those which it
 * does not take, or drops. */
static DeliveryCause cause_at_proxy(FaultReason reason)
{
    switch (reason) {
    case REASON_PROXY_TIMEOUT: return CAUSE_TIMEOUT;
    case REASON_PROXY_UNREACHABLE:
    case REASON_PROXY_CLOSED: return CAUSE_LOST;
    default: return CAUSE_PROTOCOL;
    }
}

static DeliveryStage stage_of(const Connection *c, const Failure *failure)
{
    if (c->found.secret_failed)
        return STAGE_AUTH;
    return failure->number == ERROR_FIREWALL ? STAGE_PROXY : transport_stage(c);
}

static DeliveryCause cause_before_session(const Connection *c, const Failure *failure)
{
    if (c->own)
        return CAUSE_OWN;
    if (is_time_out(failure->number))
        return CAUSE_TIMEOUT;
    if (failure->number == ERROR_FIREWALL)
        return cause_at_proxy(failure->reason);
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
        .stage = stage_of(c, failure),
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
