/* Tokens and their renewal. Must never have two renewals of a relay's under way, for a refresh
 * token may be good for one, nor keep anybody waiting who does not wait for a token. */
#include "net/oauth.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "base/url.h"
#include "net/oauth_call.h"
#include "net/oauth_store.h"
#include "settings/secret_source.h"

#define LIFE_UNKNOWN USEC_PER_HOUR
#define GRACE (5 * USEC_PER_SEC)        /* for a refresh token that is exchanged already, maybe */
#define AHEAD_MAX (5 * USEC_PER_MINUTE) /* so long before its end a token is renewed */

struct OauthTokens {
    unsigned references;
    pthread_mutex_t renewing; /* held as long as a renewal takes */
    pthread_mutex_t mutex;    /* of what follows; never held for long */
    Secret *access;           /* NULL: none, or it was refused */
    RelayConfig *access_of;   /* whose settings it was got by; referenced */
    usec_t renew_at, expires; /* monotonic */

    /* Under `renewing`: a refresh token that was given in exchange and is not in the file, what it
     * goes back to, and the one before, which may still be in the file. */
    Secret *refresh, *replaced;
    bool told; /* that there is no file to keep it in */
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
    (void)relay_config_unref(tokens->access_of);
    (void)secret_unref(tokens->refresh);
    (void)secret_unref(tokens->replaced);
    (void)pthread_mutex_destroy(&tokens->renewing);
    (void)pthread_mutex_destroy(&tokens->mutex);
    free(tokens);
    return NULL;
}

bool oauth_is_configured(const RelayConfig *relay)
{
    return relay->oauth_token_url;
}

bool oauth_is_same(const RelayConfig *one, const RelayConfig *other)
{
    return oauth_is_configured(one) && text_equal(one->oauth_token_url, other->oauth_token_url) &&
           text_equal(one->oauth_client_id, other->oauth_client_id) &&
           text_equal(one->user, other->user);
}

/* ---- the kept one ---- */

/* A reference to it, or NULL; `until` is when it is no longer to be used. */
static Secret *find_kept(OauthTokens *tokens, const RelayConfig *relay, bool to_its_end)
{
    usec_t now = clock_monotonic();
    Secret *found = NULL;

    (void)pthread_mutex_lock(&tokens->mutex);
    if (tokens->access && tokens->access_of == relay &&
        now < (to_its_end ? tokens->expires : tokens->renew_at))
        found = secret_ref(tokens->access);
    (void)pthread_mutex_unlock(&tokens->mutex);
    return found;
}

