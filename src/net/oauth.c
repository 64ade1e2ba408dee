/* Tokens and their renewal. Must never have two renewals of a relay's under way, for a refresh
 * token may be good for one, nor keep anybody waiting who does not wait for a token. */
#include "net/oauth.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "net/oauth_call.h"
#include "net/oauth_store.h"
#include "settings/secret_source.h"

#define LIFE_UNKNOWN USEC_PER_HOUR
#define AHEAD_MAX (5 * USEC_PER_MINUTE) /* so long before its end a token is renewed */

struct OauthTokens {
    unsigned references;
    pthread_mutex_t renewing; /* held as long as a renewal takes */
    pthread_mutex_t mutex;    /* of what follows; never held for long */
    Secret *access;           /* NULL: none, or it was refused */
    usec_t renew_at, expires; /* monotonic */

    /* Under `renewing`: a refresh token that was given in exchange, and what it goes back to. */
    Secret *refresh;
    char origin[OAUTH_ORIGIN_MAX];
};

int oauth_tokens_new(OauthTokens **ret)
{
    OauthTokens *tokens = calloc(1, sizeof(OauthTokens));

    if (!tokens)
        return -ENOMEM;
    tokens->references = 1;
    (void)pthread_mutex_init(&tokens->renewing, NULL);
    (void)pthread_mutex_init(&tokens->mutex, NULL);
    *ret = tokens;
    return 0;
}

OauthTokens *oauth_tokens_ref(OauthTokens *tokens)
{
    if (tokens)
        __atomic_add_fetch(&tokens->references, 1, __ATOMIC_RELAXED);
    return tokens;
}

