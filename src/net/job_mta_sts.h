/* Finding out a domain's MTA-STS policy (RFC 8461, 3.3 and 5.1), as a job beside the caller's loop:
 * its record by the system's name servers, its text over HTTPS, through the relay's proxy where
 * there is one; kept until its max_age in tls_mta_sts_file, where that is set. */
#pragma once

#include "base/failure.h"
#include "net/answer.h"
#include "net/mta_sts.h"
#include "settings/relay.h"
#include "settings/secret_source.h"

typedef struct MtaStsResult {
    bool known; /* there is a policy: */
    MtaStsPolicy policy;
    Buffer text;
    char id[MTA_STS_ID_MAX]; /* of the record that it was fetched by */
    usec_t fetched;          /* realtime */
    usec_t until;            /* monotonic: it counts until then, whatever cannot be had meanwhile */
    usec_t lifetime;         /* of this result: then it is to be asked again; 0: at once */
    int error;               /* 0, or -ENOMEM */
    char *notice;            /* what is wrong with the file that policies are kept in, or NULL */
    Failure trouble; /* why there is no policy, or no newer one; number 0: nothing is wrong */
} MtaStsResult;

/* `former`, or NULL, is the result before, whose policy counts on where no newer one can be had.
 * Without it a policy that is kept in the file is the result, at once. 0, or a negative errno as
 * worker_submit(). */
int job_mta_sts_start(Worker *worker, RelayConfig *relay, const MtaStsResult *former, Answer **ret);

/* What it waits for, and what to do about that: as command_stop_what(). */
void job_mta_sts_waits_for(
    Answer *answer, char ret[static COMMAND_WAITS_MAX], const char **ret_remedy);

/* Borrowed from the answer; NULL: it is not there yet. */
const MtaStsResult *job_mta_sts_result(Answer *answer, usec_t now);

/* What such a job does. Blocks. `stop`, which may be NULL, is for when nobody wants it any more. */
void mta_sts_look_up(
    const RelayConfig *relay, const MtaStsResult *former, CommandStop *stop, MtaStsResult *ret);
void mta_sts_result_done(MtaStsResult *result);
