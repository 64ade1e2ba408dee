/* What the settings of a relay name, judged before a connection needs it: each file is read and
 * each TLS context made as a connection does it, up to the first words of a handshake, and thrown
 * away. Asks no network. */
#pragma once

#include "base/failure.h"
#include "base/outcome.h"
#include "settings/relay.h"

typedef struct RelayJudgement {
    int error;       /* 0: a connection could begin; or a negative errno, and `failure` says why */
    Failure failure; /* begins with the setting */
    DeliveryStage stage; /* of a connection that would meet with it */
    char *notice;        /* what will be wrong soon, or is and does not matter yet; or NULL */
} RelayJudgement;

/* Blocks: files, key derivation, and where `tokens` is set what a PKCS#11 module talks to.
 * Otherwise no token is asked, for each wrong PIN brings it nearer to locking itself; and no
 * command is run, nor the service manager asked, either way. */
void relay_check(const RelayConfig *relay, bool tokens, RelayJudgement *ret);
void relay_judgement_done(RelayJudgement *judgement);
