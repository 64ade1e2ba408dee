/* The device authorization grant (RFC 8628): the user agrees in a browser elsewhere. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "base/url.h"
#include "net/oauth.h"
#include "net/oauth_call.h"
#include "net/oauth_store.h"
#include "settings/secret_source.h"

#define GRANT "urn:ietf:params:oauth:grant-type:device_code"
#define INTERVAL                                                                       \
    (5 * USEC_PER_SEC) /* RFC 8628, 3.2, where the server says none; and 3.5: how much \
                          longer it is to be */
#define INTERVAL_MIN USEC_PER_SEC
#define INTERVAL_MAX USEC_PER_MINUTE
#define LAST_CALL (2 * USEC_PER_SEC) /* what a poll gets at least, were it at the code's end */
#define LIFE (15 * USEC_PER_MINUTE)

void oauth_device_done(OauthDevice *device)
{
    free(device->url);
    free(device->code);
    (void)secret_unref(device->device);
    *device = (OauthDevice){0};
}

static int fail_at(const char *before, const char *url, const char *behind, Failure *f)
{
    _cleanup_free_
    char *shown = url_shown(url);

    return failure_set(
        f, -EPROTO, ERROR_AUTHENTICATION, "%s%s%s", before, shown ?: "the token server", behind);
}

/* Google writes url for uri. */
static int take_device(const RelayConfig *relay, const json_t *answer, OauthDevice *ret, Failure *f)
{
    const char *url = json_string_value(json_object_get(answer, "verification_uri"))
                          ?: json_string_value(json_object_get(answer, "verification_url"));
    const char *code = json_string_value(json_object_get(answer, "user_code"));

    int r = oauth_take_secret(answer, "device_code", &ret->device);

    if (r == -ENOMEM)
        return r;
    if (!url || !code || !ret->device)
        return fail_at("the answer of ", relay->oauth_device_url,
            " has no device_code, user_code or verification_uri (RFC 8628, 3.2): "
            "check oauth_device_url",
            f);
    ret->url = strdup(url);
    ret->code = strdup(code);
    ret->interval = MIN(oauth_take_seconds(answer, "interval", INTERVAL), INTERVAL_MAX);
    ret->interval = MAX(ret->interval, INTERVAL_MIN);
    ret->until = usec_add(clock_monotonic(), oauth_take_seconds(answer, "expires_in", LIFE));
    return ret->url && ret->code ? 0 : -ENOMEM;
}

/* Whether a token could be kept. */
static int try_store(const RelayConfig *relay, Failure *f)
{
    _cleanup_close_ int lock = oauth_store_lock(relay, NULL, f);
    OauthRoom room = OAUTH_ROOM_NONE;
    int r = lock < 0 ? lock : oauth_store_reserve(relay, NULL, &room, f);

    oauth_room_done(&room);
    return r;
}

/* Once. */
static int name_setting(int r, Failure *f)
{
    if (r == -ENOMEM || !f || strstr(failure_text(f), "oauth_device_url"))
        return r;
    return failure_prefix(f, r, "oauth_device_url");
}

int oauth_device_begin(const RelayConfig *relay, OauthDevice *ret, Failure *f)
{
    _cleanup_(oauth_form_done) OauthForm form = {.asks = OAUTH_ASKS_CODE};
    char error[OAUTH_ERROR_MAX];
    json_t *answer = NULL;
    int r = oauth_form_add(&form, "client_id", relay->oauth_client_id)
                ?: oauth_form_add(&form, "scope", relay->oauth_scope);

    *ret = (OauthDevice){0};
    if (r >= 0 && relay->oauth_token_file)
        r = try_store(relay, f); /* before anybody agrees to anything */
    if (r >= 0) {
        r = oauth_call(relay, relay->oauth_device_url, &form, &answer, error, f);
        r = r < 0 ? name_setting(r, f) : r;
    }
    if (r >= 0)
        r = take_device(relay, answer, ret, f);
    json_decref(answer);
    return r;
}

