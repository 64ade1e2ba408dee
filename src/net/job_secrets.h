/* Fetching a relay's secrets and its client certificate, as a job beside the caller's loop: files
 * and credentials are one kind of job, commands another, and tickets and tokens two more, so that
 * one that hangs keeps no other waiting. */
#pragma once

#include "base/failure.h"
#include "net/answer.h"
#include "net/credentials.h"
#include "net/oauth.h"
#include "net/tickets.h"
#include "settings/relay.h"

typedef struct SecretsResult {
    Secret *password;       /* NULL when none is configured */
    bool kept;              /* the password is a token that was there before */
    Tickets *tickets;       /* NULL: the relay takes none */
    Credentials *client;    /* NULL when none is configured, or it is not wanted; may have failed */
    Secret *proxy;          /* the password for the proxy; NULL when none is configured */
    Tickets *proxy_tickets; /* likewise */
    char *notice; /* what is to be told in any case, or NULL; the first to see it takes it */
    int error;    /* 0 or negative errno; then `failure` says why */
    Failure failure;
} SecretsResult;

/* Whether any of them has to be read or asked for. */
bool job_secrets_may_block(const RelayConfig *relay, bool with_client);

/* Whether tickets are got, which are good for one connection each. */
bool job_secrets_are_single(const RelayConfig *relay);

/* Whether a command is run for them, or a token got, which may take longer than a relay may. */
bool job_secrets_take_long(const RelayConfig *relay);

/* At once, on the caller's thread: where they cannot block. `oauth` is the relay's, or NULL;
 * `refused` is what a token refused before, or NULL: the same PIN is not told it again.
 * `stop` may be NULL. */
void secrets_fetch(RelayConfig *relay, OauthTokens *oauth, bool with_client, Credentials *refused,
    CommandStop *stop, SecretsResult *ret);
void secrets_done(SecretsResult *result);

/* Keeps references to the relay, and to `oauth` and `refused`, which may be NULL. 0, or a negative
 * errno as worker_submit(). */
int job_secrets_start(Worker *worker, RelayConfig *relay, OauthTokens *oauth, bool with_client,
    Credentials *refused, Answer **ret);

/* What it waits for, and what to do about that: as command_stop_what(). */
void job_secrets_waits_for(
    Answer *answer, char ret[static COMMAND_WAITS_MAX], const char **ret_remedy);

/* Borrowed from the answer; NULL: it is not there yet. Of tickets, the caller may take hold. */
SecretsResult *job_secrets_result(Answer *answer, usec_t now);