OauthTokens *oauth_tokens_unref(OauthTokens *tokens)
{
    if (!tokens || __atomic_sub_fetch(&tokens->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    (void)secret_unref(tokens->access);
    (void)secret_unref(tokens->refresh);
    (void)pthread_mutex_destroy(&tokens->renewing);
    (void)pthread_mutex_destroy(&tokens->mutex);
    free(tokens);
    return NULL;
}

bool oauth_is_configured(const RelayConfig *relay)
{
    return relay->oauth_token_url;
}

/* ---- the kept one ---- */

/* A reference to it, or NULL; `until` is when it is no longer to be used. */
static Secret *find_kept(OauthTokens *tokens, bool to_its_end)
{
    usec_t now = clock_monotonic();
    Secret *found = NULL;

    (void)pthread_mutex_lock(&tokens->mutex);
    if (tokens->access && now < (to_its_end ? tokens->expires : tokens->renew_at))
        found = secret_ref(tokens->access);
    (void)pthread_mutex_unlock(&tokens->mutex);
    return found;
}

static void keep(OauthTokens *tokens, Secret *access, usec_t life)
{
    usec_t now = clock_monotonic();

    (void)pthread_mutex_lock(&tokens->mutex);
    (void)secret_unref(tokens->access);
    tokens->access = secret_ref(access);
    tokens->expires = usec_add(now, life);
    tokens->renew_at = usec_add(now, life - MIN(AHEAD_MAX, life / 10));
    (void)pthread_mutex_unlock(&tokens->mutex);
}

void oauth_tokens_refuse(OauthTokens *tokens, const Secret *token)
{
    (void)pthread_mutex_lock(&tokens->mutex);
    if (tokens->access && text_equal(secret_text(tokens->access), secret_text(token)))
        tokens->access = secret_unref(tokens->access);
    (void)pthread_mutex_unlock(&tokens->mutex);
}

/* ---- the refresh token ---- */

/* The newest of those that go back to the configuration as it is: in the file, in memory, or the
 * configured one itself. */
static int find_refresh(OauthTokens *tokens, const RelayConfig *relay, CommandStop *stop,
    char origin[static OAUTH_ORIGIN_MAX], Secret **ret, Failure *f)
{
    _cleanup_secret_ Secret *configured = NULL;
    int r = secret_source_fetch(&relay->oauth_refresh_token, stop, &configured, f)
                ?: oauth_origin(relay, configured, origin);

    if (r >= 0 && tokens->refresh && text_equal(tokens->origin, origin)) {
        *ret = secret_ref(tokens->refresh);
        return 0;
    }
    if (r >= 0 && relay->oauth_token_file)
        r = oauth_store_load(relay, stop, origin, ret, f);
    if (r < 0 || *ret)
        return r;
    *ret = secret_ref(configured);
    if (*ret)
        return 0;
    return failure_set(f, -ENOENT, ERROR_AUTHENTICATION,
        "nobody has allowed outbox to log in yet, or oauth_token_url or oauth_client_id have been "
        "changed since: run `outbox authorize %s`, or set oauth_refresh_token_file",
        relay->name ?: "");
}

/* In memory until it is in the file: then the file's counts, which another process may change. */
static void exchange_refresh(
    OauthTokens *tokens, const RelayConfig *relay, const char *origin, const Secret *newer)
{
    _cleanup_secret_ Secret *copy = secret_new(secret_text(newer), secret_size(newer));

    (void)secret_unref(tokens->refresh);
    tokens->refresh = TAKE_PTR(copy);
    snprintf(tokens->origin, sizeof(tokens->origin), "%s", origin);
    if (relay->oauth_token_file && oauth_store_save(relay, origin, newer, NULL) >= 0)
        tokens->refresh = secret_unref(tokens->refresh);
}

/* ---- renewal ---- */

static int fail_answer(const RelayConfig *relay, const char *what, Failure *f)
{
    return failure_set(f, -EPROTO, ERROR_AUTHENTICATION,
        "the answer of %s is no token: %s; check oauth_token_url", relay->oauth_token_url, what);
}

static int take_access(
    OauthTokens *tokens, const RelayConfig *relay, const json_t *answer, Secret **ret, Failure *f)
{
    const char *type = json_string_value(json_object_get(answer, "token_type"));

    if (type && !text_equal_nocase(type, "bearer"))
        return fail_answer(relay, "its token_type is not Bearer", f);
    *ret = oauth_take_secret(answer, "access_token");
    if (!*ret)
        return fail_answer(relay, "it has no access_token", f);
    keep(tokens, *ret, oauth_take_seconds(answer, "expires_in", LIFE_UNKNOWN));
    return 0;
}

static int renew_by_client(
    OauthTokens *tokens, const RelayConfig *relay, CommandStop *stop, Secret **ret, Failure *f)
{
    _cleanup_(oauth_form_done) OauthForm form = {0};
    char error[OAUTH_ERROR_MAX];
    json_t *answer = NULL;
    int r = oauth_form_add(&form, "grant_type", "client_credentials")
                ?: oauth_form_add(&form, "scope", relay->oauth_scope)
                ?: oauth_form_add_client(&form, relay, stop, f);

    r = r ?: oauth_call(relay, relay->oauth_token_url, &form, &answer, error, f);
    if (r >= 0)
        r = take_access(tokens, relay, answer, ret, f);
    json_decref(answer);
    return r;
}

static int renew_by_refresh(
    OauthTokens *tokens, const RelayConfig *relay, CommandStop *stop, Secret **ret, Failure *f)
{
    _cleanup_(oauth_form_done) OauthForm form = {0};
    _cleanup_secret_ Secret *refresh = NULL, *newer = NULL;
    char origin[OAUTH_ORIGIN_MAX] = "", error[OAUTH_ERROR_MAX];
    json_t *answer = NULL;
    int r = find_refresh(tokens, relay, stop, origin, &refresh, f);

    r = r ?: oauth_form_add(&form, "grant_type", "refresh_token")
                  ?: oauth_form_add_secret(&form, "refresh_token", refresh)
                  ?: oauth_form_add(&form, "scope", relay->oauth_scope)
                  ?: oauth_form_add_client(&form, relay, stop, f);
    r = r ?: oauth_call(relay, relay->oauth_token_url, &form, &answer, error, f);
    if (r < 0)
        return r;
    newer = oauth_take_secret(answer, "refresh_token");
    if (newer && !text_equal(secret_text(newer), secret_text(refresh)))
        exchange_refresh(tokens, relay, origin, newer);
    r = take_access(tokens, relay, answer, ret, f);
    json_decref(answer);
    return r;
}

static int renew(
    OauthTokens *tokens, const RelayConfig *relay, CommandStop *stop, Secret **ret, Failure *f)
{
    _cleanup_close_ int lock = -1;

    if (relay->oauth_grant == OAUTH_GRANT_CLIENT)
        return renew_by_client(tokens, relay, stop, ret, f);
    if (relay->oauth_token_file) {
        lock = oauth_store_lock(relay, f);
        if (lock < 0)
            return lock;
    }
    return renew_by_refresh(tokens, relay, stop, ret, f);
}

/* Where none can be had, one that is not quite at its end yet is better than nothing. */
int oauth_tokens_get(OauthTokens *tokens, const RelayConfig *relay, CommandStop *stop, Secret **ret,
    bool *ret_kept, Failure *f)
{
    int r = 0;

    *ret_kept = true;
    (void)pthread_mutex_lock(&tokens->renewing);
    *ret = find_kept(tokens, false);
    if (!*ret) {
        r = renew(tokens, relay, stop, ret, f);
        *ret_kept = r < 0;
        if (r < 0)
            *ret = find_kept(tokens, true);
    }
    (void)pthread_mutex_unlock(&tokens->renewing);
    if (*ret || r == -ENOMEM)
        return *ret ? 0 : r;
    return failure_prefix(f, r, "no OAuth token can be had");
}