static int keep(const RelayConfig *relay, const json_t *answer, OauthRoom *room, Failure *f)
{
    _cleanup_secret_ Secret *refresh = NULL, *configured = NULL;
    char origin[OAUTH_ORIGIN_MAX];
    int r = oauth_take_secret(answer, "refresh_token", &refresh);

    if (r == -EBADMSG)
        return fail_at("the refresh_token that ", relay->oauth_token_url,
            " gave has control characters, which no token has; it is not "
            "kept: check oauth_token_url",
            f);
    if (r < 0)
        return r;
    if (!refresh)
        return fail_at("", relay->oauth_token_url,
            " gave a token, but none that it can be renewed by: have oauth_scope ask for it "
            "(\"offline_access\" at Microsoft)",
            f);
    r = secret_source_fetch(&relay->oauth_refresh_token, NULL, &configured, f)
            ?: oauth_origin(relay, configured, origin)
            ?: oauth_store_save(relay, origin, refresh, room, f);
    return r < 0 ? r : 1;
}

static usec_t time_left(const OauthDevice *device)
{
    usec_t now = clock_monotonic();

    return now < device->until ? device->until - now : 0;
}

usec_t oauth_device_wait(const OauthDevice *device)
{
    return MIN(MAX(device->interval, device->delay), time_left(device));
}

static int fail_without_agreement(Failure *f)
{
    return failure_set(
        f, -ETIMEDOUT, ERROR_TIMEOUT, "nobody has entered the code in time: run the command again");
}

static int wait_longer(OauthDevice *device, Failure *f)
{
    device->delay = MIN(2 * MAX(device->delay, device->interval), INTERVAL_MAX);
    if (time_left(device) > 0)
        return 0;
    return failure_set(f, -ETIMEDOUT, ERROR_TIMEOUT,
        "%s; until the code ended no better answer came: run the command again",
        f ? failure_text(f) : "");
}

/* A poll that gave no token. One that the server has not refused leaves the authorization as it
 * was, which the user may be about to give. */
static int judge_poll(OauthDevice *device, int r, const char *error, Failure *f)
{
    bool slower = r == -EKEYREJECTED && text_equal(error, "slow_down");

    if (r == -ENOMEM || r == -EINVAL)
        return r;
    if (r != -EKEYREJECTED)
        return wait_longer(device, f);
    if (text_equal(error, "expired_token"))
        return fail_without_agreement(f);
    if (!slower && !text_equal(error, "authorization_pending"))
        return r;
    if (slower)
        device->interval = MIN(device->interval + INTERVAL, INTERVAL_MAX);
    device->delay = 0;
    if (time_left(device) == 0)
        return fail_without_agreement(f);
    if (f)
        failure_done(f);
    return 0;
}

int oauth_device_poll(const RelayConfig *relay, OauthDevice *device, Failure *f)
{
    _cleanup_(oauth_form_done)
        OauthForm form = {.asks = OAUTH_ASKS_CODE, .limit = MAX(time_left(device), LAST_CALL)};
    char error[OAUTH_ERROR_MAX] = "";
    json_t *answer = NULL;
    _cleanup_close_ int lock = oauth_store_lock(relay, NULL, f);
    OauthRoom room = OAUTH_ROOM_NONE;
    int r = lock < 0 ? lock : oauth_store_reserve(relay, NULL, &room, f);

    r = r
            ?: oauth_form_add(&form, "grant_type", GRANT)
            ?: oauth_form_add_secret(&form, "device_code", device->device)
                ?: oauth_form_add_client(&form, relay, NULL, f);
    if (r >= 0) {
        r = oauth_call(relay, relay->oauth_token_url, &form, &answer, error, f);
        r = r < 0 ? judge_poll(device, r, error, f) : keep(relay, answer, &room, f);
    }
    oauth_room_done(&room);
    json_decref(answer);
    return r;
}
