/* One call at an OAuth 2.0 server (RFC 6749): a form goes out, JSON comes back. Blocks. */
#pragma once

#include <jansson.h>

#include "base/failure.h"
#include "base/secret.h"
#include "net/http_call.h"
#include "settings/relay.h"
#include "settings/secret_source.h"

/* The form; wiped when it is done. Begun zeroed. Each adder: 0 or -ENOMEM; values may be NULL: then
 * nothing is added. */
#define OAUTH_FORM_SECRETS_MAX 4
typedef enum OauthAsks {
    OAUTH_ASKS_REFRESH, /* by a refresh token (RFC 6749, 6) */
    OAUTH_ASKS_CLIENT,  /* by the client's own credentials (4.4): there is no user */
    OAUTH_ASKS_CODE,    /* by a code that a user enters elsewhere (RFC 8628) */
} OauthAsks;
typedef struct OauthForm {
    Buffer text;
    Secret *secrets[OAUTH_FORM_SECRETS_MAX]; /* that are in it, in clear; referenced */
    size_t n_secrets;
    OauthAsks asks;    /* by what: what helps when it is refused depends on it */
    usec_t limit;      /* how long the call may take; 0: as long as any */
    CommandStop *stop; /* as HttpCall has them; NULL, 0 */
    usec_t grace;
} OauthForm;
int oauth_form_add(OauthForm *form, const char *name, const char *value);
int oauth_form_add_secret(OauthForm *form, const char *name, Secret *value);
void oauth_form_done(OauthForm *form);

/* Who asks: oauth_client_id and, where there is one, the client's secret. 0, or a negative errno
 * with a Failure. */
int oauth_form_add_client(OauthForm *form, const RelayConfig *relay, CommandStop *stop, Failure *f);

/* Posts it to one of the relay's URLs. 0 with an object, which the caller drops by json_decref();
 * -EKEYREJECTED when the server refuses: its word for why (RFC 6749, 5.2) is in `ret_error`, and
 * its sentence in the Failure; or another negative errno: another call may succeed. */
#define OAUTH_ERROR_MAX 64
int oauth_call(const RelayConfig *relay, const char *url, const OauthForm *form, json_t **ret,
    char ret_error[static OAUTH_ERROR_MAX], Failure *f);

/* A string of the object as a secret; NULL when there is none, or it is empty. 0; -EBADMSG when it
 * has control characters, which no token has (RFC 6749, A); -ENOMEM. */
int oauth_take_secret(const json_t *object, const char *name, Secret **ret);

/* A number of seconds, which some write as text; `fallback` where there is none. */
usec_t oauth_take_seconds(const json_t *object, const char *name, usec_t fallback);
