/* Access tokens for XOAUTH2 and OAUTHBEARER, got by a refresh token or by the client's own
 * credentials (RFC 6749, 6 and 4.4), and got anew before they expire. A relay's connections share
 * them. */
#pragma once

#include "base/clock.h"
#include "base/failure.h"
#include "base/secret.h"
#include "settings/relay.h"
#include "settings/secret_source.h"

typedef struct OauthTokens OauthTokens;

/* 0 or -ENOMEM. References are taken and dropped on any thread. */
int oauth_tokens_new(OauthTokens **ret);
OauthTokens *oauth_tokens_ref(OauthTokens *tokens);
OauthTokens *oauth_tokens_unref(OauthTokens *tokens); /* accepts NULL; returns NULL */

/* Whether what is known of tokens by the one relay's settings counts for the other's as well: the
 * same server, client and user. Access tokens are each relay's own all the same. */
bool oauth_is_same(const RelayConfig *one, const RelayConfig *other);

/* Whether the relay's tokens are got so. */
bool oauth_is_configured(const RelayConfig *relay);

/* The token that is good for a while yet, or a new one. Blocks, also while another thread gets one.
 * `ret_kept`: it is one that was there before. `ret_notice`, which the caller frees: what is to be
 * told in any case, for a new refresh token cannot be kept; or NULL. `stop` may be NULL. 0 with a
 * reference, or a negative errno with a Failure. */
int oauth_tokens_get(OauthTokens *tokens, RelayConfig *relay, CommandStop *stop, Secret **ret,
    bool *ret_kept, char **ret_notice, Failure *f);

/* The relay does not take this one: it is not given out again. Never blocks. */
void oauth_tokens_refuse(OauthTokens *tokens, const Secret *token);

/* ---- without a browser here (RFC 8628) ---- */

typedef struct OauthDevice {
    char *url, *code; /* where the user goes, and what is to be entered there; a stranger's words */
    Secret *device;
    usec_t interval, until; /* until: monotonic */
    usec_t delay;           /* instead of the interval, while there is trouble; 0: there is none */
} OauthDevice;
void oauth_device_done(OauthDevice *device);

/* Asks at oauth_device_url. 0, or a negative errno with a Failure. */
int oauth_device_begin(const RelayConfig *relay, OauthDevice *ret, Failure *f);

/* How long to wait until the next poll: the interval, and longer each time where the server is in
 * trouble (RFC 8628, 3.5), but not beyond the end of the code. */
usec_t oauth_device_wait(const OauthDevice *device);

/* To be called after each wait. 1 when the user has agreed, and the refresh token is in
 * oauth_token_file; 0: not yet, and where the Failure has a number, because of that trouble; or a
 * negative errno with a Failure. */
int oauth_device_poll(const RelayConfig *relay, OauthDevice *device, Failure *f);