static void keep(OauthTokens *tokens, RelayConfig *relay, Secret *access, usec_t life)
{
    usec_t now = clock_monotonic();

    (void)pthread_mutex_lock(&tokens->mutex);
    (void)secret_unref(tokens->access);
    (void)relay_config_unref(tokens->access_of);
    tokens->access = secret_ref(access);
    tokens->access_of = relay_config_ref(relay);
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

static void forget_refresh(OauthTokens *tokens)
{
    tokens->refresh = secret_unref(tokens->refresh);
    tokens->replaced = secret_unref(tokens->replaced);
}

/* In memory until it is in the file: then the file's counts, which another process may change. */
static void exchange_refresh(OauthTokens *tokens, const RelayConfig *relay, const char *origin,
    Secret *former, Secret *newer, OauthRoom *room, Failure *f)
{
    if (!tokens->replaced || !text_equal(tokens->origin, origin)) {
        (void)secret_unref(tokens->replaced);
        tokens->replaced = secret_ref(former);
    }
    (void)secret_unref(tokens->refresh);
    tokens->refresh = secret_ref(newer);
    tokens->told = false;
    snprintf(tokens->origin, sizeof(tokens->origin), "%s", origin);
    if (relay->oauth_token_file && oauth_store_save(relay, origin, newer, room, f) >= 0)
        forget_refresh(tokens);
}

/* Where the file has another one by now, somebody else got it since, and it counts. */
static int save_again(OauthTokens *tokens, const RelayConfig *relay, CommandStop *stop, Failure *f)
{
    _cleanup_close_ int lock = oauth_store_lock(relay, stop, f);
    _cleanup_secret_ Secret *configured = NULL, *stored = NULL;
    _cleanup_(oauth_room_done) OauthRoom room = OAUTH_ROOM_NONE;
    char origin[OAUTH_ORIGIN_MAX];
    int r =
        lock < 0 ? lock : secret_source_fetch(&relay->oauth_refresh_token, stop, &configured, f);

    r = r ?: oauth_origin(relay, configured, origin);
    if (r < 0 || !text_equal(tokens->origin, origin))
        return r;
    r = oauth_store_load(relay, stop, origin, &stored, f);
    if (r >= 0 && (!stored || text_equal(secret_text(stored), secret_text(tokens->replaced))))
        r = oauth_store_reserve(relay, stop, &room, f)
                ?: oauth_store_save(relay, origin, tokens->refresh, &room, f);
    if (r >= 0)
        forget_refresh(tokens);
    return r;
}

/* Without a file the new one lives as long as this process, and the configured one may be dead. */
static void tell_of_no_file(const RelayConfig *relay, char **ret_notice)
{
    if (asprintf(ret_notice,
            "relay %s: the token server gave a new refresh token in exchange, which is lost with "
            "this process, for there is no file to keep it in, and the configured one may be of no "
            "use any more: set oauth_token_file, and where the login fails later run `outbox "
            "authorize %s`",
            relay->name ?: relay->host, relay->name ?: "") < 0)
        *ret_notice = NULL;
}

/* A refresh token that is in no file yet is not to be lost in silence. */
static void save_pending(
    OauthTokens *tokens, const RelayConfig *relay, CommandStop *stop, char **ret_notice)
{
    _cleanup_failure_ Failure f = {0};

    *ret_notice = NULL;
    if (!tokens->refresh)
        return;
    if (!relay->oauth_token_file) {
        if (!tokens->told)
            tell_of_no_file(relay, ret_notice);
        tokens->told = true;
        return;
    }
    if (save_again(tokens, relay, stop, &f) >= 0)
        return;
    if (asprintf(ret_notice,
            "relay %s: its new refresh token is in memory alone, and the one in the file is of no "
            "use any more: %s; mend that before this process ends: it is tried again with each "
            "connection",
            relay->name ?: relay->host, failure_text(&f)) < 0)
        *ret_notice = NULL;
}

/* ---- renewal ---- */

static int fail_answer(const RelayConfig *relay, const char *what, Failure *f)
{
    _cleanup_free_
    char *shown = url_shown(relay->oauth_token_url);

    return failure_set(f, -EPROTO, ERROR_AUTHENTICATION,
        "the answer of %s is no token: %s; check oauth_token_url", shown ?: "the token server",
        what);
}

static int take_access(
    OauthTokens *tokens, RelayConfig *relay, const json_t *answer, Secret **ret, Failure *f)
{
    const char *type = json_string_value(json_object_get(answer, "token_type"));
    int r;

    if (type && !text_equal_nocase(type, "bearer"))
        return fail_answer(relay, "its token_type is not Bearer", f);
    r = oauth_take_secret(answer, "access_token", ret);
    if (r == -EBADMSG)
        return fail_answer(relay, "its access_token has control characters", f);
    if (r < 0)
        return r;
    if (!*ret)
        return fail_answer(relay, "it has no access_token", f);
    keep(tokens, relay, *ret, oauth_take_seconds(answer, "expires_in", LIFE_UNKNOWN));
    return 0;
}

static int renew_by_client(
    OauthTokens *tokens, RelayConfig *relay, CommandStop *stop, Secret **ret, Failure *f)
{
    /* Nothing is lost with an answer that nobody waits for any more; of a refresh token there is.
     */
    _cleanup_(oauth_form_done)
        OauthForm form = {.asks = OAUTH_ASKS_CLIENT, .stop = stop, .limit = relay->timeout};
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

/* What was exchanged is kept whatever else the answer lacks. */
static int take_tokens(OauthTokens *tokens, RelayConfig *relay, const json_t *answer,
    const char *origin, Secret *refresh, OauthRoom *room, Secret **ret, Failure *f)
{
    _cleanup_secret_ Secret *newer = NULL;
    int r = oauth_take_secret(answer, "refresh_token", &newer);

    if (r == -EBADMSG)
        return fail_answer(relay, "its refresh_token has control characters; it is not kept", f);
    if (newer && !text_equal(secret_text(newer), secret_text(refresh)))
        exchange_refresh(tokens, relay, origin, refresh, newer, room, NULL);
    return r ?: take_access(tokens, relay, answer, ret, f);
}

static int ask_by_refresh(OauthTokens *tokens, RelayConfig *relay, CommandStop *stop,
    OauthRoom *room, Secret **ret, Failure *f)
{
    _cleanup_(oauth_form_done) OauthForm form = {.stop = stop, .grace = GRACE};
    _cleanup_secret_ Secret *refresh = NULL;
    char origin[OAUTH_ORIGIN_MAX] = "", error[OAUTH_ERROR_MAX];
    json_t *answer = NULL;
    int r = find_refresh(tokens, relay, stop, origin, &refresh, f);

    r = r ?: oauth_form_add(&form, "grant_type", "refresh_token")
                  ?: oauth_form_add_secret(&form, "refresh_token", refresh)
                  ?: oauth_form_add(&form, "scope", relay->oauth_scope)
                  ?: oauth_form_add_client(&form, relay, stop, f);
    if (r >= 0 && relay->oauth_token_file)
        r = oauth_store_reserve(relay, stop, room, f);
    r = r ?: oauth_call(relay, relay->oauth_token_url, &form, &answer, error, f);
    if (r >= 0)
        r = take_tokens(tokens, relay, answer, origin, refresh, room, ret, f);
    json_decref(answer);
    return r;
}

static int renew(
    OauthTokens *tokens, RelayConfig *relay, CommandStop *stop, Secret **ret, Failure *f)
{
    _cleanup_close_ int lock = -1;
    _cleanup_(oauth_room_done) OauthRoom room = OAUTH_ROOM_NONE; /* done with before the lock is */

    if (relay->oauth_grant == OAUTH_GRANT_CLIENT)
        return renew_by_client(tokens, relay, stop, ret, f);
    if (relay->oauth_token_file) {
        lock = oauth_store_lock(relay, stop, f);
        if (lock < 0)
            return lock;
    }
    return ask_by_refresh(tokens, relay, stop, &room, ret, f);
}

/* Where none can be had, one that is not quite at its end yet is better than nothing. */
int oauth_tokens_get(OauthTokens *tokens, RelayConfig *relay, CommandStop *stop, Secret **ret,
    bool *ret_kept, char **ret_notice, Failure *f)
{
    int r = 0;

    *ret_kept = true;
    (void)pthread_mutex_lock(&tokens->renewing);
    *ret = find_kept(tokens, relay, false);
    if (!*ret) {
        r = renew(tokens, relay, stop, ret, f);
        *ret_kept = r < 0;
        if (r < 0)
            *ret = find_kept(tokens, relay, true);
    }
    save_pending(tokens, relay, stop, ret_notice);
    (void)pthread_mutex_unlock(&tokens->renewing);
    if (*ret || r == -ENOMEM)
        return *ret ? 0 : r;
    return failure_prefix(f, r, "no OAuth token can be had");
}
