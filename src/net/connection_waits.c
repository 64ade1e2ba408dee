/* What a connection waits for beside the relay. Must never have the relay blamed for the silence of
 * somebody else, nor one server for another's. */
#include <assert.h>
#include <stdio.h>

#include "net/connection.h"
#include "net/job_mta_sts.h"
#include "net/job_revocation.h"
#include "net/transport.h"

#define TELL_AFTER (2 * USEC_PER_SEC)

static_assert(CONNECTION_WAIT_MAX >= COMMAND_WAITS_MAX, "what a job says fits");

/* Of a job that has not begun, or has not said yet for whom it waits: others of its kind may hang.
 */
static void wait_for_turn(ConnectionWait *wait, const char *what, const char *remedy)
{
    if (wait->what[0])
        return;
    snprintf(wait->what, sizeof(wait->what), "%s", what);
    wait->remedy = remedy;
}

static void wait_in_lookup(const Connection *c, ConnectionWait *wait)
{
    switch (lookup_waits_for(c->lookup, wait->what, &wait->remedy)) {
    case LOOKUP_WAITS_FOR_SECRETS:
        wait->stage = STAGE_AUTH;
        wait_for_turn(wait, "its turn to read a secret or ask for a token",
            "others hang that were asked for before: see what the log says of them");
        return;
    case LOOKUP_WAITS_FOR_NAME:
        snprintf(wait->what, sizeof(wait->what), "this host's own name");
        wait->remedy = "check /etc/resolv.conf and its name servers, or set hello";
        return;
    default: return; /* the stage says it */
    }
}

static void wait_in_certificate(const Connection *c, ConnectionWait *wait)
{
    if (c->revocation) {
        revocation_waits_for(c->revocation, wait->what, &wait->remedy);
        wait_for_turn(wait, "its turn to ask whether the certificate was revoked",
            "another such question has no answer yet: see whether this host gets to who signed "
            "it; tls_check_ocsp and tls_check_crl = \"off\" do without");
    } else if (c->policy_fd >= 0) {
        job_mta_sts_waits_for(c->policy, wait->what, &wait->remedy);
        wait_for_turn(wait, "its turn to ask for the MTA-STS policy",
            "another such question has no answer yet: see whether this host gets there; "
            "tls_mta_sts = \"off\" does without");
    } else {
        snprintf(wait->what, sizeof(wait->what), "the TLSA records of %.190s", c->relay->host);
        wait->remedy =
            "check /etc/resolv.conf and its name servers; tls_dane = \"off\" does without";
    }
}

ConnectionWait connection_waits_for(const Connection *c)
{
    ConnectionWait wait = {.stage = connection_stage(c)};
    DeliveryStage stage = transport_stage(c);

    if (stage == STAGE_LOOKUP && c->lookup)
        wait_in_lookup(c, &wait);
    else if (stage == STAGE_PROXY || (stage == STAGE_CONNECT && relay_is_proxied(c->relay)))
        proxied_waits_for(c, wait.what, sizeof(wait.what), &wait.remedy);
    else if (stage == STAGE_CERTIFICATE)
        wait_in_certificate(c, &wait);
    else if (stage == STAGE_TLS && c->tls && tls_stream_signing_fd(c->tls) >= 0) {
        snprintf(wait.what, sizeof(wait.what), "the signature of the token that has tls_key");
        wait.remedy = "check that the token answers";
    }
    return wait;
}

/* Whom it is that a step has to wait for may be known only later. */
void transport_tell_wait(Connection *c, usec_t now)
{
    ConnectionWait wait;

    if (!c->trace)
        return;
    if (c->tell_at == 0 || c->tell_step != c->step) {
        c->tell_at = usec_add(now, TELL_AFTER);
        c->tell_step = c->step;
    }
    if (now < c->tell_at || c->tell_at == USEC_NEVER)
        return;
    wait = connection_waits_for(c);
    c->tell_at = *wait.what ? USEC_NEVER : usec_add(now, TELL_AFTER);
    if (*wait.what)
        transport_trace(c, "waiting for %s", wait.what);
}
