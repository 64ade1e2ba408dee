/* Fetching a relay's secrets and its client certificate, as a job beside the caller's loop: files
 * and credentials are one kind of job, commands another, so that a command that hangs keeps no file
 * waiting. */
#pragma once

#include "base/failure.h"
#include "net/answer.h"
#include "net/credentials.h"
#include "settings/relay.h"

typedef struct SecretsResult {
    Secret *password;    /* NULL when none is configured */
    Credentials *client; /* NULL when none is configured, or it is not wanted; may have failed */
    int error;           /* 0 or negative errno; then `failure` says why */
    Failure failure;
} SecretsResult;

/* Whether any of them has to be read or asked for. */
bool job_secrets_may_block(const RelayConfig *relay, bool with_client);

/* Whether a command is run for them. */
bool job_secrets_run_command(const RelayConfig *relay);

/* At once, on the caller's thread: where they cannot block. */
void secrets_fetch(const RelayConfig *relay, bool with_client, SecretsResult *ret);
void secrets_done(SecretsResult *result);

/* Keeps a reference to the relay. 0, or a negative errno as worker_submit(). */
int job_secrets_start(Worker *worker, RelayConfig *relay, bool with_client, Answer **ret);

/* Borrowed from the answer; NULL: it is not there yet. */
const SecretsResult *job_secrets_result(Answer *answer, usec_t now);
